"""The loop of one run, as the contexts of its nodes and its containers see it.

``Runner`` is that loop. It makes contexts, and contexts call it. The protocol stands between them, so that each can be
read, and imported, without the other.
"""

import asyncio
from typing import Protocol

from jikko.concurrency.scheduler import TimeSlice
from jikko.engine.event_buffer import EventBuffer
from jikko.engine.state import RunState
from jikko.engine.subgraph_run import SubgraphRun
from jikko.nodes.contract import RunInfo
from jikko.ports.node_ports import NodePorts


class SubgraphTasks:
    """The tasks of one body (see ``SubgraphRun``) while it runs."""

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


class RunLoop(Protocol):
    """One run under way."""

    state: RunState
    events: EventBuffer
    """Takes what happens in the run."""
    info: RunInfo
    ports: NodePorts
    slice: TimeSlice
    """The part of the event loop's time that the run may take before it lets others go on."""
    bodies: dict[int, SubgraphTasks]
    """What runs, by ``id`` of the frame."""
    stepping: int
    """Containers that are between two rounds, and let others go on before the next."""

    @property
    def has_ended(self) -> bool:
        """Whether the run is over for this loop: ended, stopped or parked."""

    def resume(self, frame: SubgraphRun) -> None:
        """Queue what is under way (after a crash) and what is due in a frame."""

    def pause_soon(self) -> None:
        """Pause, if that is all there is to do once the containers that are about to go on have done so."""

    def go_on(self, *, soon: bool = False) -> None:
        """Start what is queued, and what becomes ready by it, until nothing is left that can start now. ``soon``:
        whether the caller goes on by itself, so that events leave when the turn of the event loop is over."""
