"""Backups that are made by the clock."""

import asyncio
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from jikko.assemble.build_backup import make_backups
from jikko.maintenance.scheduled_backups import FolderOfBackups, ScheduledBackups
from jikko.settings import Settings
from jikko.store.sqlite.database import Database
from tests.effort import PATIENCE

HOUR = 3600.0


class Place:
    """A data folder, and a clock that the test sets."""

    def __init__(self, folder: Path) -> None:
        self.now = 1_800_000_000.0
        self.settings = Settings(home=folder / "home")
        self.settings.home.mkdir()
        Database.open(self.settings.database).close()
        self.add("ab" * 32)
        self.folder = folder / "backups"
        self.backups = FolderOfBackups(
            lambda: replace(make_backups(self.settings), clock=self.time), self.folder, keep=3, clock=self.time
        )
        self.scheduled = ScheduledBackups(self.backups, every=24 * HOUR, clock=self.time)

    def time(self) -> float:
        return self.now

    def add(self, digest: str) -> None:
        """A content of a file; what is in it does not matter here."""
        path = self.settings.files / digest[:2] / digest[2:4] / digest
        path.parent.mkdir(parents=True)
        path.write_bytes(b"content")

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_each_has_a_folder_named_by_its_time_and_the_newest_are_kept(place: Place) -> None:
    for _ in range(5):
        place.backups.make()
        place.now += 24 * HOUR

    assert place.names() == ["2027-01-17T08-00-00Z", "2027-01-18T08-00-00Z", "2027-01-19T08-00-00Z"]


def test_a_file_that_an_earlier_one_has_takes_no_place_twice(place: Place) -> None:
    first = place.backups.make()
    place.now += 24 * HOUR
    place.add("cd" * 32)
    second = place.backups.make()

    files = {path.name: path for path in (first.folder / "files").rglob("*") if path.is_file()}
    again = {path.name: path for path in (second.folder / "files").rglob("*") if path.is_file()}
    assert (sorted(files), sorted(again)) == (["ab" * 32], ["ab" * 32, "cd" * 32])
    assert files["ab" * 32].stat().st_ino == again["ab" * 32].stat().st_ino


def test_one_that_fails_leaves_those_before_it(place: Place) -> None:
    first = place.backups.make()
    place.now += 24 * HOUR
    place.settings.database.write_bytes(b"damaged" * 1000)

    with pytest.raises(Exception, match="restore a backup"):
        place.backups.make()

    assert place.names() == [first.folder.name]


@contextmanager
def watched(place: Place) -> Iterator[asyncio.Task[None]]:
    task = asyncio.ensure_future(place.scheduled.watch())
    try:
        yield task
    finally:
        task.cancel()


async def _until(condition: object) -> None:
    deadline = time.monotonic() + PATIENCE
    assert callable(condition)
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_one_is_made_when_the_newest_is_old_enough_whichever_process_made_it(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def main() -> None:
        with watched(place):
            await _until(lambda: "backup made" in caplog.text)
        caplog.clear()
        # The next process: not before its time.
        place.now += 24 * HOUR - 0.2
        with watched(place):
            await asyncio.sleep(0)
            assert len(place.names()) == 1
            place.now += 0.2
            await _until(lambda: "backup made" in caplog.text)

    asyncio.run(main())
    assert len(place.names()) == 2


def test_a_folder_that_cannot_be_written_is_told_before_the_next_one_is_due(
    place: Place, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.backups.make()
    monkeypatch.setattr(os, "access", lambda path, mode: path != place.folder)  # root may write anywhere

    async def main() -> None:
        with watched(place):
            await _until(lambda: f"the backup in {place.folder} failed: [Errno 13] Permission denied" in caplog.text)

    asyncio.run(main())
    assert len(place.names()) == 1


def test_one_that_cannot_be_made_is_told_and_the_watch_goes_on(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.folder.write_text("a file is where the folder is to be")

    async def main() -> None:
        with watched(place) as task:
            await _until(lambda: "the backup in" in caplog.text)
            assert not task.done()

    asyncio.run(main())
