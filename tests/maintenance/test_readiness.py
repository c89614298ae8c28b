"""Whether a process accepts runs, as it finds out when it is asked."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from jikko.errors import StoreUnavailable
from jikko.maintenance import readiness
from jikko.maintenance.readiness import Readiness
from jikko.ports.measures import RecordMeasures
from tests.runs.world import PATIENCE, until

pytestmark = pytest.mark.anyio

READY = {"accepting": "ok", "record": "ok"}
REFUSED = {"accepting": "ok", "record": "the record cannot be written"}


async def some_turns() -> None:
    """Let everything that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


class Disk:
    """A ``Record`` that a test may break."""

    def __init__(self) -> None:
        self.tries = 0
        self.measures = RecordMeasures()
        self.works: bool | None = True
        self.waiting: list[asyncio.Future[None]] = []

    def try_to_write(self) -> "asyncio.Future[None]":
        self.tries += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.works is None:
            self.waiting.append(future)
        elif self.works:
            future.set_result(None)
        else:
            future.set_exception(StoreUnavailable("The database /secret/place is full."))
        return future

    def release(self) -> None:
        """What waits succeeds, and all that comes."""
        self.works = True
        waiting, self.waiting = self.waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)


class Process:
    """One that has a disk and a clock, and may be ending."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.now = 0.0
        self.ends = False
        self.readiness = Readiness(self.disk, lambda: self.ends, monotonic=lambda: self.now, again=0.0)

    async def until(self, wanted: dict[str, str]) -> None:
        """Let it go on until it says so."""
        async with asyncio.timeout(PATIENCE):
            while await self.readiness.checks(0.01) != wanted:  # noqa: ASYNC110
                await asyncio.sleep(0)

    @property
    def refuses(self) -> bool:
        """Whether starts are refused at once."""
        return bool(self.readiness.failure)


@pytest.fixture
async def process() -> AsyncIterator[Process]:
    process = Process()
    yield process
    process.ends = True
    process.disk.release()


async def test_it_is_ready_if_a_write_succeeds(process: Process) -> None:
    assert await process.readiness.checks() == READY
    assert process.disk.tries == 1


async def test_a_write_that_has_just_succeeded_is_good_for_all_who_ask(process: Process) -> None:
    for _ in range(5):
        await process.readiness.checks()
        process.now += 0.3
    assert process.disk.tries == 1

    process.now += 2
    assert await process.readiness.checks() == READY
    assert process.disk.tries == 2


async def test_one_that_fails_is_tried_again_until_it_succeeds_whether_anybody_asks_or_not(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    process.disk.works = False
    assert await process.readiness.checks() == await process.readiness.checks() == REFUSED
    assert process.refuses
    tries = process.disk.tries
    await until(lambda: process.disk.tries > tries + 2)
    assert process.refuses

    process.disk.works = True
    await until(lambda: not process.refuses)
    assert await process.readiness.checks() == READY

    # The log has what the answer has not, once.
    assert caplog.text.count("/secret/place is full") == 1


async def test_those_who_ask_at_once_wait_for_one_write(process: Process) -> None:
    process.disk.works = None
    asking = [asyncio.ensure_future(process.readiness.checks()) for _ in range(5)]
    while not process.disk.waiting:  # noqa: ASYNC110 - one turn of the loop
        await asyncio.sleep(0)
    [write] = process.disk.waiting
    write.set_result(None)

    assert await asyncio.gather(*asking) == [READY] * 5


async def test_one_that_takes_too_long_is_told_and_waited_for_by_the_next_who_asks(process: Process) -> None:
    process.disk.works = None
    late = {"accepting": "ok", "record": "the record could not be written within 0.01 s"}
    assert await process.readiness.checks(0.01) == late
    process.disk.waiting[0].set_result(None)
    assert await process.readiness.checks() == READY
    assert process.disk.tries == 1


async def test_a_start_that_waits_has_a_write_tried_and_is_no_failure_if_that_succeeds(process: Process) -> None:
    process.readiness.start_failed()
    process.readiness.start_failed()
    await until(lambda: process.disk.tries == 1)

    assert not process.refuses
    assert await process.readiness.checks() == READY


async def test_one_slow_write_is_no_failure(process: Process) -> None:
    process.disk.works = None
    process.readiness.start_failed()
    await until(lambda: len(process.disk.waiting) == 1)
    assert not process.refuses
    process.disk.release()

    await process.until(READY)
    assert not process.refuses


async def test_a_write_that_is_never_done_is_a_failure_without_anybody_asking(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "TIMEOUT_SECONDS", 0.01)
    process.disk.works = None
    process.readiness.start_failed()
    async with asyncio.timeout(PATIENCE):
        while not process.refuses:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    # Nobody waits for it any more.
    assert (await process.readiness.checks(PATIENCE))["record"] == "the record could not be written within 0.01 s"
    assert process.disk.tries == 1

    process.disk.release()
    await process.until(READY)
    assert not process.refuses


async def test_starts_that_fail_though_a_write_succeeds_are_a_failure_until_they_are_long_ago(process: Process) -> None:
    process.readiness.succeeded += 1
    for number in (1, 2, 3):
        assert not process.refuses
        process.readiness.start_failed()
        await until(lambda number=number: process.disk.tries == number)  # type: ignore[misc]
        await some_turns()

    assert process.refuses
    assert (await process.readiness.checks())["record"] == "starts fail, though the record can be written"
    process.now += 6
    await process.until(READY)


async def test_a_few_that_fail_among_many_are_none(process: Process) -> None:
    for number in range(1, 6):
        process.readiness.start_failed()
        await until(lambda number=number: process.disk.tries == number)  # type: ignore[misc]
        await some_turns()
        for _ in range(2):
            process.readiness.succeeded += 1

    assert not process.refuses
    assert await process.readiness.checks() == READY


async def test_a_process_that_ends_is_not_ready_though_it_can_write(process: Process) -> None:
    process.ends = True
    assert await process.readiness.checks() == {"accepting": "the server is shutting down", "record": "ok"}


async def test_files_are_looked_at_apart() -> None:
    assert Readiness(Disk(), lambda: False).files() == "ok"
    assert Readiness(Disk(), lambda: False, lambda: "no folder").files() == "no folder"


async def test_one_of_several_servers_is_not_ready_while_it_cannot_hear_the_others(process: Process) -> None:
    failure = ""
    readiness = Readiness(process.disk, lambda: False, cluster=lambda: failure)

    assert await readiness.checks() == {**READY, "cluster": "ok"}
    failure = "NATS was not heard for 10 s"
    assert await readiness.checks() == {**READY, "cluster": failure}
