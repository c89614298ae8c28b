"""Performs a run: starts the nodes that the state says are due, and turns what they do into events.

Everything happens on one event loop, in bursts: a node ends, its end is folded, what became ready starts, and so on
until every node that is left waits for something. The events of a burst go to the journal together.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Protocol

from jikko.engine.context import NodeContext
from jikko.engine.limits import RunLimits
from jikko.engine.release import Chunk
from jikko.engine.state import ContainerState, Frame, RunState
from jikko.events import (
    ContainerStarted,
    Event,
    FormClosed,
    FormRequested,
    NodeAttempted,
    NodeFinished,
    NodeStarted,
    ReasoningChunk,
    RoundFinished,
    RoundStarted,
    RunFinished,
    RunPaused,
    RunRecovered,
    TextChunk,
)
from jikko.graph.compiled import CompiledGraph, CompiledNode
from jikko.ids import new_id
from jikko.nodes.contract import NodeFailure, NodePaused, Result, RoundOutcome, RunInfo, Variables
from jikko.ports.clock import Clock
from jikko.ports.services import Services
from jikko.values import Json

log = logging.getLogger(__name__)

_SLICE = 0.005
"""Seconds after which a burst lets other tasks of the process run."""


class Journal(Protocol):
    """Where a run's events go."""

    def append(self, events: list[Event]) -> None:
        """Take the next events of the run. Must not wait."""
        ...


class _Waiting:
    """Somebody waits for a round to end."""

    __slots__ = ("error", "future", "tasks")

    def __init__(self) -> None:
        self.future: asyncio.Future[None] | None = None
        self.error: str | None = None
        self.tasks: set[asyncio.Task[None]] = set()


