"""Appends of runs under way, which share transactions. In virtual time."""

import asyncio
from typing import Any

import pytest

from jikko.errors import StoreUnavailable
from tests import virtual_time
from tests.store.writer_database import Database, database_of, sizes, write, writer_of


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    return database_of(monkeypatch)


def test_runs_under_way_wait_for_each_other_for_3_ms(database: Database) -> None:
    async def work() -> None:
        writer = writer_of(database)
        await asyncio.gather(*(writer.submit(write(number)) for number in range(3)))
        first = writer.submit(write(0, at=1))
        await asyncio.sleep(0.002)
        await asyncio.gather(first, writer.submit(write(1, at=1)))
        assert database.batch_times == pytest.approx([0.0, 0.003])
        assert sizes(database) == [3, 2]
        # All that there are: nobody else can come.
        await asyncio.gather(*(writer.submit(write(number, at=1 + (number < 2))) for number in range(3)))
        assert database.batch_times == pytest.approx([0.0, 0.003, 0.003])
        await writer.close()

    virtual_time.run(work())


@pytest.mark.parametrize("how", ["alone", "the others have ended", "the others wait for a form", "it ends at once"])
def test_a_run_waits_for_no_other(how: str, database: Database) -> None:
    async def work() -> None:
        writer = writer_of(database)
        await writer.submit(write(1))
        if how != "alone":
            await asyncio.gather(writer.submit(write(2)), writer.submit(write(1, at=1)))
        if how.startswith("the others"):
            await writer.submit(write(2, at=1, status=1 if "form" in how else 2))
        before = asyncio.get_running_loop().time()
        await writer.submit(write(3, status=2) if how == "it ends at once" else write(1, at=2))
        assert database.batch_times[-1] == before
        await writer.close()

    virtual_time.run(work())


def test_a_run_that_ends_at_once_takes_along_what_waits_for_others(database: Database) -> None:
    async def work() -> None:
        writer = writer_of(database)
        await asyncio.gather(writer.submit(write(1)), writer.submit(write(2)))
        waits = writer.submit(write(1, at=1))
        await asyncio.sleep(0.001)
        await asyncio.gather(waits, writer.submit(write(3, status=2)))
        assert database.batch_times == pytest.approx([0.0, 0.001])
        waits = writer.submit(write(1, at=2))
        await asyncio.sleep(0.001)
        await writer.close()
        assert waits.done()
        assert database.batch_times == pytest.approx([0.0, 0.001, 0.002])

    virtual_time.run(work())


def test_runs_that_this_writer_hears_of_no_more_are_waited_for_for_a_second_at_most(database: Database) -> None:
    async def work() -> None:
        writer = writer_of(database)
        await asyncio.gather(*(writer.submit(write(number)) for number in range(50)))
        database.is_down = True
        database.lines[0].breaks()
        lost = [writer.submit(write(number, at=1)) for number in range(50)]
        outcomes = await asyncio.gather(*lost, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 50
        database.is_down = False
        before = asyncio.get_running_loop().time()
        await writer.submit(write(99))
        assert database.batch_times[-1] == before
        await asyncio.gather(writer.submit(write(98)), writer.submit(write(99, at=1)))
        # The other goes on elsewhere.
        await asyncio.sleep(1.1)
        before = asyncio.get_running_loop().time()
        await writer.submit(write(99, at=2))
        assert database.batch_times[-1] == before
        await writer.close()

    virtual_time.run(work())


def test_waiting_ends_when_the_last_run_under_way_has_come(database: Database) -> None:
    async def work() -> None:
        writer = writer_of(database)
        await asyncio.gather(writer.submit(write(1)), writer.submit(write(2)))
        waits = writer.submit(write(1, at=1))
        await asyncio.sleep(0.001)
        await asyncio.gather(waits, writer.submit(write(2, at=1)))
        assert database.batch_times == pytest.approx([0.0, 0.001])
        await writer.close()

    virtual_time.run(work())


@pytest.mark.parametrize("at_once", [True, False])
def test_waiting_ends_when_a_transaction_is_full(at_once: bool, database: Database) -> None:
    async def work() -> None:
        writer = writer_of(database)
        await asyncio.gather(writer.submit(write(1)), writer.submit(write(2)))
        waits = [writer.submit(write(number)) for number in range(10, 522 if at_once else 521)]
        await asyncio.sleep(0.001)
        if not at_once:
            waits.append(writer.submit(write(1, at=1)))
        await asyncio.gather(*waits)
        assert sizes(database) == [2, 512]
        assert database.batch_times == pytest.approx([0.0, 0.0 if at_once else 0.001])
        await writer.close()

    virtual_time.run(work())


@pytest.mark.parametrize("comes", ["with it", "later"])
def test_a_rehearsal_waits_for_no_run(comes: str, database: Database) -> None:
    async def work() -> None:
        writer = writer_of(database)
        await asyncio.gather(writer.submit(write(1)), writer.submit(write(2)))
        waits = writer.submit(write(1, at=1))
        if comes == "later":
            await asyncio.sleep(0.001)
        before = asyncio.get_running_loop().time()
        await writer.rehearse(rehearsal)
        assert asyncio.get_running_loop().time() == before
        await waits
        assert database.batch_times == pytest.approx([0.0, before])
        await writer.close()

    async def rehearsal(connection: Any) -> None:
        assert connection is database.lines[0]

    virtual_time.run(work())
