"""Performs the nodes of a run: each from its start to its end, its pause, or its failure once no attempt is left."""

import asyncio
import logging
import time
from abc import ABC, abstractmethod

import msgspec

from jikko.concurrency.scheduler import TimeSlice
from jikko.engine import event_factory
from jikko.engine.context import NodeContext
from jikko.engine.event_buffer import EventBuffer
from jikko.engine.loop import RunLoop, SubgraphTasks
from jikko.engine.state import RunState
from jikko.engine.subgraph_run import SubgraphRun
from jikko.events import FormClosed, NodeFinished, NodeStarted
from jikko.graph.compiled import CompiledNode
from jikko.nodes.contract import NodeFailure, NodePaused, Result, RunInfo
from jikko.ports.clock import Clock
from jikko.ports.node_ports import NodePorts

log = logging.getLogger(__name__)


class NodeRuns(RunLoop, ABC):
    """The nodes of one run that are under way. Which of them start, and what follows from their ends, is the runner's.

    The runner inherits it. As two objects each would know the other, and both, with all events of the run, would be
    left to the garbage collector.
    """

    def __init__(
        self, state: RunState, events: EventBuffer, info: RunInfo, ports: NodePorts, clock: Clock, share: TimeSlice
    ) -> None:
        self.state = state
        self.events = events
        self.info = info
        self.ports = ports
        self.slice = share
        self.bodies: dict[int, SubgraphTasks] = {id(state.top): SubgraphTasks()}
        self.stepping = 0
        self._clock = clock
        self._running = 0
        """Nodes under way that have a place. A container has none: it does nothing but wait for nodes that need one."""
        self._answers: dict[str, FormClosed] = {}
        """Forms that were closed, by execution; their events follow when their nodes run again."""

    @abstractmethod
    def burst(self) -> None:
        """``go_on``, called by the event loop: so a slice begins."""

    @abstractmethod
    def _node_ended(self, frame: SubgraphRun, node: CompiledNode, event: NodeFinished) -> None:
        """A node succeeded, or failed for good."""

    @abstractmethod
    def _suspended(
        self, frame: SubgraphRun, node: CompiledNode, started: NodeStarted, pause: NodePaused, began: float
    ) -> None:
        """A node waits for a human."""

    @abstractmethod
    def _engine_failed(self, error: BaseException) -> None:
        """What went wrong is not a node."""

    def _start(
        self, frame: SubgraphRun, node: CompiledNode, predecessor: str | None, again: NodeStarted | None
    ) -> None:
        """Start a node of a frame. ``predecessor``: the node whose end made it ready. ``again``: its start, if it has
        begun before."""
        if frame.closed or (not node.node.immediate and (frame.failure is not None or id(frame) not in self.bodies)):
            return  # its round failed, or was cancelled, while it waited for a place
        now = self._clock()
        if again is not None:
            event = msgspec.structs.replace(again, at=now)
        else:
            icon = node.node.icon(self.ports) if node.has_icon else None  # type: ignore[attr-defined]
            event = event_factory.started(node, self.state.index + 1, predecessor, frame.rounds, now, icon)
        self.events.emit(event)
        if self._answers and (answer := self._answers.pop(event.execution_id, None)) is not None:
            self.events.emit_durable(answer)
        execution = again or event
        context = NodeContext(self, frame, node, execution)
        began = time.perf_counter() - (0.0 if again is None else max(0.0, now - again.at))
        if not (node.node.immediate and self._ran_in_place(frame, node, execution, context, began)):
            self._running += node.body is None
            task = asyncio.get_running_loop().create_task(self._execute(frame, node, execution, context, began))
            tasks = self.bodies[id(frame)].tasks
            tasks.add(task)
            task.add_done_callback(lambda task: self._task_done(task, tasks, node))

    def _ran_in_place(
        self, frame: SubgraphRun, node: CompiledNode, started: NodeStarted, context: NodeContext, began: float
    ) -> bool:
        """Run a node that need not wait. If it does for once, nothing has come of it, and it is for a task."""
        run = node.node.run(context)
        try:
            run.send(None)
        except StopIteration as stop:
            self._node_ended(frame, node, self._succeeded(node, started, stop.value, began))
        except NodePaused as pause:
            self._suspended(frame, node, started, pause, began)
        except NodeFailure as failure:
            self._node_ended(frame, node, self._failed(node, started, failure, began))
        except Exception as error:
            self._node_ended(frame, node, self._failed(node, started, event_factory.unexpected(node, error), began))
        else:
            run.close()
            return False
        return True

    async def _execute(
        self, frame: SubgraphRun, node: CompiledNode, started: NodeStarted, context: NodeContext, began: float
    ) -> None:
        attempt = self.state.attempts.get(started.execution_id, 0)
        self.slice.begin()
        while not node.effects or await self.events.may_act():
            try:
                result = await node.node.run(context)
            except NodePaused as pause:
                self._leave(frame, node)
                self._suspended(frame, node, started, pause, began)
                break
            except NodeFailure as error:
                failure = error
            except Exception as error:
                failure = event_factory.unexpected(node, error)
            else:
                self._leave(frame, node)
                self._node_ended(frame, node, self._succeeded(node, started, result, began))
                break
            attempt += 1
            if attempt > node.retries:
                self._leave(frame, node)
                self._node_ended(frame, node, self._failed(node, started, failure, began))
                break
            # Waits here, in the node's own task: Dify sleeps where all events of the run pass.
            await asyncio.sleep(node.retry_wait)
            self._attempted(started, failure, attempt, began)
        else:
            # The run is not this process's any more; its new holder runs the node.
            self._leave(frame, node)
            return
        self.burst()

    def _leave(self, frame: SubgraphRun, node: CompiledNode) -> None:
        """The node of the current task is done: it gives its place back, and nobody cancels it any more."""
        self._running -= node.body is None
        body = self.bodies.get(id(frame))
        if body is not None:
            body.tasks.discard(asyncio.current_task())

    def _task_done(self, task: asyncio.Task[None], tasks: set[asyncio.Task[None]], node: CompiledNode) -> None:
        was_cancelled = task in tasks and task.cancelled()
        tasks.discard(task)
        if was_cancelled:
            self._running -= node.body is None
            self.burst()
        elif not task.cancelled() and (error := task.exception()) is not None:
            log.error("the engine failed", exc_info=error)
            self._engine_failed(error)

    def _succeeded(self, node: CompiledNode, started: NodeStarted, result: Result, began: float) -> NodeFinished:
        announced, elapsed = event_factory.is_announced(self.state, node, started), time.perf_counter() - began
        return event_factory.succeeded(started, result, at=self._clock(), elapsed=elapsed, announced=announced)

    def _failed(self, node: CompiledNode, started: NodeStarted, failure: NodeFailure, began: float) -> NodeFinished:
        announced, elapsed = event_factory.is_announced(self.state, node, started), time.perf_counter() - began
        return event_factory.failed(node, started, failure, at=self._clock(), elapsed=elapsed, announced=announced)

    def _attempted(self, started: NodeStarted, failure: NodeFailure, attempt: int, began: float) -> None:
        elapsed = time.perf_counter() - began
        self.events.emit_durable(event_factory.attempted(started, failure, attempt, at=self._clock(), elapsed=elapsed))
        self.events.flush()
