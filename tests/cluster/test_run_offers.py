"""Worker's end of the run offers among a server's workers: its messages to the supervisor."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from jikko.cluster.cluster_messages import Channel, HasRoom, Message, OfferWaiting, TookWaiting
from jikko.cluster.workers import RunOffers
from jikko.ports.cluster import WaitingRun
from tests.cluster.recorder import Recorder
from tests.effort import PATIENCE
from tests.runs.world import until

pytestmark = pytest.mark.anyio

RUN = WaitingRun(run_id="r", app_id="a", holder="s/0", epoch=1)


class Worker(NamedTuple):
    """A worker, and the other end of its channel."""

    offers: RunOffers
    member: Recorder
    supervisor: AsyncIterator[Message]

    async def says(self) -> Message:
        async with asyncio.timeout(PATIENCE):
            return await anext(self.supervisor)


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    ours, theirs = socket.socketpair()
    channel, supervisors = await Channel.open(ours), await Channel.open(theirs)
    member = Recorder()

    async def ask(offer: OfferWaiting) -> int:
        return 1

    yield Worker(RunOffers(channel, ask, member), member, supervisors.messages())
    channel.close()
    supervisors.close()


async def test_a_run_that_is_handed_to_one_that_leaves_is_given_back_at_once(worker: Worker) -> None:
    worker.offers.leave()
    worker.offers.handed(RUN)

    assert await worker.says() == HasRoom(is_there=False)
    assert await worker.says() == TookWaiting(run_id="r", is_done=False)
    assert worker.member.waiting == []


async def test_a_run_that_is_being_taken_by_one_that_leaves_is_given_back(worker: Worker) -> None:
    hangs = asyncio.Event()

    async def take(run: WaitingRun) -> bool:
        worker.member.waiting.append(run)
        return await hangs.wait()

    worker.member.take_waiting = take  # type: ignore[method-assign]
    worker.offers.handed(RUN)
    await until(lambda: worker.member.waiting != [])
    worker.offers.leave()

    assert await worker.says() == HasRoom(is_there=False)
    assert await worker.says() == TookWaiting(run_id="r", is_done=False)
    await worker.offers.close()


async def test_a_run_that_was_taken_is_said_to_be(worker: Worker) -> None:
    worker.offers.handed(RUN)

    assert await worker.says() == TookWaiting(run_id="r", is_done=True)
    assert worker.member.waiting == [RUN]
