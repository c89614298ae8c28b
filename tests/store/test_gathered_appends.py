"""Appends of runs under way, which share transactions. In virtual time."""

import asyncio

import pytest

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
