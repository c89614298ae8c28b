"""Contract of ``PluginStorage``."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jikko.errors import StoreUnavailable
from jikko.repositories.plugin_storage import PluginStorage, StorageFull
from jikko.store.sqlite.plugin_file import PluginFile
from tests.store.postgres_server import POSTGRES, new_database

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["sqlite", POSTGRES])
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[PluginStorage]:
    if request.param == "sqlite":
        yield PluginStorage(PluginFile(tmp_path / "a" / "storage.db"))
    else:
        async with new_database(request) as postgres:
            yield PluginStorage(postgres)


async def test_a_value_is_its_apps_and_its_plugins(storage: PluginStorage) -> None:
    await storage.set("one", "a/b", "鍵 🗝", b"\x00\xff", most=1000)
    assert await storage.get("one", "a/b", "鍵 🗝") == b"\x00\xff"
    assert await storage.get("two", "a/b", "鍵 🗝") is None
    assert await storage.get("one", "a/c", "鍵 🗝") is None
    await storage.set("one", "a/b", "鍵 🗝", b"", most=1000)
    assert await storage.get("one", "a/b", "鍵 🗝") == b""


async def test_what_is_deleted_is_gone(storage: PluginStorage) -> None:
    assert not await storage.delete("one", "a/b", "k")
    await storage.set("one", "a/b", "k", b"1", most=1000)
    assert await storage.delete("one", "a/b", "k")
    assert await storage.get("one", "a/b", "k") is None


async def test_a_plugin_keeps_no_more_than_it_may_in_all_apps_together(storage: PluginStorage) -> None:
    await storage.set("one", "a/b", "k", b"x" * 60, most=100)
    with pytest.raises(StorageFull, match="may keep 100 bytes; this would be 122"):
        await storage.set("two", "a/b", "k", b"x" * 60, most=100)
    assert await storage.get("two", "a/b", "k") is None
    await storage.set("one", "a/b", "k", b"x" * 99, most=100)
    await storage.set("one", "a/c", "k", b"x" * 99, most=100)
    await storage.close()


async def test_a_file_that_cannot_be_opened_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "storage.db").write_bytes(b"no database, and long enough to be looked at" * 100)
    with pytest.raises(StoreUnavailable, match=r"storage\.db"):
        await PluginStorage(PluginFile(tmp_path / "storage.db")).set("one", "a/b", "k", b"1", most=10)


async def test_a_disk_that_is_full_is_said_and_what_was_kept_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def small(*arguments: Any, **settings: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **settings)
        connection.execute("PRAGMA max_page_count = 4")
        return connection

    monkeypatch.setattr("jikko.store.sqlite.plugin_file.sqlite3.connect", small)
    storage = PluginStorage(PluginFile(tmp_path / "storage.db"))
    await storage.set("one", "a/b", "鍵", b"1", most=1 << 20)
    with pytest.raises(StoreUnavailable, match="disk is full"):
        await storage.set("one", "a/b", "鍵", b"x" * (1 << 16), most=1 << 20)
    assert await storage.get("one", "a/b", "鍵") == b"1"


async def test_to_ask_and_to_delete_make_no_file(tmp_path: Path) -> None:
    storage = PluginStorage(PluginFile(tmp_path / "plugins" / "storage.db"))
    assert await storage.get("one", "a/b", "k") is None
    assert not await storage.delete("one", "a/b", "k")
    assert not (tmp_path / "plugins").exists()
