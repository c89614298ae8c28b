"""The loop of one run, as the contexts of its nodes and its containers see it.

``Runner`` is that loop. It makes contexts, and contexts call it. The protocol stands between them, so that each can be
read, and imported, without the other.
"""

from typing import Protocol

from jikko.concurrency.scheduler import TimeSlice
from jikko.engine.event_buffer import EventBuffer
from jikko.engine.state import RunState
from jikko.engine.subgraph_run import SubgraphRun, SubgraphTasks
from jikko.nodes.contract import RunInfo
from jikko.ports.node_ports import NodePorts


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
    has_ended: bool
    """True once the run has ended, was stopped or parked here."""
    stepping: int
    """Containers that are between two rounds, and let others go on before the next."""

    def resume(self, frame: SubgraphRun) -> None:
        """Queue what is under way (after a crash) and what is due in a frame."""

    def pause_soon(self) -> None:
        """Pause, if that is all there is to do once the containers that are about to go on have done so."""

    def go_on(self, *, soon: bool = False) -> None:
        """Start what is queued, and what becomes ready by it, until nothing is left that can start now. ``soon``:
        whether the caller goes on by itself, so that events leave when the turn of the event loop is over."""
