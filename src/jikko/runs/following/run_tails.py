"""The runs that are followed in this process and executed in none or another."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

from jikko.ports.cluster import Cluster
from jikko.ports.stores.run_store import RunStore
from jikko.runs.following.quiet_runs import QUIET_SECONDS, QuietRuns
from jikko.runs.following.run_tail import RunTail


class RunTails:
    """The tails of the runs that are followed here. Streams of them end before the process does."""

    def __init__(
        self,
        store: RunStore,
        cluster: Cluster,
        is_here: Callable[[str], bool],
        look_seconds: float = QUIET_SECONDS,
        on_seen: Callable[[float], None] = lambda since: None,
    ) -> None:
        """Args:
        look_seconds: Without news of a run, after which it is read.
        on_seen: See ``RunTail``.
        """
        self._store = store
        self._cluster = cluster
        self._is_here = is_here
        self._quiet = QuietRuns(store, cluster.is_late, look_seconds)
        self._on_seen = on_seen
        self.followed: Final[dict[str, tuple[RunTail, int]]] = {}
        """Tails by run, each with how many follow it. To be read."""
        self.is_over = False
        """Whether no follower may wait any more."""
        self._left = asyncio.Event()
        """Set whenever a follower has left a run, or a run has paused."""

    @contextlib.asynccontextmanager
    async def follow(self, run_id: str) -> AsyncIterator[RunTail]:
        """The tail of a run, for as long as it is followed."""
        tail, count = self.followed.get(run_id) or (self._new(run_id), 0)
        self.followed[run_id] = tail, count + 1
        try:
            yield tail
        finally:
            _, count = self.followed[run_id]
            if count > 1:
                self.followed[run_id] = tail, count - 1
            else:
                del self.followed[run_id]
                await tail.close()
            self._left.set()

    def wake(self, run_id: str) -> None:
        """A run may have moved."""
        if run_id in self.followed:
            self.followed[run_id][0].wake()

    async def drain(self, seconds: float) -> None:
        """Wait until no run that goes on is followed, for ``seconds`` at most; then end all waits of followers."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while any(tail.record and tail.record.status == "running" for tail, _ in self.followed.values()):
                    self._left.clear()
                    await self._left.wait()
        self.is_over = True
        for tail, _ in self.followed.values():
            tail.wake()

    def note_pause(self) -> None:
        """A run that is followed waits for humans: the process may end before it goes on."""
        self._left.set()

    def _new(self, run_id: str) -> RunTail:
        return RunTail(run_id, self._store, self._cluster, lambda: self._is_here(run_id), self._quiet, self._on_seen)
