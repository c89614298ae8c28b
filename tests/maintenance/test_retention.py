"""Removal of old data, and only that."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jikko.errors import StoreUnavailable
from jikko.events import Event, NodeFinished, RunResumed
from jikko.files.memory_blobs import MemoryBlobs
from jikko.files.signing_keys import SigningKeys, UrlSigner
from jikko.files.store import Files
from jikko.ids import new_id
from jikko.maintenance.retention import Pruned, Retention
from jikko.ports.stores.audit_store import AuditEntry, AuditFilter
from jikko.ports.stores.file_index import StoredFile
from jikko.ports.stores.run_store import RunStore
from jikko.repositories.audit_store import AuditStore
from jikko.repositories.file_index import FileIndex
from jikko.store.sqlite import Database, SqliteRunStore
from tests.contract.conversations import conversation, message
from tests.contract.runs import APP, Draft, finished, paused, started
from tests.store.in_memory import ConversationsInMemory, FilesInMemory, RunsInMemory
from tests.virtual_time import run as in_virtual_time

pytestmark = pytest.mark.anyio

DAY = 86_400.0
NOW = 100 * DAY
USER = "0199a1b2-0000-7000-8000-0000000000aa"


class Scene:
    """Old runs and files."""

    def __init__(self, store: RunStore, index: FileIndex) -> None:
        self.store, self.index = store, index
        self.blobs = MemoryBlobs()
        self.now = NOW
        signer = UrlSigner(keys=SigningKeys(b"key"), base_url="http://jikko", clock=lambda: self.now)
        self.files = Files(index, self.blobs, signer, clock=lambda: self.now)
        self.conversations = ConversationsInMemory()
        self.retention = Retention(store, self.files, lambda: self.now, conversations=self.conversations, batch=3)

    async def file(self, day: float, user: str = USER) -> StoredFile:
        """A file that was stored on a day."""
        self.now = day * DAY

        async def content() -> AsyncIterator[bytes]:
            yield f"stored on day {day}".encode()

        try:
            return await self.files.save(content(), app_id=APP, end_user_id=user, name="a.txt", mime_type="text/plain")
        finally:
            self.now = NOW

    async def run(self, day: float, *events: Event, end: float | None = None, **inputs: object) -> Draft:
        """A run that began on a day, and ended on another if it did."""
        run = Draft()
        await self.store.append(run.step(started(day * DAY, **inputs), *events))
        if end is not None:
            await self.store.append(run.step(finished(end * DAY)))
        return run

    async def prune(self, days: float) -> Pruned:
        return await self.retention.prune(NOW - days * DAY)

    async def has(self, thing: Draft | StoredFile) -> bool:
        if isinstance(thing, Draft):
            return await self.store.record(thing.id) is not None
        return await self.index.find(thing.id) is not None


def in_file(path: Path) -> Scene:
    database = Database.open(path)
    return Scene(SqliteRunStore(database), FileIndex(database))


@pytest.fixture(params=["memory", "sqlite"])
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    in_memory = request.param == "memory"
    scene = Scene(RunsInMemory(), FilesInMemory()) if in_memory else in_file(tmp_path / "jikko.db")
    yield scene
    await scene.store.close()


async def test_runs_that_ended_before_the_time_go_and_others_stay(scene: Scene) -> None:
    old = [await scene.run(day, end=day) for day in range(10)]
    young = await scene.run(80, end=80)
    began_early = await scene.run(5, end=90)

    assert await scene.prune(30) == Pruned(10, 0)

    assert [await scene.has(run) for run in old] == [False] * 10
    assert await scene.has(young)
    assert await scene.has(began_early)
    assert await scene.store.events(old[0].id) == []


async def test_open_and_paused_runs_stay_however_old_they_are(scene: Scene) -> None:
    going_on = await scene.run(1)
    waiting = await scene.run(1, paused(1 * DAY))
    resumed = await scene.run(1, paused(1 * DAY), RunResumed(at=50 * DAY))

    assert await scene.prune(0) == Pruned(0, 0)

    for run in (going_on, waiting, resumed):
        assert await scene.has(run)
        assert await scene.store.events(run.id) == run.events


async def test_files_that_nobody_used_since_go_with_their_content(scene: Scene) -> None:
    old, young = await scene.file(1), await scene.file(90)

    assert await scene.prune(30) == Pruned(0, 1)

    assert not await scene.has(old)
    assert await scene.has(young)
    assert b"".join([piece async for piece in scene.files.stream(young)]) == b"stored on day 90"


async def test_content_that_was_too_young_to_go_with_its_file_goes_later(scene: Scene) -> None:
    """Such as the content of a file that was removed within the hour; or the process died before it was removed."""
    await scene.file(1)
    kept = await scene.file(2)
    scene.now = time.time()
    await scene.index.expire(2 * DAY)

    await scene.retention.prune(0)
    assert len(await scene.blobs.digests()) == 2

    scene.now += 3601
    await scene.retention.prune(0)
    assert await scene.blobs.digests() == [kept.digest]


async def test_a_file_that_a_run_used_later_counts_from_then(scene: Scene) -> None:
    file = await scene.file(1)
    scene.now = 90 * DAY
    assert await scene.files.use(file.id, app_id=APP, end_user_id=USER) == file
    scene.now = NOW

    assert await scene.prune(30) == Pruned(0, 0)
    assert await scene.prune(5) == Pruned(0, 1)


async def test_a_file_of_a_run_that_is_still_paused_stays(scene: Scene) -> None:
    used, made, unused = await scene.file(1), await scene.file(1), await scene.file(1)
    node = NodeFinished(
        at=2 * DAY,
        execution_id=USER,
        node_id="n",
        node_type="code",
        index=1,
        started_at=2 * DAY,
        elapsed=0,
        status="succeeded",
        outputs={"file": {"dify_model_identity": "__dify__file__", "related_id": made.id}},
    )
    run = await scene.run(2, node, paused(2 * DAY), q={"dify_model_identity": "__dify__file__", "related_id": used.id})

    assert await scene.prune(30) == Pruned(0, 1)

    assert await scene.has(run)
    assert (await scene.has(used), await scene.has(made), await scene.has(unused)) == (True, True, False)


async def test_a_file_of_a_run_that_began_early_and_ended_late_stays_as_long_as_the_run(scene: Scene) -> None:
    file = await scene.file(1)
    await scene.run(2, end=90, q={"related_id": file.id})

    assert await scene.prune(30) == Pruned(0, 0)
    assert await scene.prune(5) == Pruned(1, 1)


async def test_a_damaged_log_keeps_the_files_of_its_user_and_no_others(tmp_path: Path) -> None:
    scene = in_file(tmp_path / "jikko.db")
    damaged = await scene.run(1, paused(1 * DAY))
    theirs = await scene.file(1, user=damaged.record.identity.end_user_id)
    old, used = await scene.file(1), await scene.file(1)
    await scene.run(2, paused(2 * DAY), q=used.id)
    ended = await scene.run(2, end=2)
    with closing(sqlite3.connect(tmp_path / "jikko.db")) as connection, connection:
        connection.execute("UPDATE run_log SET events = x'00' WHERE run = 1")

    assert await scene.prune(30) == Pruned(1, 1)

    assert [await scene.has(thing) for thing in (damaged, theirs, used, old, ended)] == [True] * 3 + [False] * 2
    await scene.store.close()


async def test_the_number_of_runs_is_told_batch_by_batch(scene: Scene) -> None:
    for day in range(8):
        await scene.run(day, end=day)
    seen: list[int] = []

    await scene.retention.prune(NOW, progress=seen.append)

    assert seen == [3, 6, 8]


async def test_a_file_becomes_smaller(tmp_path: Path) -> None:
    path = tmp_path / "jikko.db"
    scene = in_file(path)
    for day in range(30):
        # Not to be compressed away.
        await scene.run(day, end=day, q=msgspec.json.encode([day]).hex() + "".join(map(str, range(day, 20_000))))
    await scene.store.close()
    before = path.stat().st_size

    again = in_file(path)
    assert (await again.prune(0)).runs == 30
    await again.store.close()

    assert path.stat().st_size < before / 5


async def test_conversations_are_removed_by_their_last_update_and_keep_their_files_until_then(scene: Scene) -> None:
    kept, lost = await scene.file(10), await scene.file(10)
    for name, day, file in (("old", 30, lost), ("new", 60, kept)):
        turn = message(f"m-{name}", name, at=day * DAY, files=[{"related_id": file.id}])
        await scene.conversations.add_turn(turn, conversation(name, at=day * DAY))

    assert await scene.retention.prune_conversations(50 * DAY) == 1
    pruned = await scene.retention.prune(50 * DAY)

    assert pruned.files == 1
    assert await scene.index.find(kept.id) == kept
    assert await scene.index.find(lost.id) is None
    assert await scene.conversations.messages("old") == []
    assert len(await scene.conversations.messages("new") or []) == 1


async def test_one_look_removes_all_conversations_that_are_old_however_many(scene: Scene) -> None:
    for number in range(60):
        name = f"c-{number}"
        await scene.conversations.add_turn(message(f"m-{number}", name, at=DAY), conversation(name, at=DAY))
    retention = Retention(scene.store, scene.files, conversations=scene.conversations)

    assert await retention.prune_conversations(50 * DAY) == 60
    assert not any([await scene.conversations.messages(f"c-{number}") for number in range(60)])


async def test_audit_entries_of_starts_go_as_runs_do(tmp_path: Path) -> None:
    with closing(Database.open(tmp_path / "jikko.db")) as database:
        audit = AuditStore(database)
        for action in ("start_run", "delete_app"):
            fields = {"actor": "CI", "source": "", "via": "api", "what": "展開"}
            await audit.add(AuditEntry(id=new_id(), at=DAY, action=action, **fields))  # type: ignore[arg-type]
        files = Scene(RunsInMemory(), FilesInMemory()).files
        retention = Retention(SqliteRunStore(database), files, lambda: NOW, audit=lambda: audit)
        await retention.prune(DAY, app_id=APP)
        assert len(await audit.entries(AuditFilter(), limit=9)) == 2
        await retention.prune(2 * DAY)
        assert [each.action for each in await audit.entries(AuditFilter(), limit=9)] == ["delete_app"]


def test_tokens_that_expire_are_removed_while_the_server_runs(caplog: pytest.LogCaptureFixture) -> None:
    class Tokens:
        """Those of the console: how many have expired by when."""

        expired: tuple[int, ...] = (0, 1)

        async def forget_expired(self, now: float) -> int:
            count, self.expired = self.expired[0], self.expired[1:] or (0,)
            return count

    async def an_hour() -> None:
        scene = Scene(RunsInMemory(), FilesInMemory())
        tokens: Any = Tokens()
        watching = asyncio.ensure_future(Retention(scene.store, scene.files, tokens=lambda: tokens).watch_tokens())
        await asyncio.sleep(3600)
        watching.cancel()

    caplog.set_level(logging.INFO)
    in_virtual_time(an_hour())
    assert [record.getMessage() for record in caplog.records] == ["1 tokens of the console had expired"]


def test_what_grows_old_later_is_removed_within_ten_minutes(caplog: pytest.LogCaptureFixture) -> None:
    class Runs:
        """One is old when the server starts, two are half an hour later, and none is in between."""

        def __init__(self) -> None:
            self.looks: list[float] = []

        async def prune(self, before: float, *, limit: int, app_id: str | None = None) -> int:
            self.looks.append(asyncio.get_running_loop().time())
            return {0: 1, 3: 2}.get(len(self.looks) - 1, 0)

        async def created_before(self, before: float) -> list[str]:
            if len(self.looks) == 2:
                raise StoreUnavailable("the disk is full")
            return []

    class NoFiles:
        async def expire(self, before: float, **_: object) -> int:
            return 0

        async def sweep(self, after: str = "") -> str:
            return ""

    runs: Any = Runs()
    files: Any = NoFiles()

    async def an_hour() -> None:
        watching = asyncio.ensure_future(Retention(runs, files, lambda: NOW).watch(30))
        await asyncio.sleep(3599)
        watching.cancel()

    caplog.set_level(logging.INFO)
    in_virtual_time(an_hour())
    assert runs.looks == [0.0, 600.0, 1200.0, 1800.0, 2400.0, 3000.0]
    assert [record.getMessage() for record in caplog.records] == [
        "1 runs and 0 files were older than 30 days",
        "old runs and files cannot be removed, trying again later: the disk is full",
        "2 runs and 0 files were older than 30 days",
    ]
