"""Membership: the workers of a server, the one that takes over the runs of those that died, and the leader. Decides;
does no I/O.

=================  ==================================================================================================
a worker           what is sent to it, and what is known of it
=================  ==================================================================================================
assembled          ``TakeOver`` of its part of what has no holder, perhaps of nothing; all get the ``Members``
serving            it gets the orphaned runs of others; the oldest that serves gets ``Lead``
has taken over     no other worker is offered these runs again
dead               all get the ``Members``; its runs, and those that it was offered to take over and had not
                   yet, go in equal parts to those that serve; if there are none, to the next ones that assemble
=================  ==================================================================================================

So every run without a process is some worker's to take over, until that worker says that it has, or dies.
"""

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct, field

from jikko.cluster.cluster_messages import Lead, Members, Message, TakeOver
from jikko.ports.cluster import OrphanedRuns

Outbox: TypeAlias = list[tuple[str, Message]]
"""Messages to be sent, each with the name of the worker that it is for."""


class _Worker(Struct):
    serves: bool = False
    taking_over: list[OrphanedRuns] = field(default_factory=list)
    """What it was offered to take over and has not yet, durably."""


class Membership:
    """The workers of one server that can get messages, oldest first."""

    def __init__(self, workers: int) -> None:
        """``workers``: how many there are to be."""
        self._size = workers
        self._workers: dict[str, _Worker] = {}
        self._leader: str | None = None
        self._closed = False
        # Runs of earlier servers: a share for each of the first workers.
        self._unclaimed = [OrphanedRuns(share=share, of=workers) for share in range(workers)]

    def __contains__(self, name: object) -> bool:
        return name in self._workers

    @property
    def names(self) -> list[str]:
        """Those that can get messages."""
        return list(self._workers)

    @property
    def serving(self) -> list[str]:
        """Those that accept requests."""
        return [name for name, worker in self._workers.items() if worker.serves]

    def assembled(self, name: str) -> Outbox:
        """A worker can take over runs. It serves once it has begun to."""
        missing = self._size - len(self._workers)
        mine = -(-len(self._unclaimed) // max(1, missing))
        orphans, self._unclaimed = self._unclaimed[:mine], self._unclaimed[mine:]
        self._workers[name] = _Worker(taking_over=orphans)
        return [*self._members(), (name, TakeOver(orphans))]

    def serves(self, name: str) -> Outbox:
        self._workers[name].serves = True
        return self._lead()

    def took_over(self, name: str, orphans: Sequence[OrphanedRuns]) -> None:
        """A worker has taken these over, durably."""
        worker = self._workers[name]
        worker.taking_over = [entry for entry in worker.taking_over if entry not in orphans]

    def offered(self, orphans: OrphanedRuns) -> Outbox:
        """A worker has found runs without a process. Nothing, if they are being taken over, or their holder lives."""
        being_taken = any(orphans.holder == entry.holder for _, entry in self._taking_over())
        if orphans.holder in self._workers or being_taken:
            return []
        self._unclaimed.append(orphans)
        return self._share_out()

    def died(self, name: str) -> Outbox:
        worker = self._workers.pop(name, None)
        if worker is None:
            return []
        outbox = self._members()
        if self._closed:
            return outbox
        parts = max(1, len(self.serving))
        self._unclaimed += worker.taking_over
        self._unclaimed += [OrphanedRuns(holder=name, share=share, of=parts) for share in range(parts)]
        outbox += self._share_out()
        if self._leader == name:
            self._leader = None
        return outbox + self._lead()

    def close(self) -> None:
        """The server is about to end: what workers leave behind is for the next one."""
        self._closed = True

    def _share_out(self) -> Outbox:
        outbox: Outbox = []
        if serving := self.serving:
            shares = [self._unclaimed[index :: len(serving)] for index in range(len(serving))]
            self._unclaimed = []
            for name, orphans in zip(serving, shares, strict=True):
                if orphans:
                    self._workers[name].taking_over += orphans
                    outbox.append((name, TakeOver(orphans)))
        return outbox

    def _taking_over(self) -> list[tuple[str, OrphanedRuns]]:
        return [(name, entry) for name, worker in self._workers.items() for entry in worker.taking_over]

    def _members(self) -> Outbox:
        members = Members(self.names)
        return [(name, members) for name in self._workers]

    def _lead(self) -> Outbox:
        if self._leader is not None or not self.serving:
            return []
        self._leader = self.serving[0]
        return [(self._leader, Lead())]
