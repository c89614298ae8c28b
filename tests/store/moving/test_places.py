"""``jikko move`` where something is there already, or comes from elsewhere than usual."""

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from jikko.assemble.postgres.moving import move_to_postgres
from jikko.cluster.data_folder import MoveMark
from jikko.errors import InvalidParam, InvalidSettings
from jikko.files.bucket import BucketBlobs
from jikko.files.disk import DiskBlobs
from jikko.ids import new_id
from jikko.repositories.plugin_storage import PluginStorage
from jikko.settings import Settings
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.knowledge.postgres_knowledge import PostgresKnowledge
from jikko.store.postgres.migrate import migrate
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.store.sqlite.plugin_file import PluginFile
from tests.contract.knowledge.records import dataset_in, segments_in, shown, visible
from tests.contract.runs import APP, Draft
from tests.files.buckets import Buckets
from tests.store.moving.test_move import fill, quiet
from tests.store.postgres_server import PostgresServer

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.postgres]


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    await fill(tmp_path / "jikko.db")
    return Settings(home=tmp_path)


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def test_what_is_kept_of_an_earlier_move_stays(settings: Settings, postgres_server: PostgresServer) -> None:
    kept = settings.database.with_name("jikko.db.moved")
    for number in range(3):
        await move_to_postgres(settings, postgres_server.made(), "", quiet)
        if number == 0:
            first = kept.read_bytes()
        shutil.copy(kept, settings.database)

    names = {path.name for path in settings.home.glob("jikko.db.*")}
    assert names == {"jikko.db.moved", "jikko.db.moved-2", "jikko.db.moved-3"}
    assert kept.read_bytes() == first


async def test_a_database_that_has_datasets_or_tokens_alone_is_in_use(
    settings: Settings, postgres_server: PostgresServer
) -> None:
    from jikko.store.sqlite.knowledge.sqlite_knowledge import SqliteKnowledge

    here = SqliteKnowledge(settings.knowledge_database)
    await dataset_in(await here.made(), "theirs")
    here.close()
    for table in ("knowledge.dataset", "console_tokens"):
        url = postgres_server.made()
        database = Postgres(url)
        await migrate(database)
        if table == "knowledge.dataset":
            await dataset_in(await PostgresKnowledge(database).made(), "ours")
        else:
            await database.execute(
                "INSERT INTO console_tokens (token_id, name, role, digest, hint, created_at) "
                "VALUES ('\\x00', '', 'viewer', '\\x00', '', 1)"
            )

        with pytest.raises(InvalidSettings, match=f"already has rows in {table}: a move needs an empty one"):
            await move_to_postgres(settings, url, "", quiet)

        assert await database.value("SELECT count(*) FROM apps") == 0
        await database.close()
    assert settings.database.exists()


async def test_contents_of_the_folder_and_of_its_bucket_go_to_the_bucket(
    settings: Settings, postgres_server: PostgresServer, buckets: Buckets
) -> None:
    one, other = buckets.made(), buckets.made()
    on_disk = await DiskBlobs(settings.files).put(pieces("請求書 🧾".encode()))
    in_bucket = await BucketBlobs(one).put(pieces(b"x" * 100_000))

    _, rows, _ = await move_to_postgres(
        Settings(home=settings.home, files_url=one), postgres_server.made(), other, quiet
    )

    assert rows["file_contents"] == 2
    assert await BucketBlobs(other).digests() == sorted([on_disk.digest, in_bucket.digest])
    assert await BucketBlobs(other).get(in_bucket.digest) == b"x" * 100_000


async def test_what_a_plugin_was_about_to_keep_when_the_server_was_killed_is_not_there(
    settings: Settings, postgres_server: PostgresServer
) -> None:
    path = settings.plugin_folder / "storage.db"
    await PluginStorage(PluginFile(path)).set(APP, "o/p", "k", b"old", most=1_000)
    # As the disk has it in the middle of a commit: the file was begun, and its journal says what was there.
    copy = settings.home / "copy"
    copy.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as writing:
        writing.execute("PRAGMA cache_size = 1")
        writing.execute("BEGIN IMMEDIATE")
        writing.execute("UPDATE kept SET value = zeroblob(1000000)")
        for name in ("storage.db", "storage.db-journal"):
            shutil.copy(path.with_name(name), copy / name)
        writing.execute("ROLLBACK")
    for name in ("storage.db", "storage.db-journal"):
        shutil.copy(copy / name, path.with_name(name))
    url = postgres_server.made()

    await move_to_postgres(settings, url, "", quiet)

    database = Postgres(url)
    assert await PluginStorage(database).get(APP, "o/p", "k") == b"old"
    await database.close()


async def test_long_keywords_are_found_as_before(settings: Settings, postgres_server: PostgresServer) -> None:
    from jikko.store.sqlite.knowledge.sqlite_knowledge import SqliteKnowledge

    here = SqliteKnowledge(settings.knowledge_database)
    stores = await here.made()
    dataset = await dataset_in(stores, "long")
    long = "".join(chr(0x4E00 + number * number % 20_000) for number in range(5_000))
    document = await shown(stores, dataset, ["a", "b"], keywords=[["owl"], [long, f"{long}1", "a\x00b"]])
    segments = await segments_in(stores, document)
    here.close()
    url = postgres_server.made()

    await move_to_postgres(settings, url, "", quiet)

    database = Postgres(url)
    there = await PostgresKnowledge(database).made()
    for keyword in (long, "a\x00b"):
        [hit] = await there.segments.search_keywords(dataset.id, [keyword], visible(document), 9)
        assert hit.segment_id == segments[1].id
    await database.close()


async def test_a_name_that_postgresql_has_no_room_for_is_told(
    settings: Settings, postgres_server: PostgresServer
) -> None:
    store = SqliteRunStore(Database.open(settings.database))
    await store.append(Draft(user=Random(1).randbytes(4_000).hex()).whole())
    await store.close()
    url = postgres_server.made()

    with pytest.raises(InvalidSettings, match="of end_users, or one before it, has a name or id that is longer"):
        await move_to_postgres(settings, url, "", quiet)

    database = Postgres(url)
    assert await database.value("SELECT count(*) FROM open_runs") == 0
    stores = await PostgresKnowledge(database).made()
    with pytest.raises(InvalidParam, match="longer than the database has room for"):
        await stores.datasets.set_alias(Random(2).randbytes(4_000).hex(), new_id())
    await database.close()
    assert (settings.database.exists(), MoveMark(settings.home).read()) == (True, "")
