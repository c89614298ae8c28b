"""Leader election: a lease under a name, renewed by its holder."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct, field
from nats.js.errors import APIError

from jikko.cluster.nats.link import NatsLink
from jikko.cluster.nats.nats_refusals import NATS_ERRORS

logger = logging.getLogger(__name__)

_EXPECTED: Final = "Nats-Expected-Last-Subject-Sequence"
_NOT_EXPECTED: Final = 10071
"""JetStream's error: the subject's last message is another."""
_SURE: Final = 0.8
"""Part of the lease in which the holder can rely on it: it stops its work then, before another may take the lease."""


class LeaderElection(Struct, eq=False):
    """Takes the lease when it is free, and stops leading before it may be another's."""

    link: NatsLink
    name: str
    lead: Callable[[], Awaitable[None]]
    """See ``Member.lead``."""
    seconds: float
    """Length of the lease."""
    _number: int = 0
    """Sequence number of the lease's message; 0: not the leader."""
    _leading: asyncio.Task[None] | None = None
    _ending: asyncio.TimerHandle | None = None
    """End of leadership, unless the lease is renewed before."""
    _is_free: asyncio.Event = field(default_factory=asyncio.Event)

    def may_be_free(self) -> None:
        self._is_free.set()

    async def watch(self) -> None:
        """Take and renew the lease until cancelled."""
        while True:
            self._is_free.clear()
            is_settled = await self._try()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.seconds / ((3 if self._number else 5) if is_settled else 10)):
                    await self._is_free.wait()

    async def rest(self) -> None:
        """Give up leadership. Call it after the end of ``watch``."""
        leading = self._leading
        self._stop()
        if leading is not None:
            await asyncio.gather(leading, return_exceptions=True)

    async def give_up(self) -> None:
        if self._number:
            self._number = 0
            try:
                await self.link.forget("DUTY", self.link.names.lead)
            except NATS_ERRORS as error:
                logger.debug("the role could not be given up: %s", error)

    async def _try(self) -> bool:
        """Take or renew the lease. Returns whether the leader is known."""
        loop = asyncio.get_running_loop()
        tried_at = loop.time()
        try:
            headers = {_EXPECTED: str(self._number)}
            self._number = await self.link.keep(self.link.names.lead, self.name.encode(), headers=headers)
        except APIError as error:
            if error.err_code != _NOT_EXPECTED:
                logger.debug("the leader cannot be elected: %s", error)
                return False
            # Either another leads, or NATS has lost its data: then take the lease again.
            self._lose()
        except NATS_ERRORS as error:
            logger.debug("the leader cannot be elected: %s", error)
            self.link.declare_again()
            return False
        else:
            # Not only when an attempt fails: an answer may take until the lease is another's.
            self._end_at(tried_at + self.seconds * _SURE)
            if self._leading is None:
                self._leading = loop.create_task(self._run())
        return True

    def _end_at(self, moment: float) -> None:
        if self._ending is not None:
            self._ending.cancel()
        self._ending = asyncio.get_running_loop().call_at(moment, self._lose)

    def _lose(self) -> None:
        self._number = 0
        self._stop()

    def _stop(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
        if self._leading is not None:
            self._leading.cancel()
            self._leading = None

    async def _run(self) -> None:
        await self.lead()
