"""Which files of a folder are DSL files."""

from pathlib import Path

import pytest

from jikko.apps.dsl_file import dsl_files
from jikko.errors import InvalidSettings
from tests.plain_user import PLAIN_USER, as_user, folder_of


def test_a_folder_with_one_that_cannot_be_read_is_refused_as_a_whole() -> None:
    with folder_of(PLAIN_USER) as flows:
        (flows / "one.yml").touch()
        (flows / "チーム").mkdir(mode=0)

        error = as_user(PLAIN_USER, lambda: dsl_files([flows]))

        assert error == f"InvalidSettings: {flows / 'チーム'} cannot be read: Permission denied."


def test_a_folder_is_searched_once_whatever_leads_to_it(tmp_path: Path) -> None:
    (tmp_path / "b/c").mkdir(parents=True)
    (tmp_path / "b/c/流れ.yml").touch()
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b/c/round").symlink_to(tmp_path)

    assert dsl_files([tmp_path]) == [tmp_path / "a/c/流れ.yml"]


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".hidden.yml").touch()

    with pytest.raises(InvalidSettings, match="is a folder without"):
        dsl_files([tmp_path])
