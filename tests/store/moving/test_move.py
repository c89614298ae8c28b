"""Lossless move of a SQLite file to PostgreSQL."""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from random import Random

import msgspec
import pytest

from jikko.errors import InvalidSettings, LogDamaged, StoreUnavailable
from jikko.events import LOG_FORMAT
from jikko.ids import new_id
from jikko.ports.stores.run_pages import RunFilter
from jikko.ports.stores.run_store import LogQuery
from jikko.repositories.app_store import ApiKey, App, AppStore, WorkflowVersion
from jikko.repositories.console_store import ConsoleStore, ConsoleToken
from jikko.repositories.plugin_storage import PluginStorage
from jikko.store.moving.move import move
from jikko.store.moving.moved_tables import TABLES
from jikko.store.postgres.app_store import PostgresAppStore
from jikko.store.postgres.console.run_pages import PostgresRunPages
from jikko.store.postgres.conversation_store import PostgresConversationStore
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.knowledge.postgres_knowledge import PostgresKnowledge
from jikko.store.postgres.runs.run_store import PostgresRunStore
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.store.sqlite.conversation_store import SqliteConversationStore
from jikko.store.sqlite.knowledge.sqlite_knowledge import SqliteKnowledge
from jikko.store.sqlite.plugin_file import PluginFile
from tests.contract.conversations import conversation, message
from tests.contract.knowledge.records import WORKER, dataset_in, put, segments_in, shown, vector, visible
from tests.contract.runs import APP, OTHER_APP, Draft, finished, node, paused, started
from tests.store.postgres_server import new_database

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.postgres]


def quiet(what: str, count: int) -> None:
    """Tells nobody."""


@pytest.fixture
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Postgres]:
    async with new_database(request) as database:
        yield database


def drafts() -> dict[str, Draft]:
    """Runs of all kinds, with texts that are hard to carry."""
    return {
        "ended": Draft(user="アンナ 🌸"),
        "ended in one go": Draft(user="\ue000"),
        "paused": Draft(),
        "under way": Draft(app=OTHER_APP),
    }


async def fill(path: Path) -> dict[str, Draft]:
    """Write runs into a SQLite file. Returns them."""
    made = drafts()
    store = SqliteRunStore(Database.open(path))
    run = made["ended"]
    # Of the first, inputs and the compressed log are large values, of the last inputs and the first event.
    await store.append(run.step(started(q=Random(7).randbytes(1_500_000).hex())))
    await store.append(run.step(*node(text="日本 \ue000 🗾")))
    await store.append(run.step(finished(status="failed")))
    await store.append(made["ended in one go"].whole(at=2000.0))
    await store.append(made["paused"].step(started(3000.0)))
    await store.append(made["paused"].step(*node(3000.0), paused(3001.0, wake_at=9e9)))
    await store.append(made["under way"].step(started(4000.0, q="界" * 400_000)))
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM large_values").fetchone() == (4,)
    return made


async def test_runs_and_their_logs_are_the_same_on_the_other_side(database: Postgres, tmp_path: Path) -> None:
    made = await fill(tmp_path / "jikko.db")

    moved = await move(database, tmp_path / "jikko.db", None, None, quiet)

    assert (moved["runs"], moved["open_runs"], moved["open_log"]) == (2, 2, 3)
    runs = PostgresRunStore(database)
    for draft in made.values():
        record = await runs.record(draft.id)
        assert record is not None
        # What SQLite does not tell apart is left to servers of this version.
        assert record.format == (LOG_FORMAT if record.is_open else 1)
        assert msgspec.structs.replace(record, format=1) == draft.record
        assert await runs.events(draft.id) == draft.events
    assert (await runs.list_runs(LogQuery(app_id=APP))).total == 3
    listed = await PostgresRunPages(database).page(RunFilter())
    assert [record.identity.run_id for record in listed.records] == [draft.id for draft in reversed(made.values())]


