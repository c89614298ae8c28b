"""Backups in a bucket: writing, deduplication, removal, and restoration."""

import hashlib
import os
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from jikko.assemble.build_backup import make_backups, make_restores
from jikko.errors import StoreUnavailable
from jikko.maintenance.backup_manifest import NotABackup
from jikko.maintenance.bucket_backup import BLOCK, BucketBackups, StoredBackup, name_at, names, path_of
from jikko.maintenance.restore import InBucket, NotRestored
from jikko.settings import Settings
from jikko.store.sqlite.database import Database
from tests.files.memory_objects import MemoryObjects

DAY = 24 * 3600.0
CONTENTS = [b"", b"x", "請求書 🧾".encode(), random.Random(1).randbytes(2 * BLOCK + 17)]


class Place:
    """A data folder, a bucket, and a clock that the test sets."""

    def __init__(self, folder: Path) -> None:
        self.now = 1_800_000_000.0
        self.folder = folder
        self.settings = Settings(home=folder / "home")
        self.settings.home.mkdir()
        Database.open(self.settings.database).close()
        for content in CONTENTS:
            self.add(content)
        (self.settings.home / "signing.key").write_text("secret")
        self.objects = MemoryObjects()
        copied = replace(make_backups(self.settings), clock=self.time)
        self.backups = BucketBackups(copied, self.objects, clock=self.time, keep=2)

    def time(self) -> float:
        return self.now

    def add(self, content: bytes) -> Path:
        digest = hashlib.sha256(content).hexdigest()
        path = self.settings.files / digest[:2] / digest[2:4] / digest
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def restored(self, at: str = "") -> Path:
        home = self.folder / f"restored-{at or 'newest'}"
        make_restores(Settings()).restore(InBucket(self.objects, at), home)
        return home

    def blocks(self) -> set[str]:
        return set(self.objects.listed("blocks"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def in_folder(root: Path) -> dict[str, tuple[int, bytes | str]]:
    """All that is in a folder, but what is the lock's."""
    found: dict[str, tuple[int, bytes | str]] = {}
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(root))] = (0, os.readlink(path))
        elif path.is_file() and path.name not in ("serve.lock", ".lock"):
            found[str(path.relative_to(root))] = (path.stat().st_mode, path.read_bytes())
    return found


def test_what_is_brought_back_is_what_a_backup_in_a_folder_has(place: Place) -> None:
    plugin = place.settings.home / "plugins" / "environments" / "一つ"
    plugin.mkdir(parents=True)
    (plugin / "run 🙂").write_text("#!")
    (plugin / "run 🙂").chmod(0o555)
    (plugin / "python").symlink_to("/usr/bin/python3")
    plugin.chmod(0o555)

    made = place.backups.make()
    make_backups(place.settings).make(place.folder / "copy")
    home = place.restored()

    expected = in_folder(place.folder / "copy")
    del expected["backup.json"]
    assert in_folder(home) == expected
    assert (home / "plugins" / "environments" / "一つ").stat().st_mode & 0o777 == 0o555
    assert (made.new_files, home.stat().st_mode & 0o777) == (len(CONTENTS), 0o700)
    assert [path.name for path in place.settings.home.glob("to-bucket*")] == []


def test_what_did_not_change_is_not_written_again(place: Place) -> None:
    with closing(sqlite3.connect(place.settings.database)) as database:
        database.execute("CREATE TABLE large (content)")
        for _ in range(20):
            database.execute("INSERT INTO large VALUES (randomblob(1000000))")
        database.commit()
    first = place.backups.make()
    place.now += DAY
    assert first.new_bytes > 20_000_000

    again = place.backups.make()
    place.now += DAY
    place.add(b"new")
    with closing(sqlite3.connect(place.settings.database)) as database:
        database.execute("UPDATE large SET content = 'short' WHERE rowid = 1")
        database.commit()
    third = place.backups.make()

    assert (again.new_files, again.new_bytes < BLOCK) == (0, True)
    assert (third.new_files, third.new_bytes < 5 * BLOCK) == (1, True)
    assert names(place.objects) == [first.name, again.name, third.name]
    with closing(sqlite3.connect(place.restored(first.name) / "jikko.db")) as database:
        assert database.execute("SELECT length(content) FROM large WHERE rowid = 1").fetchone() == (1000000,)
    with closing(sqlite3.connect(place.restored(third.name) / "jikko.db")) as database:
        assert database.execute("SELECT content FROM large WHERE rowid = 1").fetchone() == ("short",)


