"""Database failover to a lagging replica: acknowledged data is missing."""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from jikko.errors import LogConflict, LogForgotten
from jikko.ports.stores.run_store import Append, new_mark
from jikko.record import RunRecord
from jikko.runs.run_log import RunLog
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.migrate import migrate
from jikko.store.postgres.runs import appends
from jikko.store.postgres.runs.run_rows import write_of
from jikko.store.postgres.runs.run_store import PostgresRunStore
from tests.acceptance.faults import until
from tests.contract.runs import Draft, finished, node, paused, started
from tests.effort import PATIENCE
from tests.faults.proxy import Proxy
from tests.faults.test_database import lag, pair
from tests.store.postgres_server import POSTGRES, PostgresServer, Standby, new_database

pytestmark = [pytest.mark.anyio, pytest.mark.services]


class Copies(NamedTuple):
    store: PostgresRunStore
    primary: PostgresServer
    standby: Standby
    line: Proxy

    def cut_off(self) -> None:
        """What is written from here on is on the primary alone."""
        until(lambda: lag(self.primary) == 0, "the standby has it all")
        self.line.cut()

    def go_back(self) -> None:
        self.primary.kill()
        self.standby.promote()


@pytest.fixture
async def copies() -> AsyncIterator[Copies]:
    with pair() as (primary, standby, url, line):
        database = Postgres(url)
        await migrate(database)
        store = PostgresRunStore(database)
        try:
            yield Copies(store, primary, standby, line)
        finally:
            await store.close()
            await database.close()


def held(draft: Draft) -> RunRecord:
    draft.record.holder = "here/0"
    return draft.record


async def test_a_run_is_written_again_as_far_as_it_is_missing(copies: Copies) -> None:
    known, new = RunLog(copies.store, held(Draft())), RunLog(copies.store, held(Draft()))
    known.append([started(), *node(index=1)])
    await known.committed()
    copies.cut_off()
    known.append([*node(index=2)])
    await known.committed()
    new.append([started(), *node(index=1)])
    await new.committed()

    copies.go_back()
    for log in (known, new):
        log.append([*node(index=9)])
        async with asyncio.timeout(PATIENCE):
            await log.committed()
        run_id = log.record.identity.run_id
        assert await copies.store.events(run_id) == list(log.events)
        assert await copies.store.record(run_id) == log.record


async def test_one_that_waits_hears_of_it_and_is_written_again(copies: Copies) -> None:
    went_back = asyncio.Event()
    copies.store.on_rollback = went_back.set
    log = RunLog(copies.store, held(Draft()))
    log.append([started()])
    await log.committed()
    copies.cut_off()
    log.append([*node()])
    await log.committed()

    copies.go_back()
    # Nothing is written meanwhile: that the connection broke is enough.
    async with asyncio.timeout(PATIENCE):
        await went_back.wait()
        log.require_durable()
        run_id = log.record.identity.run_id
        while await copies.store.log_end(run_id) < len(log.events):  # noqa: ASYNC110 - there is no event of it
            await asyncio.sleep(0.05)


async def test_one_that_another_has_taken_over_meanwhile_is_released(copies: Copies) -> None:
    log = RunLog(copies.store, held(Draft()))
    log.append([started()])
    await log.committed()
    copies.cut_off()
    log.append([*node(index=1)])
    await log.committed()
    copies.go_back()
    other = Append(
        log.record.identity.run_id,
        1,
        [*node(index=5)],
        RunRecord(identity=log.record.identity, epoch=2, holder="there/0"),
        mark=new_mark(),
        holder="there/0",
    )
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await copies.store.append(other)
                break
            except Exception:
                await asyncio.sleep(0.05)

    log.append([*node(index=2)])

    with pytest.raises(LogConflict):
        await log.committed()
    assert await copies.store.events(log.record.identity.run_id) == [log.events[0], *other.events]


def head(*, log_end: int, epoch: int = 1, status: int = 0, holder: str = "here/0") -> tuple[object, ...]:
    return (b"", status, log_end, epoch, 1, holder)


def test_what_is_missing_is_its_own_writers_alone_to_write_again() -> None:
    draft = Draft()
    draft.step(started(), *node())
    held(draft)
    write = write_of(Append(draft.id, 3, [], draft.record, holder="here/0"), b"[]")

    def refusal(row: tuple[object, ...] | None, *, gone_back: bool = True) -> LogConflict | None:
        return appends.conflict(write, row, has_gone_back=gone_back)

    for row in (None, head(log_end=1), head(log_end=1, status=1, holder="")):
        assert isinstance(refusal(row), LogForgotten)
        assert not isinstance(refusal(row, gone_back=False), LogForgotten)
    for row in (
        head(log_end=1, holder="there/0"),
        head(log_end=1, epoch=2),
        head(log_end=1, status=2),
        head(log_end=7),
    ):
        assert type(refusal(row)) is LogConflict


@pytest.fixture(params=[POSTGRES])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[PostgresRunStore]:
    async with new_database(request) as database:
        made = PostgresRunStore(database)
        yield made
        await made.close()


@pytest.mark.parametrize("ends", [False, True])
async def test_of_two_that_came_to_the_same_epoch_the_record_names_one(store: PostgresRunStore, ends: bool) -> None:
    draft = Draft()
    draft.step(started())
    held(draft)
    await store.append(Append(draft.id, 0, draft.events, draft.record, mark=1, holder="here/0"))
    append = draft.step(finished() if ends else paused())
    other = Append(draft.id, 1, append.events, append.record, mark=2, holder="there/0")

    with pytest.raises(LogConflict):
        await store.append(other)
    await store.append(Append(draft.id, 1, append.events, append.record, mark=3, holder="here/0"))

    assert await store.log_end(draft.id) == 2