async def test_a_moved_run_goes_on_and_new_ones_come_behind_it(database: Postgres, tmp_path: Path) -> None:
    made = await fill(tmp_path / "jikko.db")
    await move(database, tmp_path / "jikko.db", None, None, quiet)

    runs = PostgresRunStore(database)
    await runs.append(made["under way"].step(*node(4000.0), finished(4001.0)))
    later = Draft()
    await runs.append(later.whole(at=4000.0))

    assert await runs.events(made["under way"].id) == made["under way"].events
    newest = (await PostgresRunPages(database).page(RunFilter())).records[0]
    assert newest.identity.run_id == later.id
    await runs.close()


async def test_apps_keys_chats_tokens_and_what_plugins_keep_come_along(database: Postgres, tmp_path: Path) -> None:
    path = tmp_path / "jikko.db"
    here = Database.open(path)
    app = App(id=APP, name="名前 🌸", mode="advanced-chat", description="\x00", created_at=5.0, workflow_id=new_id())
    version = WorkflowVersion(
        id=app.workflow_id, app_id=APP, number=1, version="1", source=b"kind: app\n\xff", created_at=5.0
    )
    apps = AppStore(here)
    await apps.publish(app, version)
    await apps.set_environment(APP, {"TOKEN": "ひみつ"})
    key = ApiKey(id=new_id(), app_id=APP, digest=hashlib.sha256(b"k").digest(), hint="app-k", created_at=6.0)
    await apps.add_key(key)
    spoken = conversation(new_id())
    await SqliteConversationStore(here).add_turn(message(new_id(), spoken.id), spoken)
    token = ConsoleToken(id=new_id(), name="CI", role="viewer", digest=b"t" * 32, hint="t", created_at=7.0)
    await ConsoleStore(here).add_token(token)
    here.close()
    await PluginStorage(PluginFile(tmp_path / "storage.db")).set(APP, "o/p", "k", b"\x00v", most=100)

    await move(database, path, None, tmp_path / "storage.db", quiet)

    there = PostgresAppStore(database)
    found = await there.app_of_key(key.digest)
    assert found is not None
    assert (found.id, found.name, found.description) == (APP, app.name, "\ufffd")
    assert (await there.environments())[app.name] == {"TOKEN": "ひみつ"}
    kept = await there.version(APP, version.id)
    assert kept is not None
    assert kept.source == version.source
    chats = PostgresConversationStore(database)
    assert await chats.conversation(APP, spoken.end_user_id, spoken.id) is not None
    [turn] = await chats.messages(spoken.id) or []
    assert turn.query.startswith("何？")
    await chats.add_turn(message(new_id(), spoken.id))
    assert len(await chats.messages(spoken.id) or []) == 2
    assert await ConsoleStore(database).tokens() == [token]
    assert await PluginStorage(database).get(APP, "o/p", "k") == b"\x00v"


async def test_datasets_are_found_in_as_before(database: Postgres, tmp_path: Path) -> None:
    Database.open(tmp_path / "jikko.db").close()
    here = SqliteKnowledge(tmp_path / "knowledge.db")
    stores = await here.made()
    dataset = await dataset_in(stores, "動物 🦉")
    texts, keywords = ["日本の梟 owls", "bees \ue000"], [["梟"], ["bee"]]
    document = await shown(stores, dataset, texts, vectors=[(0.6, 0.8), (1, 0)], keywords=keywords)
    waiting = await put(stores, dataset, "waits.txt", b"\x00\xff")
    assert await stores.jobs.claim(WORKER, 1.0, 60.0) is not None
    here.close()
    there = PostgresKnowledge(database)
    found = await there.made()

    moved = await move(database, tmp_path / "jikko.db", tmp_path / "knowledge.db", None, quiet)

    assert (moved["knowledge.document"], moved["knowledge.node"]) == (2, 2)
    assert await found.datasets.dataset(dataset.id) == dataset
    assert await found.documents.document(dataset.id, document.id) == document
    assert await found.documents.source(waiting.id) == b"\x00\xff"
    assert (await found.jobs.claim("another", 1.0, 60.0)) is not None
    segments = await segments_in(found, document)
    at = visible(document)
    hits = await found.segments.search_vectors(dataset.id, vector(0.6, 0.8), at, 2)
    assert [(each.segment_id, round(each.score, 3)) for each in hits] == [(segments[0].id, 1.0), (segments[1].id, 0.6)]
    assert [each.segment_id for each in await found.segments.search_words(dataset.id, ["owl"], at, 9)] == [
        segments[0].id
    ]
    assert [each.segment_id for each in await found.segments.search_keywords(dataset.id, ["bee"], at, 9)] == [
        segments[1].id
    ]


