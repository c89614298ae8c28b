"""The ``Cluster`` of a process that serves alone."""

import asyncio
import re
import secrets
import socket
from collections.abc import Collection
from typing import Final

from jikko.concurrency.background_tasks import start_task
from jikko.concurrency.rate_limit import RequestRates
from jikko.ports.cluster import Answer, Command, Hint, Member, OrphanedRuns

_FOREIGN: Final = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST: Final = 40


def new_server_name(host: str) -> str:
    """Return a unique server name: the host name up to the first dot, and eight hexadecimal digits."""
    label = _FOREIGN.sub("-", host.partition(".")[0]).strip("-")[:_LONGEST]
    return f"{label or 'server'}-{secrets.token_hex(4)}"


class Alone:
    """Every open run in the store is an orphan at the start, and the one member leads."""

    def __init__(self) -> None:
        self.name = f"{new_server_name(socket.gethostname())}/0"
        self._rates = RequestRates()
        self._member: Member | None = None
        self._tasks: set[asyncio.Task[object]] = set()

    def members(self) -> Collection[str]:
        return (self.name,)

    def is_late(self, name: str) -> bool:
        return name != self.name

    def diagnose(self) -> str:
        return ""

    async def join(self, member: Member) -> None:
        self._member = member
        await member.take_over(OrphanedRuns())
        start_task(member.lead(), self._tasks)

    async def attend(self) -> None:
        """Do nothing: there is no other member to inform."""

    def leave(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        self.leave()
        self._member = None
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def request(self, holder: str, command: Command) -> Answer:
        return None

    def offer(self, orphans: OrphanedRuns) -> None:
        if self._member is not None:
            start_task(self._member.take_over(orphans), self._tasks)

    async def count(self, key: bytes, per_minute: int) -> int:
        return self._rates.count(key, per_minute)

    def hint(self, hint: Hint) -> None:
        if self._member is not None:
            # Deferred: the caller is in the middle of something.
            asyncio.get_running_loop().call_soon(self._member.on_hint, hint)
