"""Databases of every earlier version, opened with the code of today."""

import functools
import sqlite3
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from jikko.errors import InvalidSettings
from jikko.ports.stores.audit_store import AuditFilter
from jikko.ports.stores.messages import Opened
from jikko.ports.stores.run_pages import RunFilter
from jikko.ports.stores.run_store import LogQuery
from jikko.record import RunRecord
from jikko.repositories.callback_store import receiver_of
from jikko.store.sqlite import Database
from jikko.store.sqlite.console.run_pages import SqliteRunPages
from jikko.store.sqlite.migrate import migrations
from tests.contract.runs import APP, WORKFLOW, Draft, finished

from .old_databases import BEGIN, Contents, Stores, unpack, versions

pytestmark = pytest.mark.anyio

NEWEST = migrations()[-1].version


@functools.cache
def upgraded(version: int) -> tuple[dict[str, bytes], Contents]:
    """Open a database of an earlier version with the code of today. Returns its files after that, by name."""
    with tempfile.TemporaryDirectory() as folder:
        path, contents = unpack(version, Path(folder))
        Database.open(path).close()
        return {file.name: file.read_bytes() for file in path.parent.iterdir()}, contents


class Upgraded:
    """A database of an earlier version, opened with the code of today, and then again."""

    def __init__(self, version: int, folder: Path) -> None:
        self.version = version
        files, self.contents = upgraded(version)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        self.path = folder / "jikko.db"
        self.stores = Stores(Database.open(self.path))

    @property
    def unended(self) -> list[RunRecord]:
        """The records of the runs that had not ended, newest first."""
        found = [run.record for run in self.contents.runs.values() if run.record.is_open]
        return sorted(found, key=lambda record: -record.created_at)

    @property
    def copy(self) -> Path:
        return self.path.with_name(f"{self.path.name}.before-{NEWEST:04d}")


OLD = [pytest.param(version, id=f"version {version}") for version in versions() if version < NEWEST]


@pytest.fixture(params=OLD)
async def old(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Upgraded]:
    upgraded = Upgraded(request.param, tmp_path)
    yield upgraded
    await upgraded.stores.runs.close()


