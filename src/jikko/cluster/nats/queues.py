"""Queues of a cluster: orphaned runs of dead members, and runs waiting for a free slot."""

import asyncio
import hashlib
import logging
import math
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import msgspec
from nats.aio.msg import Msg
from nats.js.client import JetStreamContext
from nats.js.errors import APIError

from jikko.cluster.nats.connecting import try_to
from jikko.cluster.nats.link import NatsLink, end
from jikko.cluster.nats.nats_refusals import NATS_ERRORS
from jikko.cluster.nats.nats_wire import orphans_of, waiting_of
from jikko.cluster.nats.streams import QUEUE_CONSUMER, WAITING_CONSUMER
from jikko.concurrency.background_tasks import start_task
from jikko.errors import JikkoError, ServerStopping
from jikko.ports.cluster import Member, OrphanedRuns, Takeover, WaitingRun

logger = logging.getLogger(__name__)

_PULL_SECONDS: Final = 5.0
"""Timeout of a pull; after a restart of NATS nothing arrives for as long."""
_RETRY_SECONDS: Final = 0.5
_LOOKS: Final = 3
"""Checks of an entry whose member seems alive, besides its timeout; after them it counts as alive."""
_POLL_SECONDS: Final = 0.5
"""Interval of these checks."""
_AT_IT_PART: Final = 1 / 8
"""Interval of progress signals to NATS, as a part of a member's timeout."""
_MAX_CONCURRENT_ENTRIES: Final = 4
"""Entries that one member handles at once."""
_TRIES: Final = 60
_MAX_SHARES: Final = 16


class PulledQueue:
    """Pull queue, read one message after the other."""

    def __init__(self, link: NatsLink, stream: str, consumer: str) -> None:
        self._link = link
        self._stream = stream
        self._consumer = consumer
        self._pulling: JetStreamContext.PullSubscription | None = None

    async def next(self) -> Msg | None:
        """Return the next message; ``None``: none for a while, or NATS is unreachable."""
        try:
            if self._pulling is None:
                stream = self._link.names.stream(self._stream)
                self._pulling = await self._link.stream.pull_subscribe_bind(consumer=self._consumer, stream=stream)
            [message] = await self._pulling.fetch(1, timeout=_PULL_SECONDS)
        except TimeoutError:
            return None
        except NATS_ERRORS as error:
            logger.debug("the queue %s cannot be pulled, trying again: %s", self._stream, error)
            await self.close()
            self._link.declare_again()
            await asyncio.sleep(_RETRY_SECONDS)
            return None
        return message

    async def close(self) -> None:
        """Unsubscribe, or the next message would go to a member that no longer listens."""
        pulling, self._pulling = self._pulling, None
        if pulling is not None:
            await try_to(pulling.unsubscribe())


