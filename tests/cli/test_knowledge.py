"""``jikko knowledge``, in this process."""

import json
from pathlib import Path
from typing import Any, Final

from click.testing import CliRunner, Result

from jikko.cli.main import cli
from tests.acceptance.test_knowledge_import import answering

IDS: Final = [f"0199a1b2-0000-4000-8000-00000000000{number}" for number in range(1, 6)]


def called(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["knowledge", *arguments, "--home", str(home)])


def test_names_are_shown_in_json_as_they_were_written(tmp_path: Path) -> None:
    added = called(
        tmp_path, "external", "add", "社内検索 🙂", "--endpoint", "http://a.test", "--api-key", "k", "--json"
    )

    assert (added.exit_code, '"社内検索 🙂"' in added.output) == (0, True)


def test_a_key_that_dify_refuses_is_told_with_the_kind_of_key_that_it_takes(tmp_path: Path) -> None:
    with answering(401, {"code": "unauthorized", "message": "no"}) as url:
        refused = called(tmp_path, "import", "--from-dify", url, "--key", "app-1")

    assert refused.exit_code != 0
    assert "It takes a key of the knowledge API, which begins with dataset-." in refused.output


def of_a_dify(path: str) -> dict[str, Any]:
    """Answer for a dataset with two documents of one name, two that are not indexed, and one of another form; and for a
    dataset elsewhere."""
    match path.removeprefix("/v1/datasets").split("/")[1:]:
        case []:
            shown = {"id": IDS[0], "name": "鳥 🦉", "indexing_technique": "economy"}
            return {"data": [shown, {"id": IDS[1], "name": "外", "provider": "external"}]}
        case [_, "metadata"]:
            return {"doc_metadata": []}
        case [_, "documents"]:
            names, status = ("odd", "owls", "owls", "late", "bad"), dict.fromkeys(IDS[3:5], "error")
            return {
                "data": [
                    {"id": id_, "name": name, "indexing_status": status.get(id_, "completed")}
                    for id_, name in zip((IDS[2], *IDS[0:2], *IDS[3:5]), names, strict=True)
                ]
            }
        case [_, "documents", id_, "segments"]:
            return {"data": [{"id": f"{id_[:-2]}{at}9", "position": at, "content": f"{id_[-1]}{at}"} for at in (2, 1)]}
        case _:
            form = "new_model" if path.endswith(IDS[2]) else "text_model"
            return {"doc_form": form, "enabled": True, "archived": False}


def test_of_a_dataset_there_what_is_indexed_comes_in_its_order_and_the_rest_is_told(tmp_path: Path) -> None:
    with answering(200, of_a_dify) as url:
        copied = [called(tmp_path, "import", "--from-dify", url, "--key", "dataset-1") for _ in range(2)]
    shown = called(tmp_path, "show", "鳥 🦉", "--json").output.splitlines()

    told = [
        "left out: 鳥 🦉/bad (is error there)",
        "left out: 鳥 🦉/late (is error there)",
        "鳥 🦉/odd: odd: is a new_model, and the dataset has documents of text_model",
        "鳥 🦉: 2 added, 3 failed",
        "left out: 外 (its texts are elsewhere: see knowledge external)",
    ]
    assert [each.exit_code for each in copied] == [1, 1]
    assert copied[0].output.splitlines() == told
    assert copied[1].output.splitlines() == [*told[:3], "鳥 🦉: 2 unchanged, 3 failed", told[4]]
    assert [json.loads(line)["name"] for line in shown] == ["owls", f"owls ({IDS[0][:8]})"]
