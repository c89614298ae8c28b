"""Runs that wait for a slot at some member, offered to all: of one app at most ``MAX_OFFERS_OF_AN_APP`` at once."""

import asyncio
import hashlib
import logging
from typing import Final

import msgspec
from nats.aio.msg import Msg
from nats.js.client import JetStreamContext
from nats.js.errors import APIError

from jikko.cluster.nats.link import NatsLink, end, pull_no_more
from jikko.cluster.nats.nats_refusals import NATS_ERRORS
from jikko.cluster.nats.nats_wire import waiting_of
from jikko.cluster.nats.streams import WAITING_CONSUMER
from jikko.errors import JikkoError
from jikko.ports.cluster import Member, WaitingRun

logger = logging.getLogger(__name__)

_PULL_SECONDS: Final = 5.0
_TRY_AGAIN_SECONDS: Final = 0.5
"""Until what was offered to a member that cannot take it is offered to another."""


class WaitingQueue:
    """One member's end of the queue; the ``WaitingRuns`` of what waits there."""

    def __init__(self, link: NatsLink, member: Member) -> None:
        self._link = link
        self._member = member
        self._numbers: dict[str, int] = {}
        """Of what this member offers, by run: under which NATS keeps it."""
        self._pulling: JetStreamContext.PullSubscription | None = None
        self._working: set[asyncio.Task[None]] = set()

    async def offer(self, run: WaitingRun) -> bool:
        if not self._link.is_connected:
            return False
        # Its name is no more than letters and digits, whatever an app is called.
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
            # It was taken, which is what most are withdrawn for.
            logger.debug("a run that was offered is not there any more: %s", error)

    async def watch(self) -> None:
        """Take what is offered while this member has room, until cancelled."""
        while True:
            await self._member.room()
            try:
                if self._pulling is None:
                    stream = self._link.names.stream("WAIT")
                    self._pulling = await self._link.stream.pull_subscribe_bind(
                        consumer=WAITING_CONSUMER, stream=stream
                    )
                [message] = await self._pulling.fetch(1, timeout=_PULL_SECONDS)
            except TimeoutError:
                continue
            except NATS_ERRORS as error:
                logger.debug("what waits elsewhere cannot be pulled, trying again: %s", error)
                pulling, self._pulling = self._pulling, None
                await pull_no_more(pulling)
                self._link.declare_again()
                await asyncio.sleep(_TRY_AGAIN_SECONDS)
                continue
            task = asyncio.get_running_loop().create_task(self._take(message))
            self._working.add(task)
            task.add_done_callback(self._working.discard)
            # It counts among those that are being taken from now on.
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Take nothing more. Behind the end of ``watch``."""
        await pull_no_more(self._pulling)
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
                await (message.ack() if is_done else message.nak(delay=_TRY_AGAIN_SECONDS))
            except NATS_ERRORS as error:
                logger.debug("NATS was not told what became of a run that was offered: %s", error)