def test_a_block_that_is_gone_from_the_bucket_is_written_again(place: Place) -> None:
    place.backups.make()
    for path in place.blocks():
        place.objects.delete(path)
    place.now += DAY

    place.backups.make()

    assert make_restores(Settings()).verify_all(InBucket(place.objects)).contents == len(CONTENTS)


def test_the_newest_are_kept_with_all_that_they_consist_of(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = place.add(b"in the first one only")
    written: list[str] = []
    for number in range(4):
        place.now += 2 * DAY
        # The bucket's own clock.
        monkeypatch.setattr("jikko.files.memory_blobs.time.time", place.time)
        (place.settings.home / "jikko.toml").write_text(f"port = {number}\n")
        written.append(place.backups.add())
        gone.unlink(missing_ok=True)

    kept = names(place.objects)
    assert kept == [name_at(place.now - 2 * DAY), name_at(place.now)]
    assert f"blocks/{gone.name[:2]}/{gone.name}" not in place.blocks()
    for name in kept:
        make_restores(Settings()).verify_all(InBucket(place.objects, name))
    assert kept[-1] in written[-1]


def test_a_block_that_may_be_of_a_backup_under_way_is_not_removed(place: Place) -> None:
    place.objects.put("blocks/ab/" + "ab" * 32, b"just written by another process")
    place.now = 4_000_000_000.0
    for _ in range(3):
        place.now += 1
        place.backups.make()
    stays = BucketBackups(make_backups(place.settings), place.objects, clock=time.time)

    stays.prune(1)

    assert "blocks/ab/" + "ab" * 32 in place.blocks()


def test_backups_of_another_data_folder_are_left_alone(place: Place, tmp_path: Path) -> None:
    place.backups.make()
    (tmp_path / "other").mkdir()
    other = Place(tmp_path / "other")
    before = place.objects.listed("backups")

    with pytest.raises(NotABackup, match="another data folder"):
        BucketBackups(make_backups(other.settings), place.objects, clock=other.time).make()

    assert place.objects.listed("backups") == before


@pytest.mark.parametrize("content", [b"damaged", None], ids=["damaged", "gone"])
def test_what_is_damaged_is_told_and_nothing_is_written(place: Place, content: bytes | None) -> None:
    place.backups.make()
    digest = hashlib.sha256(CONTENTS[2]).hexdigest()
    path = f"blocks/{digest[:2]}/{digest}"
    if content is None:
        place.objects.delete(path)
    else:
        place.objects.put(path, content)

    with pytest.raises(NotRestored, match=f"the content of a file, {digest}, is damaged"):
        place.restored()

    assert not (place.folder / "restored-newest").exists()


def test_what_is_written_wrong_is_noticed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    put = place.objects.put
    monkeypatch.setattr(place.objects, "put", lambda path, content: put(path, content[:-1]))

    with pytest.raises(StoreUnavailable, match="does not read as it was written"):
        place.backups.make()

    assert names(place.objects) == []
    assert [path.name for path in place.settings.home.glob("to-bucket*")] == []


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../b", "a//b", "nul\0"])
@pytest.mark.parametrize("kind", ["folders", "links", "files"])
def test_a_list_that_leads_out_of_the_folder_is_refused(place: Place, kind: str, path: str) -> None:
    made = place.backups.make()
    stored = msgspec.json.decode(place.objects.get(path_of(made.name)), type=StoredBackup)
    entries = getattr(stored, kind)
    entry = {"folders": 0o700, "links": "x", "files": stored.files["jikko.db"]}[kind]
    forged = msgspec.structs.replace(stored, **{kind: {**entries, path: entry}})
    place.objects.put(path_of(made.name), msgspec.json.encode(forged))

    with pytest.raises(NotRestored, match="is damaged, or of a newer version"):
        place.restored()


def test_a_backup_that_is_not_there_is_told_with_those_that_are(place: Place) -> None:
    with pytest.raises(NotRestored, match="has no backup"):
        place.restored()
    made = place.backups.make()

    with pytest.raises(NotRestored, match=f"has no backup 2020; the newest are {made.name}"):
        place.restored("2020")


def test_a_folder_that_holds_something_is_not_overwritten(place: Place) -> None:
    place.backups.make()
    home = place.folder / "restored-newest"
    home.mkdir()
    (home / "mine").write_text("mine")

    with pytest.raises(NotRestored, match="is not empty"):
        place.restored()

    assert [path.name for path in home.iterdir()] == ["mine"]
