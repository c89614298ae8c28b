"""A worker's end of what its server's workers offer to each other: the ``WaitingRuns`` of what waits there."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from jikko.cluster.channel import Channel
from jikko.cluster.cluster_messages import HasRoom, OfferWaiting, TookWaiting, WithdrawWaiting
from jikko.errors import JikkoError
from jikko.ports.cluster import Member, WaitingRun

logger = logging.getLogger(__name__)

_TRY_AGAIN_SECONDS: Final = 0.5
"""Until a run that this worker has room for and may not begin (its app has its part) is given back: or it would be
handed to and fro."""


class RunOffers:
    """What one worker offers, and takes in."""

    def __init__(self, channel: Channel, ask: Callable[[OfferWaiting], Awaitable[object]], member: Member) -> None:
        """``ask``: asks the supervisor; its answer is 1 if a run is offered from now on."""
        self._channel = channel
        self._ask = ask
        self._member = member
        self._handed = asyncio.Event()
        """Set whenever a run was handed to this worker."""
        self._taking: set[asyncio.Task[None]] = set()
        self._has_left = False

    async def offer(self, run: WaitingRun) -> bool:
        return await self._ask(OfferWaiting(run=run)) == 1

    async def withdraw(self, run_id: str) -> None:
        self._channel.send(WithdrawWaiting(run_id))

    async def watch(self) -> None:
        """Say that there is room whenever there is, until cancelled."""
        while True:
            await self._member.room()
            self._handed.clear()
            self._channel.send(HasRoom())
            await self._handed.wait()
            # What was handed counts among what is being taken from now on.
            await asyncio.sleep(0)

    def handed(self, run: WaitingRun) -> None:
        self._handed.set()
        if self._has_left:
            self._channel.send(TookWaiting(run_id=run.run_id, is_done=False))
            return
        task = asyncio.get_running_loop().create_task(self._take(run))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    def leave(self) -> None:
        """Take nothing more in. What is being taken is given back."""
        if not self._has_left:
            self._has_left = True
            self._channel.send(HasRoom(is_there=False))
        for task in self._taking:
            task.cancel()

    async def close(self) -> None:
        """Behind ``leave``: wait until all was given back."""
        await asyncio.gather(*self._taking, return_exceptions=True)

    async def _take(self, run: WaitingRun) -> None:
        is_done = False
        try:
            is_done = await self._member.take_waiting(run)
            if not is_done and await self._has_room():
                await asyncio.sleep(_TRY_AGAIN_SECONDS)
        except JikkoError as error:
            logger.debug("a run that waits elsewhere cannot be taken: %s", error)
        except Exception:
            logger.exception("a run that waits elsewhere cannot be taken")
        finally:
            self._channel.send(TookWaiting(run_id=run.run_id, is_done=is_done))

    async def _has_room(self) -> bool:
        try:
            async with asyncio.timeout(0):
                await self._member.room()
        except TimeoutError:
            return False
        return True