class Runner:
    """One run, from where its state is until it ends, is stopped or is parked."""

    def __init__(
        self,
        graph: CompiledGraph,
        state: RunState,
        journal: Journal,
        *,
        info: RunInfo,
        services: Services,
        limits: RunLimits,
        clock: Clock = time.time,
    ) -> None:
        self._graph = graph
        self._state = state
        self._journal = journal
        self.info = info
        self.services = services
        self._limits = limits
        self.clock = clock
        self._buffer: list[Event] = []
        self._queue: deque[tuple[Frame, int, str | None, NodeStarted | None]] = deque()
        self._waiting: dict[int, _Waiting] = {id(state.top): _Waiting()}
        self._running = 0
        """Nodes that have a task."""
        self._bursting = False
        self._slice_ends = 0.0
        self._done: asyncio.Future[RunFinished | RunPaused | None] | None = None
        self._ended = False
        self._pausing = False
        self._answers: dict[str, FormClosed] = {}
        """Forms that were closed, to be told when their nodes run again."""
        self._timer: asyncio.TimerHandle | None = None
        self._began = time.perf_counter()

    @property
    def has_ended(self) -> bool:
        """Whether the run is over for this runner: ended, stopped or parked."""
        return self._ended

    async def run(
        self, first: Iterable[Event] = (), answers: Iterable[FormClosed] = ()
    ) -> RunFinished | RunPaused | None:
        """Run to the end, or until the run pauses.

        Args:
            first: Events that begin this part of the run (``RunStarted``, ``RunRecovered``, ``RunResumed``), not yet
                folded.
            answers: Forms of the run that were closed, not yet folded.

        Returns:
            The last event, or ``None`` if the run was parked. All events are in the journal, though not yet durable.
        """
        self._answers = {answer.execution_id: answer for answer in answers}
        loop = asyncio.get_running_loop()
        self._done = loop.create_future()
        for event in first:
            self._emit(event)
        remaining = self._limits.max_seconds - self._state.active_seconds(self.clock())
        self._timer = loop.call_later(max(0.0, remaining), self._out_of_time)
        if not self._poisoned():
            self._resume(self._state.top)
            self._burst()
        try:
            return await self._done
        finally:
            self._timer.cancel()

    def stop(self, error: str) -> bool:
        """End the run as ``stopped``. Returns whether it was still going on."""
        if self._ended:
            return False
        self._end("stopped", error)
        return True

    def answer(self, closed: FormClosed) -> bool:
        """Hand in a form while the run is still going on beside it. Returns whether the run was waiting for it."""
        state = self._state
        execution_id = closed.execution_id
        if self._ended or execution_id not in state.waiting or execution_id in self._answers:
            return False
        self._answers[execution_id] = closed
        frame = state.top
        self._queue.append((frame, frame.open[execution_id], None, state.starts[execution_id]))
        if state.waiting.keys() <= self._answers.keys():
            self._pausing = False
            self._take_due(frame)
        self._burst()
        return True

    def park(self) -> None:
        """Stop running without ending the run: another process, or this one later, goes on from the log."""
        if not self._ended:
            self._finish(None)

    # What nodes ask for, by way of their context.

    def say(self, frame: Frame, node: CompiledNode, name: str, text: str) -> None:
        """Show a piece of a node's output."""
        if frame is self._state.top and not self._ended:
            self._chunks(self._state.release.streamed((node.id, name), text))
            self._flush()

    def think(self, frame: Frame, node: CompiledNode, text: str, final: bool) -> None:
        """Show a piece of a model's reasoning."""
        if frame is self._state.top and not self._ended:
            self._emit(ReasoningChunk(at=self.clock(), node_id=node.id, text=text, final=final))
            self._flush()

    def begin_container(
        self,
        execution_id: str,
        inputs: Mapping[str, Json],
        length: int,
        variables: Mapping[str, Json] | None,
        hides_failed_rounds: bool,
    ) -> Mapping[str, Json]:
        """See ``ContainerContext.begin``."""
        container = self._state.containers[execution_id]
        if container.started is None:
            self._emit(
                ContainerStarted(
                    **self._about(execution_id),
                    length=length,
                    inputs=dict(inputs),
                    variables=dict(variables or {}),
                    hides_failed_rounds=hides_failed_rounds,
                )
            )
            return inputs
        return container.started.inputs

    def form_requested(self, execution_id: str) -> FormRequested | None:
        """See ``Context.requested_form``."""
        return self._state.forms.get(execution_id)

    def form_closed(self, execution_id: str) -> FormClosed | None:
        """See ``Context.form``."""
        return self._state.answers.get(execution_id)

    def has_rounds(self, execution_id: str) -> bool:
        """See ``ContainerContext.has_rounds``."""
        return bool(self._state.containers[execution_id].finished) or (execution_id, 0) in self._state.frames

    def announce_round(self, execution_id: str, index: int, variables: Mapping[str, Json] | None) -> None:
        """See ``ContainerContext.announce_round``."""
        container = self._state.containers[execution_id]
        if index not in container.finished and (execution_id, index) not in self._state.frames:
            self._emit(RoundStarted(**self._about(execution_id), round=index, variables=dict(variables or {})))

    async def run_round(
        self,
        execution_id: str,
        index: int,
        variables: Mapping[str, Json] | None,
        collect: Callable[[Variables], Mapping[str, Json]],
        is_last: Callable[[Variables, bool], bool] | None,
    ) -> RoundOutcome:
        """See ``ContainerContext.run_round``."""
        container = self._state.containers[execution_id]
        known = container.finished.get(index)
        if known is not None:
            return _outcome(known)
        self.announce_round(execution_id, index, variables)
        frame = self._state.frames[execution_id, index]
        waiting = self._waiting[id(frame)] = _Waiting()
        began = time.perf_counter()
        try:
            self._resume(frame)
            self._burst()
            if not self._is_over(frame):
                waiting.future = asyncio.get_running_loop().create_future()
                await waiting.future
            elif time.perf_counter() > self._slice_ends:
                # Rounds that never wait must not keep the process from everything else.
                await asyncio.sleep(0)
        finally:
            del self._waiting[id(frame)]
            self._cancel(waiting)
        return self._close_round(container, frame, execution_id, index, waiting.error, collect, is_last, began)

    def _close_round(
        self,
        container: ContainerState,
        frame: Frame,
        execution_id: str,
        index: int,
        error: str | None,
        collect: Callable[[Variables], Mapping[str, Json]],
        is_last: Callable[[Variables, bool], bool] | None,
        began: float,
    ) -> RoundOutcome:
        outputs = collect(frame.scope) if error is None else {}
        failure: NodeFailure | None = None
        last = frame.ended
        if error is None and is_last is not None:
            try:
                last = is_last(frame.scope, frame.ended)
            except NodeFailure as exception:
                failure = exception
        event = RoundFinished(
            **self._about(execution_id),
            round=index,
            elapsed=time.perf_counter() - began,
            outputs=dict(outputs),
            error=error if failure is None else str(failure),
            usage=frame.usage,
            ended=frame.ended,
            last=last,
        )
        self._emit(event)
        return _outcome(event)

    # Starting nodes.

    def _resume(self, frame: Frame) -> None:
        """Queue what is under way (after a crash) and what is due in a frame."""
        for execution_id, position in list(frame.open.items()):
            if execution_id in self._state.waiting and execution_id not in self._answers:
                continue
            self._queue.append((frame, position, None, self._state.starts[execution_id]))
        self._take_due(frame)

    def _take_due(self, frame: Frame) -> None:
        for position, predecessor in frame.due:
            self._queue.append((frame, position, predecessor, None))

    def _burst(self) -> None:
        """Start what is queued, and what becomes ready by it, until nothing is left that can start now."""
        if self._bursting or self._ended:
            # A node that never waits ended inside a burst; the burst goes on with what it made ready.
            return
        self._bursting = True
        self._slice_ends = time.perf_counter() + _SLICE
        count = 0
        try:
            while self._queue and not self._ended:
                if self._running >= self._limits.max_parallel_nodes and self._next_needs_task():
                    break
                count += 1
                if count % 64 == 0 and time.perf_counter() > self._slice_ends:
                    asyncio.get_running_loop().call_soon(self._burst)
                    break
                self._start(*self._queue.popleft())
        finally:
            self._bursting = False
        if not self._ended and not self._queue:
            self._end_if_over()
        self._flush()

    def _next_needs_task(self) -> bool:
        frame, position, _, _ = self._queue[0]
        return not frame.body.nodes[position].node.immediate

    def _start(self, frame: Frame, position: int, predecessor: str | None, again: NodeStarted | None) -> None:
        node = frame.body.nodes[position]
        if not node.node.immediate and self._has_failed(frame):
            return
        now = self.clock()
        if again is None:
            event = NodeStarted(
                at=now,
                execution_id=new_id(),
                node_id=node.id,
                node_type=node.type,
                title=node.title,
                index=self._state.index + 1,
                predecessor=predecessor,
                rounds=frame.rounds,
            )
        else:
            event = NodeStarted(
                at=now,
                execution_id=again.execution_id,
                node_id=node.id,
                node_type=node.type,
                title=node.title,
                index=again.index,
                predecessor=again.predecessor,
                rounds=frame.rounds,
            )
        self._emit(event)
        answer = self._answers.pop(event.execution_id, None)
        if answer is not None:
            self._emit(answer)
        execution = again or event
        context = NodeContext(self, frame, node, execution)
        began = time.perf_counter() - max(0.0, now - execution.at)
        if node.node.immediate:
            self._run_in_place(frame, node, execution, context, began)
        else:
            self._running += 1
            task = asyncio.get_running_loop().create_task(self._execute(frame, node, execution, context, began))
            tasks = self._waiting[id(frame)].tasks
            tasks.add(task)
            task.add_done_callback(lambda task: self._task_done(task, tasks))

    def _run_in_place(
        self, frame: Frame, node: CompiledNode, started: NodeStarted, context: NodeContext, began: float
    ) -> None:
        run = node.node.run(context)
        try:
            run.send(None)
        except StopIteration as stop:
            self._succeeded(frame, node, started, stop.value, began)
        except NodePaused as pause:
            self._suspended(node, started, pause)
        except NodeFailure as failure:
            self._failed(frame, node, started, failure, began)
        except Exception as error:
            self._failed(frame, node, started, _unexpected(node, error), began)
        else:
            run.close()
            raise RuntimeError(f"node type {node.type} says that it never waits, but it does")

    async def _execute(
        self, frame: Frame, node: CompiledNode, started: NodeStarted, context: NodeContext, began: float
    ) -> None:
        attempt = self._state.attempts.get(started.execution_id, 0)
        while True:
            try:
                result = await node.node.run(context)
            except NodeFailure as error:
                failure = error
            except Exception as error:
                failure = _unexpected(node, error)
            else:
                self._running -= 1
                self._succeeded(frame, node, started, result, began)
                break
            attempt += 1
            if attempt > node.retries:
                self._running -= 1
                self._failed(frame, node, started, failure, began)
                break
            # Waits here, in the node's own task: Dify sleeps where all events of the run pass.
            await asyncio.sleep(node.retry_wait)
            self._attempted(node, started, failure, attempt, began)
        self._burst()

    def _task_done(self, task: asyncio.Task[None], tasks: set[asyncio.Task[None]]) -> None:
        tasks.discard(task)
        if task.cancelled():
            self._running -= 1
            self._burst()
        elif (error := task.exception()) is not None:
            log.error("the engine failed", exc_info=error)
            if not self._ended:
                self._end("failed", f"Internal error: {type(error).__name__}")

    # Ends of nodes.

    def _succeeded(self, frame: Frame, node: CompiledNode, started: NodeStarted, result: Result, began: float) -> None:
        container = self._state.containers.get(started.execution_id) if node.body is not None else None
        self._node_ended(
            frame,
            NodeFinished(
                **self._at(started),
                started_at=started.at,
                elapsed=time.perf_counter() - began,
                status="succeeded",
                inputs=dict(result.inputs),
                process_data=dict(result.process_data),
                outputs=dict(result.outputs),
                handle=result.handle,
                updates=result.updates,
                usage=result.usage,
                metadata=dict(result.metadata),
                steps=result.steps,
                announced=container is None or container.started is not None,
            ),
        )

    def _suspended(self, node: CompiledNode, started: NodeStarted, pause: NodePaused) -> None:
        """A node waits for a human: nothing that becomes ready from now on starts before the run is resumed."""
        self._pausing = True
        if started.execution_id not in self._state.waiting:
            self._emit(
                FormRequested(
                    at=self.clock(),
                    execution_id=started.execution_id,
                    node_id=node.id,
                    title=node.title,
                    form_id=new_id(),
                    form=pause.form,
                    source=pause.source,
                    expires_at=pause.expires_at,
                )
            )

    def _attempted(
        self, node: CompiledNode, started: NodeStarted, failure: NodeFailure, attempt: int, began: float
    ) -> None:
        self._emit(
            NodeAttempted(
                **self._at(started),
                started_at=started.at,
                elapsed=time.perf_counter() - began,
                attempt=attempt,
                error=str(failure),
                error_type=failure.kind,
                inputs=dict(failure.inputs),
                process_data=dict(failure.process_data),
                outputs=dict(failure.outputs),
                usage=failure.usage,
            )
        )
        if not started.rounds:
            self._state.release.restarted(node.id)
        self._flush()

    def _failed(
        self, frame: Frame, node: CompiledNode, started: NodeStarted, failure: NodeFailure, began: float
    ) -> None:
        strategy = node.strategy
        message = str(failure)
        outputs: dict[str, Json] = dict(failure.outputs)
        if strategy is not None:
            outputs = dict(node.defaults) if strategy == "default-value" else {}
            outputs |= {"error_message": message, "error_type": failure.kind}
        container = self._state.containers.get(started.execution_id) if node.body is not None else None
        self._node_ended(
            frame,
            NodeFinished(
                **self._at(started),
                started_at=started.at,
                elapsed=time.perf_counter() - began,
                status="failed" if strategy is None else "exception",
                inputs=dict(failure.inputs),
                process_data=dict(failure.process_data),
                outputs=outputs,
                handle="fail-branch" if strategy == "fail-branch" else "source",
                error=message,
                error_type=failure.kind,
                strategy=strategy,
                usage=failure.usage,
                metadata=dict(failure.metadata),
                steps=failure.steps,
                announced=container is None or container.started is not None,
            ),
        )

    def _node_ended(self, frame: Frame, event: NodeFinished) -> None:
        if self._ended:
            return
        already_due = len(frame.due)
        before, after = self._state.apply(event)
        self._chunks(before)
        self._buffer.append(event)
        self._chunks(after)
        if event.status == "failed":
            self._frame_failed(frame, event.error or "")
            return
        if self._has_failed(frame):
            return
        if self._pausing and frame is self._state.top:
            # What became ready stays due; it is started when the run is resumed.
            return
        if self._state.index > self._limits.max_steps:
            self._end(
                "stopped",
                f"Maximum execution steps exceeded: {self._state.index} > {self._limits.max_steps} "
                "(the limit is set by JIKKO_MAX_STEPS).",
            )
            return
        for position in range(already_due, len(frame.due)):
            target, predecessor = frame.due[position]
            self._queue.append((frame, target, predecessor, None))
        waiting = self._waiting.get(id(frame))
        if waiting is not None and waiting.future is not None and self._is_over(frame) and not waiting.future.done():
            waiting.future.set_result(None)

    def _frame_failed(self, frame: Frame, error: str) -> None:
        """A node failed and nothing handles it: its frame is over."""
        waiting = self._waiting.get(id(frame))
        if waiting is None or waiting.error is not None:
            return
        waiting.error = error
        if frame is self._state.top and not self._bursting:
            self._end("failed", error)
            return
        self._cancel(waiting)
        if waiting.future is not None and not waiting.future.done():
            waiting.future.set_result(None)

    def _is_over(self, frame: Frame) -> bool:
        return self._has_failed(frame) or not (frame.due or frame.open)

    def _has_failed(self, frame: Frame) -> bool:
        waiting = self._waiting.get(id(frame))
        return waiting is not None and waiting.error is not None

    # Ends of the run.

    def _end_if_over(self) -> None:
        top = self._state.top
        if self._has_failed(top):
            # Told only now: what was ready beside the failed node ran too, as it does in Dify, which runs such nodes
            # at the same time.
            self._end("failed", self._waiting[id(top)].error)
        elif self._state.waiting and not self._running and top.open.keys() <= self._state.waiting.keys():
            self._pause()
        elif not (top.due or top.open):
            status: Literal["succeeded", "partial-succeeded"]
            status = "partial-succeeded" if self._state.exceptions else "succeeded"
            self._end(status, None)

    def _end(self, status: Literal["succeeded", "failed", "stopped", "partial-succeeded"], error: str | None) -> None:
        state = self._state
        now = self.clock()
        event = RunFinished(
            at=now,
            status=status,
            outputs=dict(state.outputs),
            error=error,
            elapsed=state.active_seconds(now),
            total_tokens=state.usage.total_tokens if state.usage else 0,
            total_steps=state.total_steps,
            exceptions_count=state.exceptions,
        )
        self._emit(event)
        self._finish(event)

    def _pause(self) -> None:
        state = self._state
        now = self.clock()
        forms = list(state.waiting.values())
        event = RunPaused(
            at=now,
            paused_nodes=[form.node_id for form in forms],
            elapsed=state.active_seconds(now),
            total_tokens=state.usage.total_tokens if state.usage else 0,
            total_steps=state.total_steps,
            wake_at=min(form.expires_at for form in forms),
        )
        self._emit(event)
        self._finish(event)

    def _finish(self, event: RunFinished | RunPaused | None) -> None:
        self._ended = True
        self._queue.clear()
        self._flush()
        for waiting in list(self._waiting.values()):
            self._cancel(waiting)
        if self._done is not None and not self._done.done():
            self._done.set_result(event)

    def _out_of_time(self) -> None:
        if not self._ended:
            elapsed = self._state.active_seconds(self.clock())
            self._end(
                "stopped",
                f"Maximum execution time exceeded: {elapsed:.1f}s > {self._limits.max_seconds:g}s "
                "(the limit is set by JIKKO_MAX_SECONDS).",
            )

    def _poisoned(self) -> bool:
        """Fail a run that was taken over too often at the same node."""
        for execution_id, times in self._state.interrupted.items():
            if times >= self._limits.max_recoveries:
                started = self._state.starts[execution_id]
                self._end(
                    "failed",
                    f"The process died {times} times while node {started.title or started.node_id!r} "
                    f"({started.node_id}) was running; the run is not tried again.",
                )
                return True
        return False

    # Events.

    def _emit(self, event: Event) -> None:
        before, after = self._state.apply(event)
        self._chunks(before)
        self._buffer.append(event)
        self._chunks(after)

    def _chunks(self, chunks: list[Chunk]) -> None:
        if chunks:
            now = self.clock()
            self._buffer += [TextChunk(at=now, text=chunk.text, selector=chunk.selector) for chunk in chunks]

    def _flush(self) -> None:
        if self._buffer and not self._bursting:
            events, self._buffer = self._buffer, []
            self._journal.append(events)

    def _about(self, execution_id: str) -> dict[str, Any]:
        return self._at(self._state.starts[execution_id])

    def _at(self, started: NodeStarted) -> dict[str, Any]:
        return {
            "at": self.clock(),
            "execution_id": started.execution_id,
            "node_id": started.node_id,
            "node_type": started.node_type,
            "title": started.title,
            "index": started.index,
            "predecessor": started.predecessor,
            "rounds": started.rounds,
        }

    @staticmethod
    def _cancel(waiting: _Waiting) -> None:
        current = asyncio.current_task()
        for task in list(waiting.tasks):
            if task is not current:
                task.cancel()


def recovered(state: RunState, epoch: int, at: float) -> RunRecovered:
    """The event by which a process takes over a run whose log was folded into ``state``."""
    return RunRecovered(
        at=at,
        epoch=epoch,
        in_flight=[execution_id for execution_id in state.starts if execution_id not in state.waiting],
        ready=[state.top.body.nodes[position].id for position, _ in state.top.due],
    )


def _outcome(event: RoundFinished) -> RoundOutcome:
    return RoundOutcome(event.outputs, event.error, event.ended, event.last, event.usage, event.elapsed)


def _unexpected(node: CompiledNode, error: Exception) -> NodeFailure:
    log.exception("node %s (%s) failed unexpectedly", node.id, node.type, exc_info=error)
    return NodeFailure(str(error) or type(error).__name__, kind="WorkflowNodeError")
