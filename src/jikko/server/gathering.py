"""The numbers of a server of several processes: what its workers counted, those that are gone among them."""

import asyncio
from collections.abc import Mapping

from jikko.cluster.channel import Channel
from jikko.cluster.messages import Measure
from jikko.observing.metrics.snapshot import Snapshot, lasting, merged
from jikko.observing.metrics.usage import usage

_PATIENCE_SECONDS = 2.0
"""For which workers have time to answer; of one that does not, the numbers are those of the last time."""


class Gathering:
    """Asks workers, and remembers their responses: what a dead one has counted stays counted.

    What it counted after it was last asked is lost with it.
    """

    def __init__(self) -> None:
        self._snapshots: dict[str, Snapshot] = {}
        """The last response of each worker."""
        self._gone: Snapshot = []
        """What those counted that are no more."""
        self._unanswered: dict[str, asyncio.Future[None]] = {}
        """Workers that have not answered yet."""

    async def gather(self, workers: Mapping[str, Channel]) -> Snapshot:
        """Ask the workers of these names, and add all up, this process included."""
        loop = asyncio.get_running_loop()
        for name, channel in workers.items():
            if name not in self._unanswered:
                self._unanswered[name] = loop.create_future()
                channel.send(Measure())
        waiting = [self._unanswered[name] for name in workers]
        if waiting:
            await asyncio.wait(waiting, timeout=_PATIENCE_SECONDS)
        return merged([self._gone, *self._snapshots.values(), usage()])

    def answered(self, name: str, snapshot: Snapshot) -> None:
        """A response of a worker has come."""
        self._snapshots[name] = snapshot
        self._done(name)

    def died(self, name: str) -> None:
        """A worker is no more."""
        self._gone = merged([self._gone, lasting(self._snapshots.pop(name, []))])
        self._done(name)

    def _done(self, name: str) -> None:
        unanswered = self._unanswered.pop(name, None)
        if unanswered is not None and not unanswered.done():
            unanswered.set_result(None)
