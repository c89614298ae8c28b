"""Which member leads: the one whose name is kept for the role, for as long as it renews it."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from nats.js.errors import APIError

from jikko.cluster.nats.link import NatsLink
from jikko.cluster.nats.refusals import TROUBLE

logger = logging.getLogger(__name__)

_EXPECTED: Final = "Nats-Expected-Last-Subject-Sequence"
_NOT_EXPECTED: Final = 10071
"""JetStream's error: another message is the last of the subject."""


class Lead:
    """Takes the role when it is free, and gives it up when it may be another's."""

    def __init__(self, link: NatsLink, name: str, lead: Callable[[], Awaitable[None]], seconds: float) -> None:
        """Args:
        lead: See ``Member.lead``.
        seconds: For which the role is kept for one that does not renew it.
        """
        self._link = link
        self._name = name
        self._lead = lead
        self._seconds = seconds
        self._number = 0
        """Of the message that keeps the role for this member; 0: it does not lead."""
        self._renewed = 0.0
        self._leading: asyncio.Task[None] | None = None
        self._is_free = asyncio.Event()

    def may_be_free(self) -> None:
        """A member has gone."""
        self._is_free.set()

    async def watch(self) -> None:
        """Take and keep the role, until cancelled."""
        while True:
            self._is_free.clear()
            await self._try()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds / (3 if self._number else 5)):
                    await self._is_free.wait()

    async def rest(self) -> None:
        """Lead no more. Behind the end of ``watch``."""
        leading = self._leading
        self._stop()
        if leading is not None:
            await asyncio.gather(leading, return_exceptions=True)

    async def give_up(self) -> None:
        """Leave the role to another at once."""
        if self._number:
            self._number = 0
            try:
                await self._link.forget("DUTY", self._link.names.lead)
            except TROUBLE as error:
                logger.debug("the role could not be given up: %s", error)

    async def _try(self) -> None:
        now = time.monotonic()
        try:
            headers = {_EXPECTED: str(self._number)}
            self._number = await self._link.keep(self._link.names.lead, self._name.encode(), headers=headers)
        except APIError as error:
            if error.err_code != _NOT_EXPECTED:
                logger.debug("who leads cannot be settled: %s", error)
                self._doubt(now)
                return
            # Either another leads, or NATS has lost what it kept: then it is taken anew.
            self._number = 0
            self._stop()
        except TROUBLE as error:
            logger.debug("who leads cannot be settled: %s", error)
            self._link.declare_again()
            self._doubt(now)
        else:
            self._renewed = now
            if self._leading is None:
                self._leading = asyncio.get_running_loop().create_task(self._run())

    def _doubt(self, now: float) -> None:
        if self._number and now - self._renewed > self._seconds * 0.7:
            self._number = 0
            self._stop()

    def _stop(self) -> None:
        if self._leading is not None:
            self._leading.cancel()
            self._leading = None

    async def _run(self) -> None:
        await self._lead()
