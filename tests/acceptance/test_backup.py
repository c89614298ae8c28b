"""``jikko backup``: copied data, and files that are never overwritten."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import ECHO
from tests.store.old_databases import unpack


@pytest.fixture
def served(jikko: Command, tmp_path: Path) -> Iterator[tuple[Server, Client, str]]:
    """A server with an app, and the app's key."""
    key = jikko.imported(tmp_path, {"echo": ECHO})["echo"]
    server = Server(jikko.home)
    client = Client(server.url, key)
    yield server, client, key
    client.close()
    server.close()


def test_a_backup_is_a_data_folder_that_can_be_served(
    jikko: Command, served: tuple[Server, Client, str], tmp_path: Path
) -> None:
    _, client, key = served
    (jikko.home / "jikko.toml").write_text("max_body = 1000000\n")
    run = client.run(q="hi")["workflow_run_id"]
    first, second = (_uploaded(client, content) for content in (b"first", b"second"))

    [entry] = jikko.json("backup", tmp_path / "copy")
    assert entry["new_files"] == 2
    # Again, into the same folder: only what is new.
    third = _uploaded(client, b"third")
    late = client.run(q="ho")["workflow_run_id"]
    [entry] = jikko.json("backup", tmp_path / "copy")
    assert entry["new_files"] == 1

    with closing(sqlite3.connect(tmp_path / "copy" / "jikko.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert (tmp_path / "copy" / "jikko.toml").exists()
    assert (tmp_path / "copy" / "signing.key").stat().st_mode & 0o077 == 0
    restored = Server(tmp_path / "copy")
    again = Client(restored.url, key)
    try:
        assert [again.detail(each)["status"] for each in (run, late)] == ["succeeded"] * 2
        for path, content in ((first, b"first"), (second, b"second"), (third, b"third")):
            assert again.request("GET", path).content == content
        # A folder that is being served is not overwritten.
        refused = jikko("backup", tmp_path / "copy")
        assert (refused.code, f"{tmp_path / 'copy'} is a data folder" in refused.err) == (1, True)
    finally:
        again.close()
        restored.close()


def _uploaded(client: Client, content: bytes) -> str:
    """Upload a file. Returns where it can be fetched."""
    file = ("a.txt", content, "text/plain")
    answer = client.request("POST", "/v1/files/upload", files={"file": file}, data={"user": client.user}).json()
    return "/files/" + str(answer["source_url"]).partition("/files/")[2]


def test_a_backup_that_cannot_be_made_says_why(jikko: Command, tmp_path: Path) -> None:
    nowhere = Command(tmp_path / "nowhere")("backup", tmp_path / "copy")
    assert (nowhere.code, "No database" in nowhere.err) == (1, True)
    jikko.json("migrate")
    itself = jikko("backup", jikko.home)
    assert (itself.code, "is the data folder itself" in itself.err) == (1, True)
    (tmp_path / "file").write_text("")
    assert jikko("backup", tmp_path / "file").code == 2
    within = jikko("backup", tmp_path / "file" / "copy")
    assert within.code == 1
    assert f"{tmp_path / 'file' / 'copy'} cannot be written: Not a directory" in within.err
    assert "Errno" not in within.err
    outside = jikko("backup", "/proc/nowhere")
    assert (outside.code, "/proc/nowhere cannot be written" in outside.err) == (1, True)
    assert "JIKKO_HOME" not in outside.err
    assert not (tmp_path / "copy").exists()


def snapshot(folder: Path) -> dict[str, bytes]:
    """All that is in a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def test_a_backup_never_replaces_another_data_folder(jikko: Command, tmp_path: Path) -> None:
    other = Command(tmp_path / "other")
    for command in (jikko, other):
        command.json("migrate")
    before = snapshot(other.home)

    outcome = jikko("backup", other.home)

    assert (outcome.code, outcome.has_traceback) == (1, False)
    assert f"{other.home} is a data folder" in outcome.err
    assert "nothing was written. Name a folder that is new or empty" in outcome.err
    assert snapshot(other.home) == before


def test_a_backup_never_writes_between_other_things(jikko: Command, tmp_path: Path) -> None:
    jikko.json("migrate")
    folder = tmp_path / "写真 📷"
    folder.mkdir()
    for name in ("c.txt", "a.txt", "b.txt", "d.txt"):
        (folder / name).write_text("mine")
    before = snapshot(folder)

    outcome = jikko("backup", folder)

    assert (outcome.code, "holds other things (a.txt, b.txt, c.txt and 1 more)" in outcome.err) == (1, True)
    assert snapshot(folder) == before


@pytest.mark.parametrize("place", ["files", "files/copy", "keys", "link"])
def test_a_backup_is_never_written_into_what_it_copies(place: str, jikko: Command, tmp_path: Path) -> None:
    jikko.json("migrate")
    (jikko.home / "files").mkdir(exist_ok=True)
    (jikko.home / "keys").mkdir(exist_ok=True)
    (tmp_path / "link").symlink_to(jikko.home / "files")
    before = snapshot(jikko.home / "files")

    outcome = jikko("backup", tmp_path / place if place == "link" else jikko.home / place)

    assert (outcome.code, "would be a copy of itself; nothing was written" in outcome.err) == (1, True)
    assert snapshot(jikko.home / "files") == before
    assert list((jikko.home / "keys").iterdir()) == []


def test_a_backup_never_replaces_that_of_another_data_folder(jikko: Command, tmp_path: Path) -> None:
    other = Command(tmp_path / "other")
    for command in (jikko, other):
        command.json("migrate")
    other.json("backup", tmp_path / "copy")
    before = snapshot(tmp_path / "copy")

    outcome = jikko("backup", tmp_path / "copy")

    assert (outcome.code, "is a backup of another data folder" in outcome.err) == (1, True)
    assert snapshot(tmp_path / "copy") == before


def test_a_backup_that_was_served_since_is_replaced_no_more(jikko: Command, tmp_path: Path) -> None:
    jikko.json("migrate")
    copy = Command(tmp_path / "copy")
    jikko.json("backup", copy.home)
    # Looking into it leaves it a backup.
    copy.json("migrate")
    jikko.json("backup", copy.home)

    Server(copy.home).stop()
    outcome = jikko("backup", copy.home)

    assert (outcome.code, "is a data folder" in outcome.err) == (1, True)
    # What is served in its place is the same data folder, whose other backups are its own.
    jikko.json("backup", tmp_path / "second")
    copy.json("backup", tmp_path / "second")


def test_a_backup_of_an_earlier_version_is_left_alone(jikko: Command, tmp_path: Path) -> None:
    jikko.json("migrate")
    (tmp_path / "copy").mkdir()
    unpack(5, tmp_path / "copy")
    before = snapshot(tmp_path / "copy")

    outcome = jikko("backup", tmp_path / "copy")

    assert (outcome.code, "or a backup of an earlier version" in outcome.err) == (1, True)
    assert snapshot(tmp_path / "copy") == before


def test_a_database_of_an_earlier_version_is_backed_up_as_it_is(jikko: Command, tmp_path: Path) -> None:
    jikko.home.mkdir(exist_ok=True)
    path, _ = unpack(5, jikko.home)
    before = path.read_bytes()

    jikko.json("backup", tmp_path / "copy")

    assert path.read_bytes() == before
    with closing(sqlite3.connect(tmp_path / "copy" / "jikko.db")) as copy:
        assert copy.execute("SELECT max(version) FROM schema_version").fetchone() == (5,)
    assert jikko("backup", tmp_path / "copy").code == 1


def test_a_backup_that_was_broken_off_is_finished(jikko: Command, tmp_path: Path) -> None:
    jikko.json("migrate")
    jikko.json("backup", tmp_path / "copy")
    for name in ("jikko.db", "signing.key"):
        (tmp_path / "copy" / name).unlink()

    jikko.json("backup", tmp_path / "copy")
    (tmp_path / "copy" / "jikko.db").write_bytes(b"damaged" * 1000)
    jikko.json("backup", tmp_path / "copy")

    assert Command(tmp_path / "copy").json("apps", "list") == []


@pytest.mark.parametrize("damage", ["no database", "a page of zeros"])
def test_a_damaged_database_is_named_and_an_earlier_backup_of_it_stays(
    jikko: Command, tmp_path: Path, damage: str
) -> None:
    jikko.json("migrate")
    jikko.json("backup", tmp_path / "copy")
    before = (tmp_path / "copy" / "jikko.db").read_bytes()
    database = jikko.home / "jikko.db"
    with database.open("r+b") as file:
        if damage == "no database":
            file.truncate()
            file.write("これはデータベースではない。".encode() * 1000)
        else:
            file.seek(-4096 * 20, 2)
            file.write(bytes(4096 * 20))

    outcome = jikko("backup", tmp_path / "copy")

    assert (outcome.code, outcome.has_traceback) == (1, False)
    assert f"The database {database}" in outcome.err or f"the database {database} is damaged" in outcome.err
    assert "restore a backup" in outcome.err
    assert str(tmp_path / "copy") not in outcome.err
    assert (tmp_path / "copy" / "jikko.db").read_bytes() == before


def test_a_backup_is_read_by_its_owner_alone(
    jikko: Command, served: tuple[Server, Client, str], tmp_path: Path
) -> None:
    _, client, _ = served
    _uploaded(client, "請求書".encode())
    (jikko.home / "jikko.toml").write_text("max_body = 1000000\n")
    before = os.umask(0)
    try:
        jikko.json("backup", tmp_path / "copy")
        for path in [tmp_path / "copy", *(tmp_path / "copy").rglob("*")]:
            path.chmod(0o777 if path.is_dir() else 0o666)
        jikko.json("backup", tmp_path / "copy")
    finally:
        os.umask(before)

    found = [tmp_path / "copy", *(tmp_path / "copy").rglob("*")]
    assert {path.name for path in found} >= {"jikko.db", "signing.key", "jikko.toml", "serve.lock", "files"}
    assert [path for path in found if path.stat().st_mode & 0o077] == []
