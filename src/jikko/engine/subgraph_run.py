"""Executions of sub-graphs: the top level of a run, or one round of a container. Part of ``RunState``."""

import asyncio
from collections import deque

from jikko.engine.schedule import Schedule
from jikko.engine.scope import Scope
from jikko.events import ContainerStarted, RoundFinished, RoundPath, Usage
from jikko.graph.compiled import CompiledNode, Subgraph

FrameKey = tuple[str, int]
"""Execution of the container, and number of the round."""


class SubgraphRun:
    """One body being run: the top level, or one round of a container."""

    __slots__ = ("body", "closed", "due", "ended", "failure", "open", "rounds", "schedule", "scope", "usage")

    def __init__(self, body: Subgraph, scope: Scope, rounds: RoundPath) -> None:
        self.scope = scope
        self.rounds = rounds
        self.open: dict[str, int] = {}
        """Executions that have started and not finished, with their nodes."""
        self.ended = False
        """Whether a ``loop-end`` node ran."""
        self.closed = False
        """Whether the round, or one around it, is over: nothing happens in it any more."""
        self.failure: str | None = None
        """The error of the first node that failed and was not handled."""
        self.usage: Usage | None = None
        self.begin(body)

    def begin(self, body: Subgraph) -> None:
        """Stand at the root of the body, before anything has run."""
        self.body = body
        self.schedule = Schedule(body)
        self.due: deque[tuple[int, str | None]] = deque()
        """Nodes that are ready and have not started, each with the node whose end made it ready."""
        if body.root is not None:
            if body.silent_root:
                root = body.nodes[body.root]
                self.due.extend([(position, root.id) for position in self.schedule.finished(body.root)])
            else:
                self.due.append((body.root, None))

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens in it."""
        return self.failure is not None or not (self.due or self.open)


class SubgraphTasks:
    """The tasks of one body while it runs."""

    __slots__ = ("future", "tasks")

    def __init__(self) -> None:
        self.future: asyncio.Future[None] | None = None
        """Of the container that waits for the end of the body; ``None`` while none does."""
        self.tasks: set[asyncio.Task[None]] = set()
        """Of nodes that have not ended."""

    def cancel(self) -> None:
        """Cancel its nodes: also a container that asks for it, which would wait for ever for what its round lacks."""
        for task in list(self.tasks):
            task.cancel()


class ContainerState:
    """A container under way."""

    __slots__ = ("finished", "frame", "has_failed", "node", "started")

    def __init__(self, frame: SubgraphRun, node: CompiledNode) -> None:
        self.frame = frame
        """The frame that it stands in."""
        self.node = node
        self.started: ContainerStarted | None = None
        self.finished: dict[int, RoundFinished] = {}
        self.has_failed = False
        """Whether a round has failed, and with it the container, while others still go on beside it."""
