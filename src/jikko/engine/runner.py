"""Runner: starts the nodes that the state declares due, retries each until it ends, pauses, or has no attempt left, and
reacts to the results.

Everything happens on one event loop, in bursts: a node ends, its end is folded, ready nodes start, and so on until all
remaining nodes wait for something. The events of a burst go to the journal together.
"""

import asyncio
import logging
import time
from collections.abc import Container, Iterable
from typing import Literal, TypeAlias

import msgspec

from jikko.concurrency.scheduler import Scheduler, TimeSlice
from jikko.engine import event_factory
from jikko.engine.context import NodeContext
from jikko.engine.event_buffer import EventBuffer, GuardedText, Journal
from jikko.engine.limits import RunLimits
from jikko.engine.state import RunState
from jikko.engine.subgraph_run import SubgraphRun, SubgraphTasks
from jikko.events import Event, FormClosed, NodeFinished, NodeStarted, RoundPath, RunFinished, RunPaused
from jikko.graph.compiled import CompiledNode
from jikko.long_texts import has_long_text
from jikko.nodes.contract import NodeFailure, NodePaused, RunInfo
from jikko.ports.clock import Clock
from jikko.ports.node_ports import NodePorts
from jikko.ports.other_models import TextGuard

log = logging.getLogger(__name__)


