"""Waiting for a process, or a permit, and giving up."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jikko.sandbox.child import Child
from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.fork_server_client import ForkServerClient
from jikko.sandbox.limits import SandboxLimits
from tests.effort import PATIENCE
from tests.sandbox.scene import descendants, outcome, running, until

pytestmark = pytest.mark.anyio

SLEEP = "import time\ndef main(): time.sleep(600)"


@pytest.fixture
async def held() -> AsyncIterator[ForkServerClient]:
    """A fork server that stands still, and of which all children are taken."""
    server = await ForkServerClient.start(SandboxLimits(wall_seconds=PATIENCE))
    await until(lambda: server.idle == 4)
    os.kill(server.process_id, signal.SIGSTOP)
    taken = [await server.take("python3") for _ in range(4)]
    yield server
    for child in taken:
        child.connection.close()
    await server.close()


def wait_until_it_has_forked(server: ForkServerClient, before: set[int], count: int) -> set[int]:
    """Which children came, once all is said of them that can be: nothing else of this process goes on meanwhile."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        state = Path(f"/proc/{server.process_id}/stat").read_text().rpartition(")")[2].split()[0]
        new = descendants(server.process_id) - before
        if state == "S" and len(new) == count:
            return new
    raise TimeoutError


async def test_the_process_of_one_that_gave_up_as_it_came_goes_to_the_next(held: ForkServerClient) -> None:
    before = descendants(held.process_id)
    gives_up: asyncio.Task[Child] | None = None

    async def first() -> Child:
        child = await held.take("python3")
        # Both came at once, and the other has not been told yet.
        assert gives_up is not None
        gives_up.cancel()
        return child

    waits = asyncio.create_task(first())
    await asyncio.sleep(0)
    gives_up = asyncio.create_task(held.take("python3"))
    await asyncio.sleep(0)
    os.kill(held.process_id, signal.SIGCONT)
    forked = wait_until_it_has_forked(held, before, 2)

    own = await waits
    with pytest.raises(asyncio.CancelledError):
        await gives_up
    following = await held.take("python3")

    assert {own.process_id, following.process_id} == forked
    for child in (own, following):
        held.release(child, "python3", done=False)


async def test_those_that_gave_up_before_a_process_came_want_none_any_more(held: ForkServerClient) -> None:
    for _ in range(50):
        gives_up = asyncio.create_task(held.take("python3"))
        await asyncio.sleep(0)
        gives_up.cancel()
        await asyncio.wait([gives_up])
    os.kill(held.process_id, signal.SIGCONT)

    # They come in the order in which they were asked for: before the first that is asked for now are all others.
    came: list[Child] = []
    async with asyncio.timeout(PATIENCE):
        while not came or came[-1].kind != "javascript":
            came.append(await held.take("javascript"))

    assert len(came) <= 3
    for child in came:
        held.release(child, "javascript", done=False)


async def test_as_many_programs_wait_as_the_limit_says_and_not_one_more() -> None:
    async with running(SandboxLimits(concurrent_runs=1, queued_runs=2, wall_seconds=PATIENCE)) as made:
        holds = asyncio.create_task(outcome(made, "python3", SLEEP))
        await until(lambda: has_begun(made))
        wait = [asyncio.create_task(outcome(made, "python3", SLEEP)) for _ in range(2)]
        await asyncio.sleep(0)

        async with asyncio.timeout(1):  # at once: it never gives way to anything
            refused = await outcome(made, "python3", SLEEP)

        assert refused.error == "The sandbox is busy: its queue limit of 2 waiting runs of one app is reached"
        assert not any(run.done() for run in (holds, *wait))
        assert made.measures.refused.values == {(): 1}, "what /metrics says of programs that were refused"
        for run in (holds, *wait):
            run.cancel()
        await asyncio.wait([holds, *wait])


def has_begun(sandbox: ForkServerSandbox) -> bool:
    return sandbox.fork_server is not None and sandbox.fork_server.active == 1
