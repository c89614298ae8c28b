"""``jikko knowledge``, in this process."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from jikko.cli.main import cli
from tests.acceptance.test_knowledge_import import answering


def called(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["knowledge", *arguments, "--home", str(home)])


def test_names_are_shown_in_json_as_they_were_written(tmp_path: Path) -> None:
    added = called(
        tmp_path, "external", "add", "社内検索 🙂", "--endpoint", "http://a.test", "--api-key", "k", "--json"
    )

    assert (added.exit_code, '"社内検索 🙂"' in added.output) == (0, True)


def test_a_separator_says_where_texts_are_cut(tmp_path: Path) -> None:
    text = tmp_path / "規程.md"
    text.write_text("。".join(mark * 40 for mark in "一二三四"), encoding="utf-8")

    def segments(name: str, *more: str) -> int:
        added = called(tmp_path, "add", name, str(text), "--technique", "economy", *more)
        assert added.exit_code == 0, added.output
        shown = called(tmp_path, "show", name, "--json")
        return int(json.loads(shown.output)["segments"])

    assert segments("cut", "--separator", "。", "--size", "50") == 4
    assert segments("whole") == 1


def test_a_key_that_dify_refuses_is_told_with_the_kind_of_key_that_it_takes(tmp_path: Path) -> None:
    with answering(401, {"code": "unauthorized", "message": "no"}) as url:
        refused = called(tmp_path, "import", "--from-dify", url, "--key", "app-1")

    assert refused.exit_code != 0
    assert "It takes a key of the knowledge API, which begins with dataset-." in refused.output
