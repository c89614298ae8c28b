"""Runs that wait at workers of one server, for those that have room. Decides; does no I/O.

=======================  ===========================================================================================
a run                    what becomes of it
=======================  ===========================================================================================
offered                  it lines up behind those of its app, of which there are ``MAX_OFFERS_OF_AN_APP`` at most
a worker has room        apps take turns: the first run that waits elsewhere is handed to it
taken                    it is offered no more
given back, or to one    it lines up again
that has died
withdrawn, or of one     it is offered no more
that has died
=======================  ===========================================================================================
"""

from collections import OrderedDict
from typing import Final

from jikko.cluster.cluster_messages import TakeWaiting
from jikko.cluster.membership import Outbox
from jikko.ports.cluster import WaitingRun

MAX_OFFERS_OF_AN_APP: Final = 16
"""Runs of one app that are offered at once: so what others offer is at most so far behind."""


class OfferedRuns:
    """Those of one server."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, dict[str, WaitingRun]] = OrderedDict()
        """By app, in the order of their turns, and run; no line is empty."""
        self._handed: dict[str, tuple[str, WaitingRun]] = {}
        """Those that a worker is taking, or is not able to take just now: which one, by run."""
        self._rooms: dict[str, None] = {}
        """Workers with room for one more, in the order in which they said so."""

    def offered(self, run: WaitingRun) -> tuple[bool, Outbox]:
        """A run waits. Returns first whether it is offered; ``False``: enough of its app are."""
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
        """A run has begun, or ended, or is another's."""
        self._handed.pop(run_id, None)
        for app_id, line in self._lines.items():
            if line.pop(run_id, None) is not None:
                if not line:
                    del self._lines[app_id]
                return

    def has_room(self, name: str, *, is_there: bool = True) -> Outbox:
        """A worker can take one run in; or none after all."""
        self._rooms.pop(name, None)
        if not is_there:
            return []
        self._rooms[name] = None
        return self._hand_out()

    def answered(self, name: str, run_id: str, *, is_done: bool) -> Outbox:
        """A worker has taken in what it was handed, or cannot."""
        holder, run = self._handed.get(run_id, ("", None))
        if run is None or holder != name:
            return []
        del self._handed[run_id]
        if is_done:
            return []
        self._line_up(run)
        return self._hand_out()

    def died(self, name: str) -> Outbox:
        """A worker is no more. What waited there is taken over with all else that it had."""
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
        """Whose turn it is with a worker, of those that do not wait there."""
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