NOT_MOVED = {
    *("installation", "console_sessions", "console_tickets"),
    # A data folder has no archive.
    *("archives", "archived_users", "archived_retries"),
}


async def test_every_table_is_moved_or_named_as_one_that_is_not(database: Postgres) -> None:
    rows = await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    moved = {table.name for table in TABLES} | {"open_runs", "runs", "open_log", "plugin_storage"}
    assert {row[0] for row in rows} - moved == NOT_MOVED


async def test_every_column_is_moved(database: Postgres, tmp_path: Path) -> None:
    await fill(tmp_path / "jikko.db")
    with closing(sqlite3.connect(tmp_path / "jikko.db")) as source:
        tables = [rule.in_file(source) for rule in TABLES]
    for table in tables:
        rows = await database.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = $1", table.name
        )
        left = {row[0] for row in rows} - set(table.names)
        # Numbers that only give an order are made anew, in the same order.
        assert left <= {"key"}, table.name


async def test_a_database_that_is_used_is_refused(database: Postgres, tmp_path: Path) -> None:
    await fill(tmp_path / "jikko.db")
    store = PostgresRunStore(database)
    await store.append(Draft().whole())

    with pytest.raises(InvalidSettings, match="needs an empty one"):
        await move(database, tmp_path / "jikko.db", None, None, quiet)
    await store.close()


async def test_what_does_not_arrive_as_it_was_is_noticed_and_nothing_is_changed(
    database: Postgres, tmp_path: Path
) -> None:
    await fill(tmp_path / "jikko.db")
    await database.execute(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN NEW.log := set_byte(NEW.log, 7, 255 - get_byte(NEW.log, 7)); RETURN NEW; END'"
    )
    await database.execute("CREATE TRIGGER spoil BEFORE INSERT ON runs FOR EACH ROW EXECUTE FUNCTION spoil()")
    try:
        with pytest.raises(StoreUnavailable, match="differ from the originals"):
            await move(database, tmp_path / "jikko.db", None, None, quiet)
    finally:
        await database.execute("DROP FUNCTION spoil CASCADE")

    assert await database.value("SELECT count(*) FROM runs") == 0


async def test_a_row_that_is_there_twice_is_refused_at_the_first_copy(database: Postgres, tmp_path: Path) -> None:
    await fill(tmp_path / "jikko.db")
    told: Counter[str] = Counter()
    await database.execute("CREATE UNIQUE INDEX only_one ON open_runs ((true))")
    try:
        with pytest.raises(StoreUnavailable, match="23505"):
            await move(database, tmp_path / "jikko.db", None, None, lambda table, _: told.update([table]))
    finally:
        await database.execute("DROP INDEX only_one")

    assert set(told.values()) == {1}


async def test_a_damaged_log_is_damaged_on_the_other_side_too(database: Postgres, tmp_path: Path) -> None:
    made = await fill(tmp_path / "jikko.db")
    with closing(sqlite3.connect(tmp_path / "jikko.db", isolation_level=None)) as other:
        other.execute("UPDATE run_archive SET events = substr(events, 1, length(events) - 9)")

    await move(database, tmp_path / "jikko.db", None, None, quiet)

    store = PostgresRunStore(database)
    assert await store.record(made["ended"].id) == made["ended"].record
    with pytest.raises(LogDamaged):
        await store.events(made["ended"].id)
