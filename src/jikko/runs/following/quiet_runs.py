"""Polling of other processes' quiet runs, all in one query.

Answers and hints may be lost, and a connection may drop them without an error. So a follower's run is also read from
the record: at most two seconds after its last news, and every half second while the other process's heartbeat is late.
Any number of runs costs one query, which reads one row of each.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from jikko.errors import JikkoError
from jikko.ports.stores.run_store import MAX_CHANGES, RunStore

if TYPE_CHECKING:
    from jikko.runs.following.run_tail import RunTail

logger = logging.getLogger(__name__)

QUIET_SECONDS: Final = 2.0
"""Seconds without news after which a run is read."""


class QuietRuns(Struct, eq=False):
    """Quiet runs of one process, read while there are any."""

    store: RunStore
    is_late: Callable[[str], bool]
    """See ``Cluster.is_late``."""
    seconds: float = QUIET_SECONDS
    """Seconds without news after which a run is read."""
    _heard: "dict[RunTail, float]" = {}
    """Time of each run's last news, longest quiet first."""
    _watching: asyncio.Task[None] | None = None

    def heard(self, tail: "RunTail") -> None:
        """Note news of a run, and wait for more."""
        loop = asyncio.get_running_loop()
        self._heard.pop(tail, None)
        self._heard[tail] = loop.time()
        if self._watching is None:
            self._watching = loop.create_task(self._watch())

    def forget(self, tail: "RunTail") -> None:
        """Stop waiting for a run."""
        self._heard.pop(tail, None)
        if not self._heard and self._watching is not None:
            self._watching.cancel()
            self._watching = None

    async def _watch(self) -> None:
        is_failing = False
        while True:
            await asyncio.sleep(self._until_next_look())
            if not (due := self._due(asyncio.get_running_loop().time())):
                continue
            try:
                await self._read(due)
                is_failing = False
            except JikkoError as error:
                level = logging.DEBUG if is_failing else logging.WARNING
                logger.log(level, "runs of other processes cannot be read, trying again: %s", error)
                is_failing = True
            except Exception:
                logger.exception("runs of other processes cannot be read, trying again")

    def _until_next_look(self) -> float:
        left = next(iter(self._heard.values())) + self.seconds - asyncio.get_running_loop().time()
        return min(max(left, 0.0), self.seconds / 4)

    def _due(self, now: float) -> "list[RunTail]":
        if self._until_next_look() == 0:
            # Includes runs due soon, so that all are read together.
            return self._quiet_since(now - self.seconds / 2)
        late = {name for name in {tail.source for tail in self._heard} if name and self.is_late(name)}
        return [tail for tail in self._quiet_since(now - self.seconds / 5) if tail.source in late] if late else []

    def _quiet_since(self, moment: float) -> "list[RunTail]":
        return [tail for tail, _ in takewhile(lambda heard: heard[1] <= moment, self._heard.items())]

    async def _read(self, due: "Iterable[RunTail]") -> None:
        tails = {tail.run_id: tail for tail in due}
        known = {run_id: tail.end for run_id, tail in tails.items()}
        for tail in tails.values():
            self.heard(tail)
        is_whole = False
        while known and not is_whole:
            changes = await self.store.changes(known)
            is_whole = len(changes) < MAX_CHANGES
            for run_id, change in changes.items():
                if (count := known.pop(run_id)) is not None and tails[run_id] in self._heard:
                    tails[run_id].changed(count, change)
