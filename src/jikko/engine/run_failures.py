"""Failures and handled errors of a run so far, for its record."""

from msgspec import Struct, field

from jikko.event_parts import Exceptions, FailedNode
from jikko.events import NodeFinished


class RunFailures(Struct):
    """Failures and handled errors of a run so far."""

    tries: int = 0
    handled: int = 0
    rounds: int = 0
    failed: FailedNode | None = None
    """Where the run fails."""
    within: dict[str, FailedNode] = field(default_factory=dict)
    """The first node that failed within each container at the top level, by execution."""

    def ended(self, event: NodeFinished) -> None:
        """A node has not succeeded."""
        if event.status == "exception":
            self.handled += 1
            return
        node = FailedNode(event.node_id, event.title)
        if event.rounds:
            self.within.setdefault(event.rounds[0].execution_id, node)
        elif self.failed is None:
            self.failed = self.within.get(event.execution_id, node)

    @property
    def counts(self) -> Exceptions | None:
        """How often; ``None`` for never."""
        if self.tries or self.handled or self.rounds:
            return Exceptions(self.tries, self.handled, self.rounds)
        return None
