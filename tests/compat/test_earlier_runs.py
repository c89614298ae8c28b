"""Runs that version 0.1.0 recorded, replayed by this one: the database is brought up to date, and each does the same.

``scripts/earlier_runs.py`` made them.
"""

import tarfile
from pathlib import Path

import pytest

from tests.compat.replayed import otherwise

pytestmark = [pytest.mark.slow, pytest.mark.once]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("earlier")
    with tarfile.open(Path(__file__).with_name("runs_of_0.1.0.tar.xz")) as archive:
        archive.extractall(made, filter="data")
    return made


@pytest.mark.parametrize("suite", ["chats", "recordings"])
def test_runs_of_an_earlier_version_do_the_same(folder: Path, suite: str) -> None:
    assert otherwise(folder / suite) == []
