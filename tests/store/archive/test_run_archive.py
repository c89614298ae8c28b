"""Archive of PostgreSQL's runs: moving, lookup, removal, and accidents."""

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest

from jikko.errors import JikkoError, StoreUnavailable
from jikko.files.bucket import BucketObjects
from jikko.maintenance.retention import Archiving
from jikko.maintenance.transfer import export_lines, export_named, import_lines, run_line
from jikko.ports.stores.object_store import ObjectStore
from jikko.ports.stores.run_store import CallbackRequest, KeyClaim, LogQuery, Projection
from jikko.store.postgres.archive.objects import FOLDER, ArchiveObjects, Stored
from jikko.store.postgres.archive.run_archive import _COLUMNS, RunArchive
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.runs.run_store import PostgresRunStore
from jikko.store.postgres.sql import id_column
from tests.contract.runs import APP, OTHER_APP, Draft, node, paused, started
from tests.files.buckets import Buckets
from tests.files.memory_objects import MemoryObjects
from tests.files.radosgw import RADOS
from tests.store.postgres_server import new_database

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.postgres]
DAY = 86_400.0
NOW = 1_800_000_000.0


class Faulty(MemoryObjects):
    """A bucket in memory that does not do as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.puts = 0
        self.lost = False

    def put(self, path: str, content: bytes) -> None:
        self.puts += 1
        super().put(path, content if not self.lost else content[:-1])


class Place:
    """A database, a bucket, and runs of many days."""

    def __init__(self, database: Postgres, bucket: ObjectStore) -> None:
        self.database, self.bucket = database, bucket
        self.archive = RunArchive(database, ArchiveObjects(bucket))
        self.store = PostgresRunStore(database, self.archive)
        self.drafts: list[Draft] = []
        self.damaged: list[JikkoError] = []

    async def add(
        self,
        age: float,
        *,
        app: str = APP,
        user: str = "anna",
        projections: Sequence[Projection] = (),
        retry_of: str | None = None,
    ) -> Draft:
        """A run that ended N days ago, with an id of that time."""
        draft = dated(Draft(app=app, user=user, retry_of=retry_of), NOW - age * DAY)
        append = draft.whole(NOW - age * DAY)
        await self.store.append(msgspec.structs.replace(append, projections=projections))
        self.drafts.append(draft)
        return draft

    async def held(self) -> tuple[int, int]:
        """How many runs are in the database, and how many objects in the bucket."""
        count = await self.database.value("SELECT count(*) FROM runs")
        return count, len(self.bucket.listed(FOLDER))

    async def require_all(self) -> None:
        """Each run is there, once, as it was."""
        for draft in self.drafts:
            record = await self.store.record(draft.id.upper())
            assert record is not None
            assert (record.identity, record.outputs, record.inputs) == (
                draft.record.identity,
                draft.record.outputs,
                draft.record.inputs,
            )
            assert await self.store.events(draft.id) == draft.events
            assert await self.store.log_end(draft.id) == len(draft.events)
        in_objects = [run.record.identity.run_id for row in await self.rows() for run in await self.archive._all(row)]
        in_rows = [row[0] for row in await self.database.fetch("SELECT run_id FROM runs")]
        assert sorted([*map(id_column, in_objects), *in_rows]) == sorted(id_column(draft.id) for draft in self.drafts)

    async def rows(self) -> list[Stored]:
        return [Stored(*row) for row in await self.database.fetch(f"SELECT {_COLUMNS} FROM archives")]


def dated(draft: Draft, at: float) -> Draft:
    """A run with an id of a time."""
    milliseconds = int(at * 1000).to_bytes(6).hex()
    return named(draft, f"{milliseconds[:8]}-{milliseconds[8:]}-{draft.id[14:]}")


def named(draft: Draft, run_id: str) -> Draft:
    draft.id = run_id
    draft.record.identity = msgspec.structs.replace(draft.record.identity, run_id=run_id)
    return draft


@pytest.fixture(params=["memory", "bucket", RADOS])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    if request.param == "memory":
        bucket: ObjectStore = Faulty()
    else:
        name = "rados_buckets" if request.param == "radosgw" else "buckets"
        buckets: Buckets = request.getfixturevalue(name)
        bucket = BucketObjects(buckets.made(), "files_url")
    async with new_database(request) as database:
        place = Place(database, bucket)
        yield place
        await place.store.close()


in_memory = pytest.mark.parametrize("place", ["memory"], indirect=True)


async def test_old_runs_are_read_by_their_ids_as_before_and_are_in_no_list(place: Place) -> None:
    for age in (40, 40, 9.5, 8, 3, 0):
        await place.add(age)
    before = await place.store.list_runs(LogQuery(app_id=APP))

    assert await place.archive.archive(NOW - 7 * DAY) == 4
    assert await place.archive.archive(NOW - 7 * DAY) == 0

    # One object for each day.
    assert await place.held() == (2, 3)
    await place.require_all()
    after = await place.store.list_runs(LogQuery(app_id=APP))
    assert (before.total, after.total) == (6, 2)
    assert await place.store.archived_until() == NOW - 8 * DAY
    assert await place.store.record(place.drafts[0].id, OTHER_APP) is None
    assert await place.store.events(place.drafts[0].id, after=1) == place.drafts[0].events[2:]
    assert await place.store.record(dated(Draft(), NOW - 40 * DAY).id) is None


@in_memory
async def test_runs_that_repeat_another_are_listed_wherever_they_are(place: Place) -> None:
    first = await place.add(40)
    old, also, younger, new = [await place.add(age, retry_of=first.id) for age in (39, 38.9, 20, 1)]
    again = await place.add(19, retry_of=old.id)

    async def listed(run: Draft) -> list[str]:
        return [each.run_id for each in await place.store.retries(run.id.upper())]

    before = await place.store.retries(first.id)
    assert await place.archive.archive(NOW - 7 * DAY) == 5
    assert await place.store.retries(first.id) == before
    assert (await listed(first), await listed(old)) == ([old.id, also.id, younger.id, new.id], [again.id])

    # What is removed of an object, or with it, is listed no more; the others are.
    assert await place.store.remove(old.id)
    assert await listed(first) == [also.id, younger.id, new.id]
    assert await place.store.prune(NOW - 25 * DAY) == 2
    assert (await listed(first), await listed(old)) == ([younger.id, new.id], [again.id])


@in_memory
async def test_a_run_that_may_be_asked_for_by_other_ways_stays(place: Place) -> None:
    open_, waiting = dated(Draft(), NOW - 30 * DAY), dated(Draft(), NOW - 30 * DAY)
    await place.store.append(open_.step(started(NOW - 30 * DAY)))
    await place.store.append(waiting.step(started(NOW - 30 * DAY), *node(NOW - 30 * DAY), paused(NOW - 30 * DAY)))
    await place.add(30, projections=[CallbackRequest(url="http://example.test/")])
    await place.add(30, projections=[KeyClaim(key="key", fingerprint=b"f", at=NOW, lifetime=86_400)])
    added = await place.add(30)
    await place.database.execute(
        "INSERT INTO conversations (conversation_id, app_id, end_user_id, session, turns, title_due, created_at, "
        "updated_at, name, introduction, inputs) VALUES ('c', 'a', 'e', 's', 1, false, 0, 0, '', '', '')"
    )
    await place.database.execute(
        "INSERT INTO messages (message_id, conversation, run_id, status, created_at, query, answer, inputs, files, "
        "details) SELECT 'm', key, $1, 0, 0, '', '', '', '', '' FROM conversations",
        id_column(added.id),
    )
    imported = named(Draft(), "3e7a1c52-9f1b-4c0e-8d2a-0123456789ab")
    await place.store.append(imported.whole(NOW - 30 * DAY))

    assert await place.archive.archive(NOW - 7 * DAY) == 0
    # Once the conversation is gone, its run is as any other.
    await place.database.execute("DELETE FROM conversations")
    assert await place.archive.archive(NOW - 7 * DAY) == 1
    assert (await place.held())[0] == 3


@in_memory
async def test_a_process_that_dies_between_upload_and_deletion_loses_and_doubles_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await place.add(20)

    async def dies(*_: object) -> None:
        raise StoreUnavailable("the process is gone")

    with monkeypatch.context() as patched:
        patched.setattr(place.database, "transact", dies)
        with pytest.raises(StoreUnavailable):
            await place.archive.archive(NOW - 7 * DAY)

    assert await place.held() == (3, 1)
    await place.require_all()
    assert await place.archive.archive(NOW - 7 * DAY) == 3
    assert await place.held() == (0, 2)
    await place.require_all()
    # What nothing names is removed once nobody can be writing it.
    assert (await place.archive.sweep(time.time()), await place.archive.sweep(time.time() + 2 * DAY)) == (0, 1)
    await place.require_all()


@in_memory
async def test_each_look_for_old_runs_removes_what_an_interrupted_one_left_in_the_bucket(place: Place) -> None:
    place.bucket.put(f"{FOLDER}/left", b"written, and named by nothing")
    await place.add(20)
    # Long after the object was written, by this machine, and the run ended, by the clock of these tests.
    archiving = Archiving(place.archive, lambda: time.time() + 3650 * DAY, days=7)

    assert await archiving.look() == 1
    assert f"{FOLDER}/left" not in place.bucket.listed(FOLDER)
    await place.require_all()


async def test_two_that_archive_at_once_double_nothing(place: Place) -> None:
    for age in range(8, 20):
        await place.add(age)

    other = RunArchive(place.database, ArchiveObjects(place.bucket))
    await asyncio.gather(place.archive.archive(NOW - 7 * DAY), other.archive(NOW - 7 * DAY))

    assert await place.held() == (0, 12)
    await place.require_all()


@in_memory
async def test_an_object_that_does_not_read_as_it_was_written_takes_no_runs(place: Place) -> None:
    await place.add(20)
    assert isinstance(place.bucket, Faulty)
    place.bucket.lost = True

    with pytest.raises(StoreUnavailable, match="does not read as it was written"):
        await place.archive.archive(NOW - 7 * DAY)

    assert (await place.held())[0] == 1


async def test_a_missing_and_a_damaged_object_are_told_and_others_are_read(place: Place) -> None:
    lost, damaged, whole = [await place.add(age) for age in (30, 20, 10)]
    await place.archive.archive(NOW - 7 * DAY)
    paths = {row.path.split("/")[2]: row.path for row in await place.rows()}
    first, second, _ = (paths[day] for day in sorted(paths))
    place.bucket.delete(first)
    content = place.bucket.get(second)
    place.bucket.put(second, content[:100] + bytes(len(content) // 2) + content[100 + len(content) // 2 :])

    for draft, words in ((lost, "is missing"), (damaged, "is damaged")):
        for read in (place.store.record, place.store.events, place.store.log_end):
            with pytest.raises(StoreUnavailable, match=words) as raised:
                await read(draft.id)
            assert ("backup of the bucket" in str(raised.value), f"{FOLDER}/" in str(raised.value)) == (True, True)
    assert await place.store.events(whole.id) == whole.events
    # Retention does not need to read them.
    assert await place.store.prune(NOW - 15 * DAY) == 2
    assert await place.store.record(lost.id) is None


async def test_what_is_removed_is_in_no_object_any_more(place: Place) -> None:
    kept = await place.add(20, user="anna")
    of_bert = [await place.add(20, user="bert"), await place.add(21, user="bert"), await place.add(1, user="bert")]
    one = await place.add(20, user="carl")
    elsewhere = await place.add(20, app=OTHER_APP, user="bert")
    await place.archive.archive(NOW - 7 * DAY)

    assert await place.store.remove_of_user(APP, "id of bert") == 3
    assert (await place.store.remove(one.id.upper()), await place.store.remove(one.id)) == (True, False)

    place.drafts = [kept, elsewhere]
    await place.require_all()
    assert [await place.store.record(draft.id) for draft in [*of_bert, one]] == [None] * 4
    assert await place.held() == (0, 1)
    [path] = place.bucket.listed(FOLDER)
    assert [text in place.bucket.get(path) for text in (one.id.encode(), of_bert[0].id.encode())] == [False, False]


@in_memory
async def test_runs_of_one_object_that_are_removed_at_once_are_all_removed(place: Place) -> None:
    kept = await place.add(20, user="anna 🌸")
    removed = [await place.add(20, user=user) for user in ("bert", "carl", "carl", "dora", "emil")]
    await place.archive.archive(NOW - 7 * DAY)
    assert await place.held() == (0, 1)

    assert await asyncio.gather(
        place.store.remove(removed[0].id),
        place.store.remove_of_user(APP, "id of carl"),
        *(place.store.remove(draft.id) for draft in removed[3:]),
    ) == [True, 2, True, True]

    assert [await place.store.record(draft.id) for draft in removed] == [None] * 5
    place.drafts = [kept]
    await place.require_all()
    assert await place.held() == (0, 1)


async def test_retention_reaches_the_archive_by_time_and_by_app(place: Place) -> None:
    for age in (40, 30, 20, 1):
        await place.add(age)
    other = await place.add(40, app=OTHER_APP)
    await place.archive.archive(NOW - 7 * DAY)

    counts = [await place.store.prunable(NOW - 25 * DAY), await place.store.prunable(NOW - 25 * DAY, app_id=OTHER_APP)]
    begun = sorted(await place.store.created_before(NOW - 25 * DAY))
    removed = await place.store.prune(NOW - 25 * DAY, app_id=OTHER_APP)
    assert (counts, removed) == ([3, 1], 1)
    assert begun == sorted(draft.id for draft in [*place.drafts[:2], other])
    assert [await place.store.prune(NOW - 25 * DAY, limit=1) for _ in range(3)] == [1, 1, 0]
    assert await place.store.prune(NOW - 25 * DAY) == 0
    place.drafts = place.drafts[2:4]
    await place.require_all()


async def exported(place: Place, *, since: float = 0.0, until: float = math.inf, app: str | None = None) -> list[str]:
    """The runs that an export has, by their ids."""
    lines = export_lines(place.store, app_id=app, since=since, until=until, damaged=place.damaged.append)
    return sorted([json.loads(line)["owner"]["run_id"] async for line in lines])


async def test_an_export_reaches_over_the_border_of_the_archive(place: Place) -> None:
    for age in (40, 30, 20, 3, 1):
        await place.add(age)
    other = await place.add(40, app=OTHER_APP)
    ids = [draft.id for draft in place.drafts]
    before = await exported(place)
    await place.archive.archive(NOW - 7 * DAY)

    assert before == await exported(place) == sorted(ids)
    assert await exported(place, since=NOW - 35 * DAY, until=NOW - 2 * DAY) == sorted(ids[1:4])
    assert await exported(place, since=NOW - 30 * DAY, until=NOW - 20 * DAY) == [ids[1]]
    assert await exported(place, app=OTHER_APP) == [other.id]
    named = [await place.store.record(run_id) for run_id in (ids[0], ids[4])]
    lines = [line async for line in export_named(place.store, filter(None, named), damaged=place.damaged.append)]
    assert [json.loads(line)["owner"]["run_id"] for line in lines] == [ids[0], ids[4]]
    assert place.damaged == []


async def test_what_is_in_the_archive_is_not_imported_again(place: Place) -> None:
    await place.add(20)
    lines = [line async for line in export_lines(place.store, damaged=place.damaged.append)]
    await place.archive.archive(NOW - 7 * DAY)
    there = dated(Draft(), NOW - 20 * DAY)
    elsewhere = run_line(there.record.identity, list(there.whole(NOW - 20 * DAY).events))

    imported = await import_lines(place.store, [*lines, elsewhere])

    assert (imported.added, imported.known) == (1, 1)
    place.drafts.append(there)
    await place.require_all()


@in_memory
async def test_an_object_that_cannot_be_read_is_left_out_of_an_export_and_named(place: Place) -> None:
    await place.add(40)
    kept = await place.add(20)
    await place.archive.archive(NOW - 7 * DAY)
    [lost] = [row.path for row in await place.rows() if row.key == min(each.key for each in await place.rows())]
    place.bucket.delete(lost)

    assert await exported(place) == [kept.id]
    assert [lost in str(error) for error in place.damaged] == [True]


async def test_without_its_bucket_the_archive_is_named(place: Place) -> None:
    draft = await place.add(20)
    await place.archive.archive(NOW - 7 * DAY)

    with pytest.raises(StoreUnavailable, match="set files_url"):
        await PostgresRunStore(place.database).record(draft.id)
    assert await PostgresRunStore(place.database).record(Draft().id) is None


@in_memory
async def test_a_damaged_log_stays_where_it_is(place: Place) -> None:
    damaged, whole = await place.add(20), await place.add(20)
    await place.database.execute("UPDATE runs SET log = '\\x0200' WHERE run_id = $1", id_column(damaged.id))

    assert await place.archive.archive(NOW - 7 * DAY) == 1
    assert await place.store.events(whole.id) == whole.events
    assert (await place.held())[0] == 1
