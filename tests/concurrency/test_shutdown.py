"""Shutdown in named steps: hanging steps are abandoned and reported; in virtual time."""

import asyncio
import contextlib
import logging
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jikko.concurrency.shutdown import Shutdown
from tests import virtual_time
from tests.effort import PATIENCE


class Scene:
    """A process with things to close."""

    def __init__(self) -> None:
        self.shutdown = Shutdown()
        self.closed: list[tuple[str, float]] = []

    def takes(self, name: str, seconds: float | None) -> Callable[[], Awaitable[str]]:
        """What closes in so much time; ``None``: never."""

        async def close() -> str:
            await (asyncio.Event().wait() if seconds is None else asyncio.sleep(seconds))
            self.closed.append((name, asyncio.get_running_loop().time()))
            return name

        return close


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_steps_are_done_the_newest_first_and_nothing_is_left(scene: Scene) -> None:
    async def work() -> None:
        async with scene.shutdown as shutdown:
            shutdown.step("database", scene.takes("database", 0.5))
            shutdown.step("sandbox", scene.takes("sandbox", 1))
            shutdown.begin(10)
            assert await shutdown.do("runs", scene.takes("runs", 2), 3) == "runs"
        await shutdown.end()
        assert scene.closed == [("runs", 2), ("sandbox", 3), ("database", 3.5)]
        assert shutdown.late == []

    virtual_time.run(work())


def test_one_that_does_not_end_has_its_seconds_and_is_named_and_the_others_have_theirs(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        async with scene.shutdown as shutdown:
            shutdown.step("database", scene.takes("database", 1))
            shutdown.step("NATS", scene.takes("NATS", None), 3)
            shutdown.begin(10)
            assert await shutdown.do("runs", scene.takes("runs", None), 2) is None
        await shutdown.end()
        assert scene.closed == [("database", 6)]

    virtual_time.run(work())
    assert [record.getMessage().partition("; ")[2] for record in caplog.records] == ["did not end: runs, NATS"]
    assert caplog.records[0].levelno == logging.ERROR


def test_however_many_do_not_end_the_whole_does(scene: Scene) -> None:
    async def work() -> None:
        names = [f"step {number}" for number in range(12)]
        async with scene.shutdown as shutdown:
            for name in names:
                shutdown.step(name, scene.takes(name, None))
            shutdown.begin(10)
        assert 8 < asyncio.get_running_loop().time() < 9.5
        assert shutdown.late == names[::-1]

    virtual_time.run(work())


def test_one_that_ends_at_once_is_done_though_the_time_is_over(scene: Scene) -> None:
    async def work() -> None:
        async with scene.shutdown as shutdown:
            shutdown.step("lock", scene.takes("lock", 0))
            shutdown.step("hangs", scene.takes("hangs", None), 60)
            shutdown.begin(10)
        assert [name for name, _ in scene.closed] == ["lock"]

    virtual_time.run(work())


def test_who_is_in_a_hurry_gives_less_time(scene: Scene) -> None:
    async def work() -> None:
        shutdown = scene.shutdown
        shutdown.begin(300)
        runs = asyncio.ensure_future(shutdown.do("runs", scene.takes("runs", None), 290))
        await asyncio.sleep(1)
        runs.cancel()
        await asyncio.wait([runs])
        shutdown.begin(10)
        await shutdown.do("runs", scene.takes("runs", None), 60)
        assert asyncio.get_running_loop().time() < 10

    virtual_time.run(work())


def test_who_is_in_a_hurry_late_gives_no_more_time_than_there_was(scene: Scene) -> None:
    async def work() -> None:
        shutdown = scene.shutdown
        assert shutdown.begin(20) == 20
        await asyncio.sleep(14)
        assert shutdown.begin(10) == 6
        await shutdown.do("runs", scene.takes("runs", None), 60)
        assert asyncio.get_running_loop().time() < 20

    virtual_time.run(work())


def test_one_that_is_not_ending_waits_for_all_that_it_closes(scene: Scene) -> None:
    async def work() -> None:
        async with scene.shutdown as shutdown:
            shutdown.step("database", scene.takes("database", 600))
        await shutdown.end()
        assert scene.closed == [("database", 600)]

    virtual_time.run(work())


def test_what_goes_on_behind_the_last_step_is_cancelled_and_named_if_that_does_not_end_it(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    async def stubborn() -> None:
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(600)
                return

    async def work() -> None:
        going_on = asyncio.ensure_future(scene.takes("obeys", None)())
        holding = asyncio.ensure_future(stubborn())
        await asyncio.sleep(0)
        async with scene.shutdown as shutdown:
            shutdown.begin(10)
        await shutdown.end()
        assert going_on.cancelled()
        assert asyncio.get_running_loop().time() == 2
        await holding

    virtual_time.run(work())
    [record] = caplog.records
    assert record.getMessage().endswith(".stubborn")


def test_the_end_of_a_block_is_a_step_and_what_a_step_raises_is_raised(scene: Scene) -> None:
    @asynccontextmanager
    async def block() -> Any:
        yield "entered"
        await asyncio.sleep(1)
        scene.closed.append(("block", asyncio.get_running_loop().time()))
        raise ValueError("broken")

    async def work() -> None:
        shutdown = scene.shutdown
        shutdown.step("database", scene.takes("database", 1))
        assert await shutdown.entered("block", block()) == "entered"
        shutdown.begin(10)
        with pytest.raises(ValueError, match="broken"):
            await shutdown.aclose()
        assert scene.closed == [("block", 1), ("database", 2)]

    virtual_time.run(work())


STANDS_STILL = """
import asyncio, logging, sys, threading, time
from jikko.concurrency.shutdown import leaving

logging.basicConfig(format="%(message)s")

async def stubborn():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass

async def main():
    async with leaving() as shutdown:
        shutdown.begin(2)
        {0}
    await shutdown.end()

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("what", "late"),
    [
        ('await shutdown.do("runs", lambda: asyncio.to_thread(time.sleep, 3600), 1)', "runs"),
        ("async def blocks(): time.sleep(3600)\n        await shutdown.do('database', blocks, 1)", "database"),
        ("threading.Thread(target=time.sleep, args=(3600,)).start()", "a thread"),
        ("asyncio.create_task(stubborn())\n        await asyncio.sleep(0)", "stubborn"),
    ],
    ids=["a thread of a step", "the event loop", "a thread of nobody", "a task"],
)
def test_a_process_ends_whatever_stands_still_in_it(what: str, late: str) -> None:
    began = time.monotonic()
    code = STANDS_STILL.format(what)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=PATIENCE, check=False)

    assert done.returncode == 1
    assert f"did not end: {late}" in done.stderr.decode()
    assert time.monotonic() - began < PATIENCE