@pytest.fixture(scope="module", params=OLD)
def read(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    """One for all tests that only read."""
    upgraded = Upgraded(request.param, tmp_path_factory.mktemp("old"))
    yield upgraded
    upgraded.stores.database.close()


def test_there_is_a_database_of_every_version_but_the_newest() -> None:
    missing = set(range(1, NEWEST)) - set(versions())
    assert not missing, "see fixtures/README.md: make it before the migration is added"


def open_runs(version: int) -> int:
    """How many runs of a version had not ended."""
    return 2 + (version >= 5) + (version >= 11)


async def everything(stores: Stores, expected: Contents) -> None:
    """All that was written is there."""
    app = expected.app
    assert await stores.apps.apps() == [app]
    assert [await stores.apps.version(APP, version.id) for version in expected.versions] == expected.versions
    assert [version.id for version in await stores.apps.versions(APP)] == [version.id for version in expected.versions]
    assert await stores.apps.keys(APP) == expected.keys
    for key in expected.keys:
        assert await stores.apps.app_of_key(key.digest) == app
    await every_run(stores, expected)


async def every_run(stores: Stores, expected: Contents) -> None:
    """Likewise, of runs. Today's code reads those of every version."""
    for run in expected.runs.values():
        assert await stores.runs.record(run.id) == run.record
        assert await stores.runs.events(run.id) == run.events


async def test_apps_versions_keys_and_runs_are_as_they_were(read: Upgraded) -> None:
    await everything(read.stores, read.contents)


@pytest.mark.once
async def test_what_later_versions_brought_is_as_it_was(read: Upgraded) -> None:
    stores, expected = read.stores, read.contents
    assert bool(expected.files) == (read.version >= 2)
    assert bool(expected.claims) == bool(expected.callbacks) == (read.version >= 3)

    for user in expected.end_users:
        assert await stores.end_users.find(APP, user.id) == user
    for file in expected.files:
        assert await stores.files.find(file.id) == file
    for claim in expected.claims:
        assert await stores.runs.claimed(APP, claim.key, now=BEGIN + 60) == (claim.run_id, claim.fingerprint)
    for callback in expected.callbacks:
        assert await stores.callbacks.find(callback.run_id) == callback
    if expected.secret:
        assert await stores.callbacks.secret(APP, "another") == expected.secret
    assert bool(expected.deleted) == bool(expected.app.environment) == (read.version >= 8)
    assert await stores.apps.deleted_apps() == expected.deleted
    assert bool(expected.conversations) == (read.version >= 9)
    for talk in expected.conversations:
        known = talk.conversation
        opened = await stores.conversations.opened(APP, known.end_user_id, known.id)
        assert opened == Opened(known, talk.variables)
        assert await stores.conversations.messages(known.id) == talk.messages[::-1]
    untitled = [talk.conversation for talk in expected.conversations if talk.conversation.title_due]
    assert await stores.conversations.untitled() == untitled
    assert bool(expected.annotations) == (read.version >= 10)
    assert (await stores.annotations.page(APP))[0] == expected.annotations
    assert bool(expected.tokens) == (read.version >= 11)
    assert await stores.console.tokens() == expected.tokens
    assert bool(expected.triggers) == bool(expected.deliveries) == bool(expected.due_times) == (read.version >= 14)
    assert bool(expected.audit) == (read.version >= 16)
    assert await stores.audit.entries(AuditFilter(), limit=9) == expected.audit
    assert await stores.triggers.all() == expected.triggers
    assert await stores.deliveries.newest([each.id for each in expected.triggers]) == expected.deliveries
    for time in expected.due_times:
        assert time in await stores.schedules.times(time.trigger_id)


@pytest.mark.once
async def test_runs_are_listed_by_their_version_as_by_none(read: Upgraded) -> None:
    pages = SqliteRunPages(read.stores.database)
    listed = (await pages.page(RunFilter())).records

    assert sorted(listed, key=lambda record: -record.created_at) == listed
    assert len(listed) == len(read.contents.runs)
    assert (await pages.page(RunFilter(workflow_id=WORKFLOW))).records == listed
    assert not (await pages.page(RunFilter(workflow_id=APP))).records


@pytest.mark.once
async def test_relations_between_runs_are_as_they_were(read: Upgraded) -> None:
    runs = read.contents.runs
    under_way = [record for record in reversed(read.unended) if record.status == "running"]
    assert await read.stores.runs.open_runs() == under_way
    assert len(under_way) == open_runs(read.version) - 1
    assert await read.stores.runs.due_runs(BEGIN + 1e6) == [runs["paused"].record]
    assert await read.stores.runs.find_task(APP, runs["open"].record.identity.task_id) == runs["open"].record
    [repeated] = await read.stores.runs.retries(runs["failed"].id)
    assert (repeated.run_id, repeated.status) == (runs["repeated"].id, runs["repeated"].record.status)


async def test_runs_that_had_not_ended_can_be_appended_to(old: Upgraded) -> None:
    assert len(old.unended) == open_runs(old.version)
    for run in [run for run in old.contents.runs.values() if run.record.is_open]:
        draft = Draft()
        draft.id, draft.events, draft.record = run.id, [*run.events], msgspec.structs.replace(run.record)

        await old.stores.runs.append(draft.step(finished(BEGIN + 9000, answer=f"やっと終わりました {run.id}")))

        assert await old.stores.runs.record(run.id) == draft.record
        assert await old.stores.runs.events(run.id) == draft.events
        found = await old.stores.runs.list_runs(LogQuery(app_id=APP, keyword=f"やっと終わりました {run.id}"))
        assert found.records == [draft.record]


@pytest.mark.once
async def test_callbacks_are_due_once_their_runs_have_ended(old: Upgraded) -> None:
    callbacks, runs = old.stores.callbacks, old.contents.runs
    due = [entry.run_id for entry in await callbacks.due(BEGIN)]
    assert due == ([runs["succeeded"].id] if old.contents.callbacks else [])

    run = runs["paused"]
    draft = Draft()
    draft.id, draft.events, draft.record = run.id, [*run.events], msgspec.structs.replace(run.record)
    await old.stores.runs.append(draft.step(finished(BEGIN + 9000)))

    assert len(await callbacks.due(BEGIN)) == len(old.contents.callbacks)


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example",
        "https://B.Example:8443/hook?a=/b",
        "http://c?x/y",
        "http://d#e/?f",
        "http://me:pw@e.example/@",
    ],
)
async def test_callbacks_get_the_receiver_that_new_ones_have(tmp_path: Path, url: str) -> None:
    path, contents = unpack(4, tmp_path)
    with closing(sqlite3.connect(path)) as before, before:
        before.execute("UPDATE callbacks SET url = ?", (url,))
    Database.open(path).close()

    with closing(sqlite3.connect(path)) as after:
        rows = after.execute("SELECT receiver FROM callbacks").fetchall()

    assert rows == [(receiver_of(url),)] * len(contents.callbacks)