class OrphanQueue:
    """One member's end of the queue of orphaned runs."""

    def __init__(
        self,
        link: NatsLink,
        take_over: Callable[[OrphanedRuns], Awaitable[Takeover]],
        lives: Callable[[str], bool],
        seconds: float,
    ) -> None:
        """Args:
        seconds: Timeout of a member's heartbeats.
        take_over: See ``Member.take_over``.
        lives: Whether a member is known to be alive, so that it has come back for its runs.
        """
        self._link = link
        self._take_over = take_over
        self._lives = lives
        self._seconds = seconds
        self._queue = PulledQueue(link, "QUEUE", QUEUE_CONSUMER)
        self._places = asyncio.Semaphore(_MAX_CONCURRENT_ENTRIES)
        self._working: set[asyncio.Task[None]] = set()

    async def put(self, orphans: Iterable[OrphanedRuns], *, once: str, tries: int = _TRIES) -> None:
        """Add entries, as far as the queue can be reached.

        Args:
            once: Deduplication id.
            tries: Attempts, while the NATS servers elect a leader.
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
                await asyncio.sleep(_RETRY_SECONDS)

    async def watch(self) -> None:
        """Take over queued runs until cancelled."""
        while True:
            await self._places.acquire()
            message = None
            try:
                message = await self._queue.next()
            finally:
                if message is None:
                    self._places.release()
            if message is not None:
                start_task(self._work(message), self._working)

    async def close(self) -> None:
        """Return unfinished entries to the queue. Call it after the end of ``watch``."""
        await self._queue.close()
        await end(self._working)

    async def _work(self, message: Msg) -> None:
        at_it = asyncio.get_running_loop().create_task(_keep_in_progress(message, self._seconds * _AT_IT_PART))
        looks = _LOOKS + math.ceil(self._seconds / _POLL_SECONDS)
        try:
            orphans = orphans_of(message.data)
            if orphans is not None and self._lives(orphans.holder) and message.metadata.num_delivered < looks:
                # It has announced its exit and this member has not received that yet; or others missed it sooner than
                # this one, which may have stood still; or it has come back.
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
        """Take runs over. ``False``: some need a member of a newer version."""
        while True:
            try:
                taken = await self._take_over(orphans)
                # Acknowledged once durable: if this process died before, no member would look at them.
                await taken.durable()
                return taken.is_whole
            except ServerStopping:
                raise
            except JikkoError as error:
                logger.error("runs of another server cannot be read, trying again: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)


def shares(holder: str, members: int) -> list[OrphanedRuns]:
    """Divide an owner's runs into a share for each of ``members``."""
    parts = max(1, min(members, _MAX_SHARES))
    return [OrphanedRuns(holder=holder, share=share, of=parts) for share in range(parts)]


async def _keep_in_progress(message: Msg, seconds: float) -> None:
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


class WaitingQueue:
    """One member's end of the queue of waiting runs, and its ``WaitingRuns``."""

    def __init__(self, link: NatsLink, member: Member) -> None:
        self._link = link
        self._member = member
        self._numbers: dict[str, int] = {}
        """NATS sequence numbers of this member's offers, by run."""
        self._queue = PulledQueue(link, "WAIT", WAITING_CONSUMER)
        self._working: set[asyncio.Task[None]] = set()

    async def offer(self, run: WaitingRun) -> bool:
        if not self._link.is_connected:
            return False
        # Hashed: subjects allow few characters, app ids any.
        subject = self._link.names.wait(hashlib.sha256(run.app_id.encode()).hexdigest()[:32])
        headers = {"Nats-Msg-Id": f"{run.run_id}:{run.epoch}"}
        try:
            self._numbers[run.run_id] = await self._link.keep(subject, msgspec.json.encode(run), headers=headers)
        except APIError as error:
            logger.debug("a run that waits is not offered now: %s", error.description)
            return False
        except NATS_ERRORS as error:
            logger.debug("a run that waits cannot be offered: %s", error)
            return False
        return True

    async def withdraw(self, run_id: str) -> None:
        number = self._numbers.pop(run_id, None)
        if number is None or not self._link.is_connected:
            return
        try:
            await self._link.stream.delete_msg(self._link.names.stream("WAIT"), number)
        except NATS_ERRORS as error:
            # Taken by a member, which is why most are withdrawn.
            logger.debug("an offered run no longer exists: %s", error)

    async def watch(self) -> None:
        """Accept offered runs while this member has free slots, until cancelled."""
        while True:
            await self._member.room()
            if (message := await self._queue.next()) is not None:
                start_task(self._take(message), self._working)
                # It counts as pending from now on.
                await asyncio.sleep(0)

    async def close(self) -> None:
        """Accept no more. Call it after the end of ``watch``."""
        await self._queue.close()
        await end(self._working)

    async def _take(self, message: Msg) -> None:
        run, is_done = waiting_of(message.data), False
        try:
            is_done = run is not None and await self._member.take_waiting(run)
        except JikkoError as error:
            logger.debug("a run that waits elsewhere cannot be taken: %s", error)
        except Exception:
            logger.exception("a run that waits elsewhere cannot be taken")
        finally:
            try:
                await (message.ack() if is_done else message.nak(delay=_RETRY_SECONDS))
            except NATS_ERRORS as error:
                logger.debug("NATS was not told what became of a run that was offered: %s", error)
