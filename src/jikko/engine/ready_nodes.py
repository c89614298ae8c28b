"""The nodes of a run that can start."""

from collections import deque
from collections.abc import Container
from typing import TypeAlias

from jikko.engine.frame import Frame
from jikko.events import NodeStarted

ReadyNode: TypeAlias = "tuple[Frame, int, str | None, NodeStarted | None]"
"""A node that can start: where it stands, its number there, the node whose end made it ready, and its start, if it has
begun before: it was interrupted, or its form was closed."""


class ReadyNodes(deque[ReadyNode]):
    """Nodes that can start, in the order in which they became ready."""

    __slots__ = ()

    def take_due(self, frame: Frame, but: Container[int] = ()) -> None:
        """Add all that is due in a frame, some numbers left out."""
        for position, predecessor in frame.due:
            if position not in but:
                self.append((frame, position, predecessor, None))

    def take_new(self, frame: Frame, known: int) -> None:
        """Add what is due in a frame behind the first ones, which are known."""
        due = frame.due
        for at in range(known, len(due)):
            position, predecessor = due[at]
            self.append((frame, position, predecessor, None))

    def numbers(self, frame: Frame) -> set[int]:
        """The numbers of those of a frame."""
        return {position for other, position, _, _ in self if other is frame}
