"""Membership of workers: takeover of dead workers' runs, and the leader. Decides; does no I/O.

a worker           messages sent, and what is known of it
assembled          ``TakeOver`` of its share of unowned runs, possibly empty; all get ``Members``
serving            it gets orphaned runs of others; the oldest serving worker gets ``Lead``
has taken over     no other worker is offered these runs again
dead               all get ``Members``; its runs, and those offered to it that it had not yet taken over, are
                   divided among the serving workers; without any, among the next that assemble

So every run without a process is assigned to a worker until that worker confirms the takeover, or dies.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, TypeAlias

from msgspec import Struct, field

from jikko.cluster.cluster_messages import Lead, Members, Message, TakeOver, TakeWaiting
from jikko.ports.cluster import OrphanedRuns, WaitingRun

Outbox: TypeAlias = list[tuple[str, Message]]
"""Messages to send, each with its recipient."""


class _Worker(Struct):
    serves: bool = False
    taking_over: list[OrphanedRuns] = field(default_factory=list)
    """Runs offered to it and not yet durably taken over."""


class Membership:
    """Workers of one server that can receive messages, oldest first."""

    def __init__(self, workers: int) -> None:
        """``workers``: Intended number of workers."""
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
        """Names of workers that can receive messages."""
        return list(self._workers)

    @property
    def serving(self) -> list[str]:
        """Names of workers that accept requests."""
        return [name for name, worker in self._workers.items() if worker.serves]

    def assembled(self, name: str) -> Outbox:
        """Register a worker that can take over runs. It serves once it has started to."""
        missing = self._size - len(self._workers)
        mine = -(-len(self._unclaimed) // max(1, missing))
        orphans, self._unclaimed = self._unclaimed[:mine], self._unclaimed[mine:]
        self._workers[name] = _Worker(taking_over=orphans)
        return [*self._members(), (name, TakeOver(orphans))]

    def serves(self, name: str) -> Outbox:
        self._workers[name].serves = True
        return self._lead()

    def took_over(self, name: str, orphans: Sequence[OrphanedRuns]) -> None:
        """Confirm a durable takeover by a worker."""
        worker = self._workers[name]
        worker.taking_over = [entry for entry in worker.taking_over if entry not in orphans]

    def offered(self, orphans: OrphanedRuns) -> Outbox:
        """Assign runs that a worker found without a process, unless their takeover is pending or their owner lives."""
        being_taken = any(
            orphans.holder == each.holder for worker in self._workers.values() for each in worker.taking_over
        )
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
        """Stop assigning: the server is about to end, and the next one takes over."""
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

    def _members(self) -> Outbox:
        members = Members(self.names)
        return [(name, members) for name in self._workers]

    def _lead(self) -> Outbox:
        if self._leader is not None or not self.serving:
            return []
        self._leader = self.serving[0]
        return [(self._leader, Lead())]


MAX_OFFERS_OF_AN_APP: Final = 16
"""Runs of one app offered at once, which bounds how far behind the others' queues may be."""


class OfferedRuns:
    """Waiting runs of one server's workers, for those with free slots.

    a run                    what becomes of it
    offered                  it queues behind those of its app, at most ``MAX_OFFERS_OF_AN_APP``
    a worker has room        apps take turns: the first run that waits elsewhere is handed to it
    taken                    no longer offered
    given back, or to one    it queues again
    that has died
    withdrawn, or of one     no longer offered
    that has died
    """

    def __init__(self) -> None:
        self._lines: OrderedDict[str, dict[str, WaitingRun]] = OrderedDict()
        """Queues by app, in the order of their turns; none is empty."""
        self._handed: dict[str, tuple[str, WaitingRun]] = {}
        """Runs handed to a worker that has not accepted yet, or cannot at the moment, with the worker's name."""
        self._rooms: dict[str, None] = {}
        """Workers with a free slot, in order of their messages."""

    def offered(self, run: WaitingRun) -> tuple[bool, Outbox]:
        """Offer a waiting run. Returns whether it is offered (``False``: enough of its app are), and the messages."""
        _, known = self._handed.get(run.run_id, ("", None))
        if known is not None and known.epoch == run.epoch:
            return True, []
        self.withdrawn(run.run_id)
        handed = sum(run.app_id == other.app_id for _, other in self._handed.values())
        if handed + len(self._lines.get(run.app_id, ())) >= MAX_OFFERS_OF_AN_APP:
            return False, []
        self._line_up(run)
        return True, self._hand_out()

    def withdrawn(self, run_id: str) -> None:
        """Withdraw a run that has begun, ended, or found another owner."""
        self._handed.pop(run_id, None)
        for app_id, line in self._lines.items():
            if line.pop(run_id, None) is not None:
                if not line:
                    del self._lines[app_id]
                return

    def has_room(self, name: str, *, is_there: bool = True) -> Outbox:
        """Note that a worker can accept one run, or no longer can."""
        self._rooms.pop(name, None)
        if not is_there:
            return []
        self._rooms[name] = None
        return self._hand_out()

    def answered(self, name: str, run_id: str, *, is_done: bool) -> Outbox:
        """Note that a worker accepted the run handed to it, or cannot."""
        holder, run = self._handed.get(run_id, ("", None))
        if run is None or holder != name:
            return []
        del self._handed[run_id]
        if is_done:
            return []
        self._line_up(run)
        return self._hand_out()

    def died(self, name: str) -> Outbox:
        """Remove a dead worker. Its own waiting runs are taken over with its other runs."""
        self._rooms.pop(name, None)
        for line in list(self._lines.values()):
            for run in list(line.values()):
                if run.holder == name:
                    self.withdrawn(run.run_id)
        for run_id, (taker, run) in list(self._handed.items()):
            if taker == name:
                del self._handed[run_id]
                self._line_up(run)
        return self._hand_out()

    def _line_up(self, run: WaitingRun) -> None:
        self._lines.setdefault(run.app_id, {})[run.run_id] = run

    def _hand_out(self) -> Outbox:
        outbox: Outbox = []
        for name in list(self._rooms):
            if (run := self._next(name)) is not None:
                del self._rooms[name]
                self._handed[run.run_id] = name, run
                outbox.append((name, TakeWaiting(run)))
        return outbox

    def _next(self, name: str) -> WaitingRun | None:
        """Return the next run for a worker, among those waiting elsewhere."""
        for app_id, line in self._lines.items():
            for run_id, run in line.items():
                if run.holder != name:
                    del line[run_id]
                    if line:
                        self._lines.move_to_end(app_id)
                    else:
                        del self._lines[app_id]
                    return run
        return None