async def test_apps_of_one_name_are_told_apart_and_none_is_lost(tmp_path: Path) -> None:
    path, contents = unpack(5, tmp_path)
    name = contents.app.name
    # (name, since when), the oldest of which is not the first row.
    others = [(name, 10.0), (name, 30.0), (f"{name} (3)", 40.0), ("apart", 50.0), ("apart", 50.0)]
    ids = [f"0199a1b2-0000-7000-8000-00000000010{at}" for at in range(len(others))]
    with closing(sqlite3.connect(path)) as before, before:
        before.execute("UPDATE apps SET created_at = 20.0")
        for app_id, (called, since) in zip(ids, others, strict=True):
            before.execute(
                "INSERT INTO apps (app_id, name, mode, description, icon_type, icon, icon_background, "
                "use_icon_as_answer_icon, created_at, workflow_id) VALUES (?, ?, 'workflow', '', '', '', '', 0, ?, '')",
                (app_id, called, since),
            )

    stores = Stores(Database.open(path))

    assert {app.id: app.name for app in await stores.apps.apps()} == {
        ids[0]: name,
        APP: f"{name} (2)",
        ids[1]: f"{name} ({ids[1]})",
        ids[2]: f"{name} (3)",
        ids[3]: "apart",
        ids[4]: "apart (2)",
    }
    assert len(await stores.apps.versions(APP)) == len(contents.versions)
    for key in contents.keys:
        found = await stores.apps.app_of_key(key.digest)
        assert found is not None
        assert found.id == APP
    await stores.runs.close()


@pytest.mark.once
async def test_totals_hold(read: Upgraded) -> None:
    records = [run.record for run in read.contents.runs.values()]
    statuses = Counter(record.status for record in records)

    async def total(**query: object) -> int:
        page = await read.stores.runs.list_runs(LogQuery(app_id=APP, **query))  # type: ignore[arg-type]
        return page.total

    assert await total() == len(records)
    assert await total(page=1000) == len(records)
    for status in ("succeeded", "failed", "stopped"):
        assert await total(statuses=(status,)) == statuses[status]
    for hour in range(8):
        moment = BEGIN + hour * 3600
        assert await total(before=moment) == sum(record.created_at <= moment for record in records)
        assert await total(after=moment) == sum(record.created_at >= moment for record in records)


@pytest.mark.once
@pytest.mark.parametrize("indexed", [False, True], ids=["before they are indexed", "after"])
async def test_old_runs_are_found_by_keyword(old: Upgraded, indexed: bool) -> None:
    while indexed and await old.stores.runs.index(limit=8) >= 8:
        pass
    runs = old.contents.runs

    async def found(keyword: str) -> list[RunRecord]:
        return (await old.stores.runs.list_runs(LogQuery(app_id=APP, keyword=keyword))).records

    assert await found("株式会社こはる") == [runs["succeeded"].record]
    assert await found("宛名") == [runs["succeeded"].record]
    assert await found("SHIP IT 🚀 100%") == [runs["emoji"].record]
    assert await found("番号 00007") == [runs["ordinary 7"].record]
    assert await found("山田") == [
        runs[name].record for name in ("repeated", "stopped", "failed", "emoji", "succeeded")
    ]
    assert await found("花子 🌸") == old.unended
    # "大き", as inputs are stored.
    assert await found(r"\u5927\u304d") == [run.record for name, run in runs.items() if name == "large"]
    assert await found("nobody") == []


async def test_a_copy_is_left_that_opens_at_the_old_version(old: Upgraded) -> None:
    database = Database.open(old.copy, steps=migrations()[: old.version])
    stores = Stores(database)
    for run in old.contents.runs.values():
        assert await stores.runs.events(run.id) == run.events
    assert database.quick(lambda connection: connection.execute("SELECT app_id, name FROM apps").fetchall()) == [
        (APP, old.contents.app.name)
    ]
    await stores.runs.close()

    with pytest.raises(InvalidSettings, match=f"has schema version {NEWEST}"):
        Database.open(old.path, steps=migrations()[: old.version])


@pytest.mark.once
async def test_opening_it_again_changes_nothing(old: Upgraded) -> None:
    await old.stores.runs.close()
    old.copy.unlink()

    again = Stores(Database.open(old.path))

    await everything(again, old.contents)
    assert not old.copy.exists()
    await again.runs.close()


async def test_old_runs_can_be_removed(old: Upgraded) -> None:
    runs = old.contents.runs
    ended = [run for run in runs.values() if not run.record.is_open]
    for entry in await old.stores.callbacks.due(BEGIN):
        await old.stores.callbacks.save(msgspec.structs.replace(entry, state="delivered"))

    assert await old.stores.runs.prune(BEGIN + 1e6) == len(ended)

    page = await old.stores.runs.list_runs(LogQuery(app_id=APP))
    assert (page.total, page.records) == (len(old.unended), old.unended)
