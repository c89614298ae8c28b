"""Scheduling: which nodes run next. No I/O, no clock, no tasks.

Rule 1: whether a node runs, waits or is skipped is decided in this file and nowhere else.
Rule 2: this file knows indexes and handles only, never what a node does.
"""

from jikko.graph.compiled import Subgraph


class Schedule:
    """Readiness of one body's nodes, as their predecessors finish.

    A node is ready once every incoming edge is decided and at least one was taken. It is skipped, with its outgoing
    edges, once all are decided and none was taken. All work is linear in the edges of the body.

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
            self._decide_skipped([target for position in body.skipped for _, target in body.edges[position]])

    def finished(self, position: int, handle: str | None = None) -> list[int]:
        """Note that a node ended. ``handle``: Edges taken; ``None`` for all. Returns the nodes that became ready: first
        those behind skipped edges, then those behind taken ones, each in file order of the edges."""
        ready: list[int] = []
        edges = self._body.edges[position]
        if handle is not None:
            dropped = [target for name, target in edges if name != handle]
            if dropped:
                ready = self._decide_skipped(dropped)
        undecided, taken = self._undecided, self._taken
        for name, target in edges:
            if handle is None or name == handle:
                undecided[target] = left = undecided[target] - 1
                taken[target] = 1
                if not left:
                    ready.append(target)
        return ready

    def _decide_skipped(self, targets: list[int]) -> list[int]:
        """Skip one incoming edge of each of these nodes, which may repeat."""
        ready: list[int] = []
        undecided, taken, edges = self._undecided, self._taken, self._body.edges
        # Iterative: a file may chain more nodes than Python has stack for.
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
