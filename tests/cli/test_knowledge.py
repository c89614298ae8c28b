"""``jikko knowledge``, in this process."""

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


def test_a_key_that_dify_refuses_is_told_with_the_kind_of_key_that_it_takes(tmp_path: Path) -> None:
    with answering(401, {"code": "unauthorized", "message": "no"}) as url:
        refused = called(tmp_path, "import", "--from-dify", url, "--key", "app-1")

    assert refused.exit_code != 0
    assert "It takes a key of the knowledge API, which begins with dataset-." in refused.output
