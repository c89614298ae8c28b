"""Which data folder a command takes."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from jikko.default_home import default_home
from tests.acceptance.processes import JIKKO, environment


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home folder of a user, with a data folder in it."""
    home = tmp_path / "user"
    (home / ".jikko").mkdir(parents=True)
    return home


def database_taken(home: Path, folder: Path, **variables: str) -> tuple[str, str]:
    """The database that a command brought up to date, and what it said."""
    folder.mkdir(parents=True, exist_ok=True)
    given = {**environment(home), "HOME": str(home), **variables}
    if not variables:
        del given["JIKKO_HOME"]
    ended = subprocess.run(
        [str(JIKKO), "migrate"], cwd=folder, env=given, capture_output=True, text=True, timeout=60, check=True
    )
    return ended.stdout.split(" is up")[0], ended.stderr


def test_a_data_folder_of_the_current_folder_wins_and_is_named_in_the_first_line(home: Path, tmp_path: Path) -> None:
    project = tmp_path / "計画"
    (project / ".jikko").mkdir(parents=True)

    taken, said = database_taken(home, project)

    assert taken == str(project / ".jikko/jikko.db")
    assert said.splitlines()[0] == "data folder: .jikko (of the current folder)"


def test_folders_above_the_current_one_are_not_searched(home: Path, tmp_path: Path) -> None:
    (tmp_path / "project/.jikko").mkdir(parents=True)

    assert database_taken(home, tmp_path / "project/below") == (str(home / ".jikko/jikko.db"), "")


def test_what_is_set_wins_over_the_current_folder(home: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / ".jikko").mkdir(parents=True)

    taken, said = database_taken(home, project, JIKKO_HOME=str(tmp_path / "chosen"))

    assert (taken, said) == (str(tmp_path / "chosen/jikko.db"), "")


def test_a_data_folder_of_another_user_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "project/.jikko").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("HOME", str(home))
    assert default_home() == tmp_path / "project/.jikko"

    monkeypatch.setattr(os, "geteuid", lambda: (tmp_path / "project").stat().st_uid + 1)

    assert default_home() == home / ".jikko"


@pytest.mark.services
def test_a_link_of_another_user_is_not_taken(monkeypatch: pytest.MonkeyPatch, home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / ".jikko").symlink_to(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(home))
    assert default_home() == tmp_path / ".jikko"

    os.lchown(tmp_path / ".jikko", 12_345, 12_345)

    assert default_home() == home / ".jikko"


def test_in_the_home_folder_there_is_no_line_about_it(home: Path) -> None:
    assert database_taken(home, home) == (str(home / ".jikko/jikko.db"), "")


def test_with_json_the_error_is_the_only_line(home: Path, tmp_path: Path) -> None:
    (tmp_path / ".jikko").mkdir()
    given = {**environment(home), "HOME": str(home)}
    del given["JIKKO_HOME"]

    ended = subprocess.run(
        [str(JIKKO), "runs", "list", "--json"], cwd=tmp_path, env=given, capture_output=True, text=True, check=False
    )

    assert json.loads(ended.stderr)["code"] == "not_found"