class Runner:
    """Loop of one run, from its current state until it ends, is stopped or parked.

    One object: two would refer to each other, and leave both, with all events of the run, to the garbage collector.
    """

    def __init__(
        self,
        state: RunState,
        journal: Journal,
        *,
        info: RunInfo,
        ports: NodePorts,
        limits: RunLimits,
        clock: Clock = time.time,
        share: Scheduler | None = None,
        guard: TextGuard | None = None,
    ) -> None:
        """``guard``: Moderates the shown text."""
        self.state = state
        self.slice = TimeSlice(share or Scheduler(), info.app_id)
        """The run's time slice of the event loop."""
        self.events = EventBuffer(state, journal, clock, self.slice)
        self.info = info
        self.ports = ports
        self.bodies: dict[int, SubgraphTasks] = {id(state.top): SubgraphTasks()}
        """Running bodies, by ``id`` of the frame."""
        self.stepping = 0
        """Number of containers between two rounds, which yield before the next."""
        self._clock = clock
        self._running = 0
        """Number of running nodes with a slot. Containers have none: they only wait for nodes that need one."""
        self._answers: dict[str, FormClosed] = {}
        """Closed forms, by execution; their events follow when their nodes run again."""
        self._limits = limits
        self._ready = ReadyNodes()
        state.release.room = ports.limits.max_expanded
        self._guarded = None if guard is None else GuardedText(guard, state, self.events)
        self._done: asyncio.Future[None] | None = None
        """Created once the run has to be awaited."""
        self._last: RunFinished | RunPaused | None = None
        self._begun = False
        """Whether the log has the first event of this part of the run."""
        self.has_ended = False
        """Whether the run has ended, or was stopped or parked here."""
        self._is_put_off = False
        """Whether the end gets its own turn of the event loop: long outputs are encoded at once for the record."""
        self._pausing = False
        self._places = limits.max_parallel_nodes

    async def run(
        self, first: Iterable[Event] = (), answers: Iterable[FormClosed] = ()
    ) -> RunFinished | RunPaused | None:
        self.begin(first, answers)
        return await self.wait()

    def begin(self, first: Iterable[Event], answers: Iterable[FormClosed] = ()) -> None:
        """Run as far as possible without waiting, which completes many runs. ``first``: Unfolded events that begin this
        part of the run (``RunStarted``, ``RunRecovered``, ``RunResumed``). ``answers``: Unfolded closed forms."""
        self._answers |= {answer.execution_id: answer for answer in answers}
        self.events.begin(first)
        self._begun = True
        state = self.state
        reason = event_factory.poisoned(state, self._limits.max_recoveries) if state.interrupted else None
        if reason is not None:
            self._end("failed", reason)
        else:
            self.resume(state.top)
            self.burst()

    async def wait(self) -> RunFinished | RunPaused | None:
        """Wait for the end or a pause. Returns the last event, or ``None`` if the run was parked. All events are in the
        journal, though not yet durable."""
        if self.has_ended:
            return self._last
        loop = asyncio.get_running_loop()
        self._done = loop.create_future()
        remaining = self._limits.max_seconds - self.state.active_seconds(self._clock())
        timer = loop.call_later(max(0.0, remaining), self._out_of_time)
        try:
            await self._done
        finally:
            timer.cancel()
            # Nobody waits any more: the event loop is about to end, and nothing new begins on it.
            self.lost()
        return self._last

    def stop(self, error: str) -> bool:
        """End the run as ``stopped``. Returns whether it was running."""
        if self.has_ended:
            return False
        self._end("stopped", error)
        return True

    def submit(self, closed: FormClosed) -> bool:
        """Submit a form while the run is still running. Returns whether the run was waiting for it."""
        state = self.state
        execution_id = closed.execution_id
        if self.has_ended or execution_id not in state.forms.open or execution_id in self._answers:
            return False
        self._answers[execution_id] = closed
        if not self._begun:
            return True
        started = state.starts[execution_id]
        frame = state.frame_of(started.rounds)
        self._ready.append((frame, frame.open[execution_id], None, started))
        self.burst()
        return True

    def park(self) -> None:
        """Stop without ending the run, and log it: the next process continues."""
        if not self.has_ended:
            if self._begun:
                self.events.emit(event_factory.parked(self.state, self._clock()))
            self._finish(None)

    def drain(self) -> None:
        """Start no further waiting nodes; park once the running ones have ended, so that none runs again."""
        self._places = 0
        if self._begun and not self.has_ended:
            self.burst()

    def lost(self) -> None:
        """Stop: another process owns the run."""
        if not self.has_ended:
            self._finish(None)

    def resume(self, frame: SubgraphRun) -> None:
        """Queue what was running (before a crash) and what is due in a frame."""
        for execution_id, position in list(frame.open.items()):
            if execution_id in self.state.forms.open and execution_id not in self._answers:
                continue
            self._ready.append((frame, position, None, self.state.starts[execution_id]))
        self._ready.take_due(frame)

    def pause_soon(self) -> None:
        """Pause once the containers about to continue have done so, if nothing else is left to do."""
        if self.state.forms.open:
            asyncio.get_running_loop().call_soon(self.burst)

    def burst(self) -> None:
        """``go_on`` called by the event loop, which begins a slice."""
        self.slice.begin()
        self.go_on()

    def go_on(self, *, soon: bool = False) -> None:
        """Start queued nodes, and those that become ready, until none can start. ``soon``: Whether the caller continues
        itself, so that events may leave at the end of the event loop's turn."""
        if self.events.holds or self.has_ended:
            return  # An inline node ended inside a burst, which continues with what it made ready.
        if self._pausing and self.state.forms.open.keys() <= self._answers.keys():
            self._pausing = False
            # What waits for a slot is due as well, but already queued.
            self._ready.take_due(self.state.top, but=self._ready.numbers(self.state.top))
        self.events.holds = True
        count = 0
        put_off = False
        try:
            while self._ready and not self.has_ended:
                frame, position, predecessor, again = self._ready[0]
                node = frame.body.nodes[position]
                if node.body is not None:
                    soon = True  # A container continues itself in the next turn, usually with its first round.
                elif self._running >= self._places and not node.node.immediate:
                    break
                count += 1
                if count % 64 == 0 and self.slice.is_over:
                    self.slice.later(self.burst)
                    put_off = True
                    break
                del self._ready[0]
                self._start(frame, node, predecessor, again)
        finally:
            self.events.holds = False
        if self._ready and not self._running and not self._places:
            self.park()  # drained
        if self.state.forms.open and not self.has_ended:
            for execution_id in [each for each in self.state.forms.open if each not in self._answers]:
                self._ended_in_vain(self.state.starts[execution_id].rounds)
        if not self.has_ended and not self._ready:
            self._end_if_over()
        if put_off:
            self.events.flush_in_time()
        elif soon:
            self.events.flush_soon()
        elif not self.has_ended:
            self.events.flush()

    def _start(
        self, frame: SubgraphRun, node: CompiledNode, predecessor: str | None, again: NodeStarted | None
    ) -> None:
        """Start a node of a frame. ``predecessor``: The node whose end made it ready. ``again``: Its earlier start, if
        any."""
        if frame.closed or (not node.node.immediate and (frame.failure is not None or id(frame) not in self.bodies)):
            return  # its round failed, or was cancelled, while it waited for a slot
        now, began = self._clock(), time.perf_counter()
        if again is None:
            icon = node.node.icon(self.ports) if node.has_icon else None  # type: ignore[attr-defined]
            event = execution = event_factory.started(node, self.state.index + 1, predecessor, frame.rounds, now, icon)
        else:
            event, execution = msgspec.structs.replace(again, at=now), again
            began -= max(0.0, now - again.at)
        self.events.emit(event)
        if self._answers and (answer := self._answers.pop(event.execution_id, None)) is not None:
            self.events.emit_durable(answer)
        context = NodeContext(self, frame, node, execution, execution.execution_id, frame.scope.get)
        if not (node.node.immediate and self._ran_in_place(frame, node, execution, context, began)):
            self._running += node.body is None
            task = asyncio.get_running_loop().create_task(self._execute(frame, node, execution, context, began))
            tasks = self.bodies[id(frame)].tasks
            tasks.add(task)
            task.add_done_callback(lambda task: self._task_done(task, tasks, node))

    def _ran_in_place(
        self, frame: SubgraphRun, node: CompiledNode, started: NodeStarted, context: NodeContext, began: float
    ) -> bool:
        """Run a node inline. If it suspends, nothing has happened, and it needs a task."""
        run = node.node.run(context)
        try:
            run.send(None)
        except StopIteration as stop:
            elapsed = time.perf_counter() - began
            self._node_ended(frame, node, event_factory.succeeded(started, stop.value, self._clock(), elapsed))
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
        while not node.effects or await self.events.may_run_effects():
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
                elapsed, announced = time.perf_counter() - began, self._is_announced(node, started)
                ended = event_factory.succeeded(started, result, self._clock(), elapsed, announced)
                self._node_ended(frame, node, ended)
                break
            attempt += 1
            if attempt > node.retries:
                self._leave(frame, node)
                self._node_ended(frame, node, self._failed(node, started, failure, began))
                break
            # Here, in the node's own task: Dify sleeps where all events of the run pass.
            await asyncio.sleep(node.retry_wait)
            self._attempted(started, failure, attempt, began)
            context.forget_hidden()
        else:
            # Another process owns the run, and runs the node.
            self._leave(frame, node)
            return
        self.burst()

    def _leave(self, frame: SubgraphRun, node: CompiledNode) -> None:
        """The current task's node is done: release its slot; it can no longer be cancelled."""
        self._running -= node.body is None
        if (body := self.bodies.get(id(frame))) is not None:
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

    def _is_announced(self, node: CompiledNode, started: NodeStarted) -> bool:
        return node.body is None or event_factory.is_announced(self.state, started)

    def _failed(self, node: CompiledNode, started: NodeStarted, failure: NodeFailure, began: float) -> NodeFinished:
        elapsed, announced = time.perf_counter() - began, self._is_announced(node, started)
        return event_factory.failed(node, started, failure, at=self._clock(), elapsed=elapsed, announced=announced)

    def _attempted(self, started: NodeStarted, failure: NodeFailure, attempt: int, began: float) -> None:
        elapsed = time.perf_counter() - began
        self.events.emit_durable(event_factory.attempted(started, failure, attempt, at=self._clock(), elapsed=elapsed))
        self.events.flush()

    def _suspended(
        self, frame: SubgraphRun, node: CompiledNode, started: NodeStarted, pause: NodePaused, began: float
    ) -> None:
        """A node waits for people: nothing that becomes ready outside of containers starts before the run is resumed.

        Running rounds continue, so that their forms are requested together. Source: docs/dify-behaviour.md, “Human
        input”.
        """
        if self.has_ended or frame.closed or self._ended_in_vain(frame.rounds):
            return
        self._pausing = True
        if started.execution_id not in self.state.forms.open:
            self.events.emit(event_factory.suspended(started, pause, self._clock()))

    def _node_ended(self, frame: SubgraphRun, node: CompiledNode, event: NodeFinished) -> None:
        """A node succeeded, or failed for good."""
        if self.has_ended or frame.closed:
            return
        already_due = len(frame.due)
        if node.body is not None and self.state.forms.open:
            for closed in event_factory.withdrawn(self.state, event.execution_id, None, self._clock()):
                self.events.emit(closed)
        if node.effects:
            self.events.emit_durable(event)
        else:
            self.events.emit(event)
        if event.status == "failed":
            self._frame_failed(frame)
            return
        if frame.failure is not None or (self._pausing and frame is self.state.top):
            return  # During a pause, ready nodes stay due, and start when the run is resumed.
        if self.state.index > self._limits.max_steps:
            self._end("stopped", event_factory.too_many_steps(self.state.index, self._limits.max_steps))
            return
        if len(frame.due) > already_due:
            self._ready.take_due(frame, already_due)
        if frame is self.state.top:
            return
        waiting = self.bodies.get(id(frame))
        if waiting is not None and waiting.future is not None and frame.is_over and not waiting.future.done():
            waiting.future.set_result(None)

    def _frame_failed(self, frame: SubgraphRun) -> None:
        """A node failed unhandled: its frame is over."""
        if frame is self.state.top and not self.events.holds:
            self._end("failed", frame.failure)
            return
        if (body := self.bodies.get(id(frame))) is not None:
            body.cancel()
            if body.future is not None and not body.future.done():
                body.future.set_result(None)

    def _engine_failed(self, error: BaseException) -> None:
        """The engine failed, rather than a node."""
        if not self.has_ended:
            self._end("failed", f"Internal error: {type(error).__name__}")

    def _end_if_over(self) -> None:
        top = self.state.top
        if top.failure is not None:
            # Ended only now: nodes that were ready beside the failed one ran, too, as in Dify, which runs them
            # concurrently.
            self._end("failed", top.failure)
        elif self.state.forms.open and not self._running and not self.stepping and self._is_waiting():
            self._finish(event_factory.paused(self.state, self._clock()))
        elif top.due or top.open:
            pass
        elif self._guarded is not None and not self._guarded.is_finished:
            self._guarded.finish(self.burst)
        elif not self._is_put_off and self.slice.is_over and has_long_text([self.state.outputs]):
            self._is_put_off = True
            self.slice.later(self.burst)
        else:
            self._end("partial-succeeded" if self.state.exceptions else "succeeded", None)

    def _is_waiting(self) -> bool:
        """Return whether everything running waits for people, or is a container whose rounds do."""
        waiting, frames = self.state.forms.open, [self.state.top]
        for frame in frames:
            for execution_id in frame.open.keys() - waiting.keys():
                rounds = [inner for key, inner in self.state.frames.items() if key[0] == execution_id]
                running = [inner for inner in rounds if id(inner) in self.bodies]
                futures = [self.bodies[id(inner)].future for inner in running]
                if not futures or any(future is None or future.done() for future in futures):
                    return False
                frames += running
        return True

    def _ended_in_vain(self, rounds: RoundPath) -> bool:
        """End a round that waits for people in vain, with everything running in it: another has failed its container.
        ``rounds``: Place of the form. Returns whether the round ends."""
        for each in rounds:
            if self.state.containers[each.execution_id].has_failed:
                body = self.bodies.get(id(self.state.frames[each.execution_id, each.index]))
                if body is not None and body.future is not None:
                    if not body.future.done():
                        body.future.set_result(None)
                    return True
        return False

    def _end(self, status: Literal["succeeded", "failed", "stopped", "partial-succeeded"], error: str | None) -> None:
        self._finish(event_factory.ended(self.state, status, error, self._clock()))

    def _finish(self, event: RunFinished | RunPaused | None) -> None:
        if event is not None:
            self.events.emit(event)
        self.has_ended = True
        self._last = event
        self._ready.clear()
        self.events.close()
        if self._guarded is not None:
            self._guarded.cancel()
        for waiting in list(self.bodies.values()):
            if waiting.tasks:
                waiting.cancel()
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _out_of_time(self) -> None:
        if not self.has_ended:
            elapsed = self.state.active_seconds(self._clock())
            self._end("stopped", event_factory.out_of_time(elapsed, self._limits.max_seconds))


# The nodes of a run that can start.

ReadyNode: TypeAlias = "tuple[SubgraphRun, int, str | None, NodeStarted | None]"
"""A node that can start: its frame, its index there, the node whose end made it ready, and its earlier start, if it was
interrupted or its form was closed."""


class ReadyNodes(list[ReadyNode]):
    """Queue of nodes that can start, in the order in which they became ready."""

    __slots__ = ()

    def take_due(self, frame: SubgraphRun, known: int = 0, but: Container[int] = ()) -> None:
        """Add what is due in a frame after the first ``known`` ones, except for some indexes."""
        self += [(frame, position, source, None) for position, source in frame.due[known:] if position not in but]

    def numbers(self, frame: SubgraphRun) -> set[int]:
        return {position for other, position, _, _ in self if other is frame}
