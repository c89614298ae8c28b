"""``jikko apps sync``: the apps of a folder."""

from pathlib import Path

import pytest

from tests.acceptance.processes import Command
from tests.acceptance.workflows import app, end, start


def written(folder: Path, **files: str) -> Path:
    """A folder with files by their names: the app of that name, with this variable."""
    folder.mkdir(exist_ok=True)
    for name, variable in files.items():
        (folder / f"{name}.yml").write_text(app(f"{name} 便", [start(variable), end()], "start>end"), encoding="utf-8")
    return folder


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    return written(tmp_path / "flows", one="q", two="q")


def outcomes(jikko: Command, *arguments: str | Path) -> list[tuple[str, str]]:
    return [(entry["name"], entry["outcome"]) for entry in jikko.json("apps", "sync", *arguments)]


def names(jikko: Command) -> list[str]:
    return [entry["name"] for entry in jikko.json("apps", "list")]


def test_what_is_new_or_changed_is_published_and_what_is_unchanged_stays(jikko: Command, flows: Path) -> None:
    assert outcomes(jikko, flows) == [("one 便", "new"), ("two 便", "new")]
    written(flows, two="other", three="q")

    assert outcomes(jikko, flows) == [("one 便", "unchanged"), ("three 便", "new"), ("two 便", "changed")]

    assert [len(jikko.json("apps", "show", name)[0]["versions"]) for name in names(jikko)] == [1, 2, 1]


def test_apps_without_a_file_are_removed_only_with_prune(jikko: Command, flows: Path) -> None:
    outcomes(jikko, flows)
    (flows / "one.yml").unlink()
    outcomes(jikko, flows)
    assert names(jikko) == ["one 便", "two 便"]

    assert outcomes(jikko, flows, "--prune") == [("two 便", "unchanged"), ("one 便", "removed")]

    assert names(jikko) == ["two 便"]
    assert len(list((jikko.home / "keys").iterdir() if (jikko.home / "keys").exists() else ())) == 0


def test_nothing_is_removed_while_a_file_cannot_be_imported(jikko: Command, flows: Path) -> None:
    outcomes(jikko, flows)
    (flows / "one.yml").write_text("- 1")

    outcome = jikko("apps", "sync", flows, "--prune")

    assert (outcome.code, "nothing is removed" in outcome.err) == (1, True)
    assert names(jikko) == ["one 便", "two 便"]


def test_a_dry_run_says_what_would_be_done_and_does_nothing(jikko: Command, flows: Path) -> None:
    assert outcomes(jikko, flows, "--dry-run") == [("one 便", "new"), ("two 便", "new")]
    assert not jikko.home.exists()
    outcomes(jikko, flows)
    (flows / "one.yml").unlink()
    written(flows, two="other")

    assert outcomes(jikko, flows, "--dry-run", "--prune") == [("two 便", "changed"), ("one 便", "removed")]

    assert names(jikko) == ["one 便", "two 便"]
    assert len(jikko.json("apps", "show", "two 便")[0]["versions"]) == 1


def test_an_import_of_the_same_bytes_makes_no_version(jikko: Command, flows: Path) -> None:
    jikko.json("apps", "import", flows)

    printed = jikko("apps", "import", flows / "one.yml").out

    assert printed == f"one 便: unchanged (version 1) from {flows / 'one.yml'}\n"


def test_a_folder_is_served(jikko: Command, flows: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert [jikko(*command, empty).code for command in (("serve",), ("apps", "import"), ("apps", "sync"))] == [2, 2, 2]
    broken = jikko("serve", "--port", "0", written(flows, three="q"), flows / "none.yml")
    assert (broken.code, "none.yml: cannot be read" in broken.err) == (2, True)


def test_a_linked_folder_is_a_part_of_its_folder_and_its_apps_stay(jikko: Command, flows: Path, tmp_path: Path) -> None:
    (flows / "team").symlink_to(written(tmp_path / "チーム", three="q"))
    (flows / "team/round").symlink_to(flows)

    outcomes(jikko, flows, "--prune")

    assert names(jikko) == ["one 便", "three 便", "two 便"]


def test_apps_of_a_linked_folder_that_is_gone_stay(jikko: Command, flows: Path, tmp_path: Path) -> None:
    (flows / "team").symlink_to(written(tmp_path / "チーム", three="q"))
    outcomes(jikko, flows)
    (tmp_path / "チーム").rename(tmp_path / "別")

    outcome = jikko("apps", "sync", flows, "--prune")

    assert (outcome.code, str(flows / "team") in outcome.err) == (1, True)
    assert names(jikko) == ["one 便", "three 便", "two 便"]
