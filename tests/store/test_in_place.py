"""A database that is taken away from under its writer: nothing is written into files that will not be found again."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jikko.errors import StoreUnavailable
from jikko.store.sqlite import writer
from jikko.store.sqlite.database import Database

pytestmark = pytest.mark.anyio


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """One that is looked at before every transaction."""
    monkeypatch.setattr(writer, "LOOK_SECONDS", 0.0)
    with closing(Database.open(tmp_path / "home" / "jikko.db")) as database:
        yield database


async def test_what_can_be_written_is(database: Database) -> None:
    await database.try_to_write()


async def test_trying_writes_and_changes_nothing(database: Database) -> None:
    version, size = state(database)
    await database.try_to_write()
    assert state(database)[0] == version
    assert state(database)[1] > size


def state(database: Database) -> tuple[str, int]:
    """What is in it, and the size of what was written last."""
    with closing(sqlite3.connect(database.path)) as other:
        return "\n".join(other.iterdump()), Path(f"{database.path}-wal").stat().st_size


def move(path: str, to: str) -> None:
    Path(path).rename(to)


@pytest.mark.parametrize("ending", ["", "-wal", "-shm"])
async def test_a_file_that_was_moved_away_is_told_until_it_is_back(
    database: Database, caplog: pytest.LogCaptureFixture, ending: str
) -> None:
    file = f"{database.path}{ending}"
    move(file, f"{file}.away")

    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=f"jikko.db{ending} was removed while it was open; put back"):
            await database.try_to_write()
    assert caplog.text.count("Nothing is written") == 1

    move(f"{file}.away", file)
    await database.try_to_write()
    assert "is written again" in caplog.text


async def test_another_one_in_its_place_is_told(database: Database) -> None:
    copy = database.path.with_name("copy")
    shutil.copy(database.path, copy)
    copy.replace(database.path)

    with pytest.raises(StoreUnavailable, match="was replaced by another one"):
        await database.try_to_write()


async def test_so_is_another_folder(database: Database) -> None:
    home = database.path.parent
    away = home.with_name("away")
    home.rename(away)
    shutil.copytree(away, home)

    with pytest.raises(StoreUnavailable, match="was replaced by another one"):
        await database.try_to_write()
