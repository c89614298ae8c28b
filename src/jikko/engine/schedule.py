"""Decides which nodes run next. Does no I/O, reads no clock and starts no task.

Rule 1: whether a node runs, waits or is skipped is decided in this file and nowhere else.
Rule 2: this file knows numbers and handles only, never what a node does.
"""

from jikko.graph.compiled import Subgraph


class Schedule:
    """Which nodes of one body are ready, as their predecessors finish.

    A node is ready once every edge into it is decided and one of them was taken. It is skipped, and so are the edges
    out of it, once all of them are decided and none was. All work is linear in the edges of the body.

    Source: docs/dify-behaviour.md, “Branches, skipping, joins”.
    """

    __slots__ = ("_body", "_taken", "_undecided", "skipped")

    def __init__(self, body: Subgraph) -> None:
        self._body = body
        self._undecided = list(body.incoming)
        self._taken = bytearray(len(body.nodes))
        self.skipped = bytearray(len(body.nodes))
        """1 for each node that will never run."""
        if body.skipped:
            for position in body.skipped:
                self.skipped[position] = 1
            self._skip(list(body.skipped))

    def finished(self, position: int, handle: str | None = None) -> list[int]:
        """Note that a node ended. ``handle``: the edges that are taken; ``None`` takes all. Returns the nodes that are
        ready now: first those behind skipped edges, then those behind taken ones, each in the order of the edges in the
        file."""
        ready: list[int] = []
        edges = self._body.edges[position]
        if handle is not None:
            dropped = [target for name, target in edges if name != handle]
            if dropped:
                ready = self._decide_skipped(dropped)
        undecided, taken = self._undecided, self._taken
        for name, target in edges:
            if handle is None or name == handle:
                undecided[target] -= 1
                taken[target] = 1
                if undecided[target] == 0:
                    ready.append(target)
        return ready

    def _skip(self, positions: list[int]) -> list[int]:
        """All edges out of these nodes are skipped."""
        return self._decide_skipped([target for position in positions for _, target in self._body.edges[position]])

    def _decide_skipped(self, targets: list[int]) -> list[int]:
        """One edge into each of these nodes is skipped; the same node may stand there several times."""
        ready: list[int] = []
        undecided, taken, edges = self._undecided, self._taken, self._body.edges
        # A loop, not recursion: a file may chain more nodes than Python has stack for.
        pending = targets
        while pending:
            following: list[int] = []
            for target in pending:
                undecided[target] -= 1
                if undecided[target] == 0:
                    if taken[target]:
                        ready.append(target)
                    else:
                        self.skipped[target] = 1
                        following += [next_target for _, next_target in edges[target]]
            pending = following
        return ready
