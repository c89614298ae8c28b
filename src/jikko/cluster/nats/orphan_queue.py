"""Runs that members left behind, in a queue of which each entry is with one member at a time."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import msgspec
from nats.aio.msg import Msg
from nats.js.client import JetStreamContext

from jikko.cluster.nats.link import NatsLink, end, pull_no_more
from jikko.cluster.nats.nats_refusals import NATS_ERRORS
from jikko.cluster.nats.nats_wire import orphans_of
from jikko.cluster.nats.streams import QUEUE_CONSUMER
from jikko.errors import JikkoError, ServerStopping
from jikko.ports.cluster import OrphanedRuns, Takeover

logger = logging.getLogger(__name__)

_PULL_SECONDS: Final = 5.0
"""For which the queue is waited for; after a restart of NATS nothing comes for as long."""
_TRY_AGAIN_SECONDS: Final = 0.5
_LOOKS: Final = 3
"""Times that an entry is looked at whose member seems to live, and for its life besides; then it does."""
_POLL_SECONDS: Final = 0.5
"""Between these."""
_AT_IT_PART: Final = 1 / 8
"""Of a member's life: between the times that NATS is told that an entry is still being worked on."""
_MAX_CONCURRENT_ENTRIES: Final = 4
"""Entries that one member works on."""
_TRIES: Final = 60
_MAX_SHARES: Final = 16


class OrphanQueue:
    """One member's end of the queue."""

    def __init__(
        self,
        link: NatsLink,
        take_over: Callable[[OrphanedRuns], Awaitable[Takeover]],
        lives: Callable[[str], bool],
        seconds: float,
    ) -> None:
        """Args:
        seconds: After which a member that is not heard of counts as gone.
        take_over: See ``Member.take_over``.
        lives: Whether a member is known to live: what is left behind it has come back for.
        """
        self._link = link
        self._take_over = take_over
        self._lives = lives
        self._seconds = seconds
        self._pulling: JetStreamContext.PullSubscription | None = None
        self._places = asyncio.Semaphore(_MAX_CONCURRENT_ENTRIES)
        self._working: set[asyncio.Task[None]] = set()

    async def put(self, orphans: Iterable[OrphanedRuns], *, once: str, tries: int = _TRIES) -> None:
        """Put entries in the queue, as far as it can be reached.

        Args:
            once: What is put again by the same word is the same.
            tries: How often it is tried, while the servers of NATS choose a leader.
        """
        for entry in orphans:
            headers = {"Nats-Msg-Id": f"{entry.holder}:{once}:{entry.share}/{entry.of}"}
            subject, body = self._link.names.queue(entry.holder), msgspec.json.encode(entry)
            for number in range(1, tries + 1):
                try:
                    await self._link.keep(subject, body, headers=headers)
                    break
                except NATS_ERRORS as error:
                    self._link.declare_again()
                    if number == tries:
                        logger.warning(
                            "runs of %s cannot be offered, they are looked for later: %s", entry.holder, error
                        )
                await asyncio.sleep(_TRY_AGAIN_SECONDS)

    async def watch(self) -> None:
        """Take over what comes, until cancelled."""
        while True:
            await self._places.acquire()
            message = None
            try:
                if self._pulling is None:
                    names = self._link.names
                    self._pulling = await self._link.stream.pull_subscribe_bind(
                        consumer=QUEUE_CONSUMER, stream=names.stream("QUEUE")
                    )
                [message] = await self._pulling.fetch(1, timeout=_PULL_SECONDS)
            except TimeoutError:
                continue
            except NATS_ERRORS as error:
                logger.debug("what was left behind cannot be pulled, trying again: %s", error)
                pulling, self._pulling = self._pulling, None
                await pull_no_more(pulling)
                self._link.declare_again()
                await asyncio.sleep(_TRY_AGAIN_SECONDS)
            finally:
                if message is None:
                    self._places.release()
            if message is not None:
                task = asyncio.get_running_loop().create_task(self._work(message))
                self._working.add(task)
                task.add_done_callback(self._working.discard)

    async def close(self) -> None:
        """Give back what is being worked on. Behind the end of ``watch``."""
        await pull_no_more(self._pulling)
        await end(self._working)

    async def _work(self, message: Msg) -> None:
        at_it = asyncio.get_running_loop().create_task(_say_so(message, self._seconds * _AT_IT_PART))
        looks = _LOOKS + math.ceil(self._seconds / _POLL_SECONDS)
        try:
            orphans = orphans_of(message.data)
            if orphans is not None and self._lives(orphans.holder) and message.metadata.num_delivered < looks:
                # It has said that it ends, and this member has not heard it yet; others have missed it sooner than this
                # one, which may have stood still; or it has come back.
                await message.nak(delay=_POLL_SECONDS)
                return
            is_left = orphans is not None and bool(orphans.holder) and not self._lives(orphans.holder)
            if orphans is not None and is_left and not await self._taken(orphans):
                await message.nak(delay=_POLL_SECONDS)
                return
            await message.ack()
        except ServerStopping:
            await _give_back(message)  # this process ends: another takes them over
        except asyncio.CancelledError:
            await _give_back(message)
            raise
        except NATS_ERRORS as error:
            logger.debug("NATS was not told that runs were taken over; they are looked at again: %s", error)
        finally:
            at_it.cancel()
            self._places.release()

    async def _taken(self, orphans: OrphanedRuns) -> bool:
        """Take runs over. ``False``: some are for a member of a newer version."""
        while True:
            try:
                taken = await self._take_over(orphans)
                # Not said before it is durable: if this process died, no member would look at them.
                await taken.durable()
                return taken.is_whole
            except ServerStopping:
                raise
            except JikkoError as error:
                logger.error("runs of another server cannot be read, trying again: %s", error)
                await asyncio.sleep(_TRY_AGAIN_SECONDS)


def shares(holder: str, members: int) -> list[OrphanedRuns]:
    """The runs of a holder, in a part for each of ``members``."""
    parts = max(1, min(members, _MAX_SHARES))
    return [OrphanedRuns(holder=holder, share=share, of=parts) for share in range(parts)]


async def _say_so(message: Msg, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await message.in_progress()
        except NATS_ERRORS as error:
            logger.debug("NATS was not told that runs are being taken over: %s", error)


async def _give_back(message: Msg) -> None:
    try:
        await message.nak()
    except NATS_ERRORS as error:
        logger.debug("runs could not be given back; they are offered again in a while: %s", error)
