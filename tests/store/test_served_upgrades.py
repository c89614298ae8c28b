"""Database of an earlier version in use by a server: only that server migrates it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from jikko.assemble import assemble
from jikko.cluster.data_folder_lock import sole_owner
from jikko.errors import FolderInUse, InvalidSettings
from jikko.settings import Settings
from jikko.store.sqlite import Database
from jikko.store.sqlite.migrate import migrations

from .old_databases import unpack

OLD, NEWEST = 5, migrations()[-1].version


def version(path: Path) -> int:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        found: int = connection.execute("SELECT max(version) FROM schema_version").fetchone()[0]
        return found


@pytest.mark.anyio
async def test_it_is_left_as_it_is_and_the_error_says_what_to_do(tmp_path: Path) -> None:
    path, _ = unpack(OLD, tmp_path)
    before = path.read_bytes()

    with sole_owner(tmp_path) as server:
        server.say(address="http://127.0.0.1:8123")
        with pytest.raises(InvalidSettings) as refused:
            async with assemble(Settings(home=tmp_path)):
                pass

        message = str(refused.value)
        assert f"has schema version {OLD}, and this version of Jikko needs {NEWEST}" in message
        assert "http://127.0.0.1:8123" in message
        assert (
            "Stop that server and start it in this version, or use the commands of the version that it has" in message
        )
        assert path.read_bytes() == before
        assert sorted(os.listdir(tmp_path)) == ["jikko.db", "serve.lock"]


@pytest.mark.anyio
@pytest.mark.parametrize("owned", [False, True], ids=["by a command", "by the server"])
async def test_it_is_brought_up_to_date_where_no_other_server_uses_it(tmp_path: Path, owned: bool) -> None:
    path, contents = unpack(OLD, tmp_path)

    async with assemble(Settings(home=tmp_path), owned=owned) as assembly:
        assert [app.id for app in await assembly.apps.all()] == [contents.app.id]

    assert version(path) == NEWEST


@pytest.mark.anyio
async def test_one_of_this_version_is_used_while_it_is_served(tmp_path: Path) -> None:
    Database.open(tmp_path / "jikko.db").close()

    with sole_owner(tmp_path):
        async with assemble(Settings(home=tmp_path)) as assembly:
            assert await assembly.apps.all() == []


def test_no_server_can_begin_while_a_command_brings_it_up_to_date(tmp_path: Path) -> None:
    path, _ = unpack(OLD, tmp_path)
    seen = []

    @contextmanager
    def alone() -> Iterator[None]:
        with sole_owner(tmp_path, patience=0):
            seen.append(version(path))
            yield
            seen.append(version(path))
            with pytest.raises(FolderInUse), sole_owner(tmp_path, patience=0):
                pass

    Database.open(path, alone=alone).close()
    Database.open(path, alone=alone).close()

    assert seen == [OLD, NEWEST]


def test_a_server_that_has_just_begun_may_bring_it_up_to_date_first(tmp_path: Path) -> None:
    path, _ = unpack(OLD, tmp_path)
    asked = []

    @contextmanager
    def alone() -> Iterator[None]:
        asked.append(version(path))
        if len(asked) == 2:
            Database.open(path).close()
        raise FolderInUse(tmp_path)
        yield

    Database.open(path, alone=alone).close()

    assert asked == [OLD, OLD]
    assert version(path) == NEWEST
