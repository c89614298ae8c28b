"""Executor of the runs of this process: running and queued ones."""

import asyncio
import logging
from collections.abc import Callable, Container, Coroutine, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from jikko.apps.versions import Workflow
from jikko.concurrency.background_tasks import start_task
from jikko.concurrency.patience import patience
from jikko.concurrency.scheduler import Scheduler
from jikko.engine.limits import RunLimits
from jikko.engine.runner import Runner
from jikko.engine.state import RunState
from jikko.errors import JikkoError, KeyTaken, LogConflict, RunLeft, ServerStopping, StartRefused
from jikko.events import Event, FormClosed, RunBegan, RunStarted
from jikko.log_context import LogContext, log_context
from jikko.ports.clock import Clock
from jikko.ports.cluster import Refusals
from jikko.ports.measures import RunMeasures
from jikko.ports.node_ports import NodePorts
from jikko.ports.other_models import TextGuard
from jikko.ports.stores.run_store import Projection, RunStore, StartOptions, Withdrawal
from jikko.record import RunRecord
from jikko.runs.admission import Admission
from jikko.runs.endings import given_up
from jikko.runs.observer import RunObserver
from jikko.runs.process_memory import ProcessMemory
from jikko.runs.queued_run import QueuedRun
from jikko.runs.refused_starts import RefusedStarts
from jikko.runs.run_log import RunLog

log = logging.getLogger(__name__)

_TO_WRITE_SECONDS: Final = 2.0
"""Seconds for writing the logs of runs when the process ends."""


class RunHandle(NamedTuple):
    """Run of this process, running or queued."""

    log: RunLog
    runner: Runner | QueuedRun


class Executor:
    """Running and queued runs, by run id."""

    def __init__(
        self,
        store: RunStore,
        ports: NodePorts,
        limits: RunLimits,
        admission: Admission,
        clock: Clock,
        *,
        holder: str = "",
        observer: RunObserver | None = None,
        guard: Callable[[str, Workflow], TextGuard | None] | None = None,
        memory: ProcessMemory | None = None,
        refusals: Refusals | None = None,
        text_seconds: float = 0.0,
    ) -> None:
        """Args:
        holder: Name of this process in the records of its runs.
        observer: Observes the logs of all runs of this process.
        guard: Creates the text moderation of one run that answers a message.
        memory: Memory limits of the runs.
        refusals: Storage of refused starts for the next process.
        text_seconds: See ``RunLog``.
        """
        self._text_seconds = text_seconds
        self._guard = guard
        self.measures = RunMeasures()
        self.admission = admission
        self.memory = memory or ProcessMemory()
        self.memory.on_too_much = self._end_soon
        self.memory.on_rest = admission.suspend_app
        self._holder = holder
        self._store = store
        self._observer = observer
        self._ports = ports
        self._limits = limits
        self._clock = clock
        self.refused = RefusedStarts(store, clock, refusals)
        self.share = Scheduler()
        """Scheduler of the event loop's time, for all runs of this process and their followers."""
        self._held: dict[str, RunHandle] = {}
        self.find: Final = self._held.get
        """Return a run of this process by its id, or ``None``."""
        self._run_of_task: dict[str, str] = {}
        self.on_durable: Callable[[RunLog], None] = lambda log: None
        """Called once all events of a run are durable and this process adds no more."""
        self.followed: Container[str] = ()
        """Ids of runs that are followed like runs of other processes."""
        self.on_moved: Callable[[str], None] = lambda run_id: None
        """Called with the id of a followed run that has moved to or from this process."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_closing = False

    def log_of(self, record: RunRecord, events: list[Event] | None = None, **new: Any) -> RunLog:
        """Create the log of a run coming to this process, and observe it; all are created here. See ``RunLog``."""
        return RunLog(
            self._store,
            record,
            events,
            observer=self._observer,
            share=self.share,
            memory=self.memory,
            text_seconds=self._text_seconds,
            **new,
        )

    def new_log(
        self, record: RunRecord, options: StartOptions | None, opening: Sequence[Projection], *, is_inner: bool = False
    ) -> RunLog:
        """Create the log of a new run, whose start is refused if it is not durable before the request's timeout. An
        inner run waits as long as its caller."""
        waiting = None if is_inner else patience.get()
        withdrawal = None if waiting is None else Withdrawal()
        run_log = self.log_of(record, options=options, opening=opening, withdrawal=withdrawal)
        if waiting is not None:
            waiting.until_durable(self.refused.refuse, run_log)
        return run_log

    def executes(self, run_id: str) -> bool:
        return run_id in self._held

    def measure_lag(self, since: float) -> None:
        """Record the lag of events from another process's run, the first of which became durable at ``since``."""
        self.measures.lags.observe(max(0.0, self._clock() - since))

    def run_of(self, app_id: str, run_or_task_id: str) -> str | None:
        """Return the id of a run of this process, by task id or run id in lower case."""
        held = self._held.get(self._run_of_task.get(run_or_task_id, run_or_task_id))
        return (
            held.log.record.identity.run_id if held is not None and held.log.record.identity.app_id == app_id else None
        )

    def end_user_of(self, run_id: str) -> str | None:
        """Return who started a run of this process; ``None`` if it has no such run."""
        held = self._held.get(run_id)
        return None if held is None else held.log.record.identity.end_user_id

    def require_open(self) -> None:
        """Raise ``ServerStopping`` if the process is shutting down."""
        if self.is_closing:
            raise ServerStopping

    async def accept(self, run_log: RunLog, workflow: Workflow, events: list[Event]) -> None:
        """Accept a run whose log begins with these events: durable on return. It starts when its turn comes.

        Raises:
            KeyTaken: The idempotency key already has a run. No new one exists.
            TooManyRequests: The app's queue is full.
            ServerStopping: The process is shutting down.
        """
        self.require_open()
        self.admission.require_room(run_log.record.identity.app_id)
        self.memory.require_room()
        self.line_up(run_log, workflow, events)
        await run_log.committed()

    def line_up(self, run_log: RunLog, workflow: Workflow, events: list[Event]) -> None:
        """Write the next events of a queued run."""
        waiting = QueuedRun(run_log, self.admission, self._clock)
        waiting.on_turn = lambda: self.start(self._begin(run_log, waiting, workflow))
        waiting.on_ended = lambda: self._release_when_durable(run_log, waiting)
        run_log.on_lost = waiting.lost
        self._hold(run_log, waiting)
        run_log.append(events)
        waiting.queue_up()

    async def _begin(self, run_log: RunLog, waiting: QueuedRun, workflow: Workflow) -> None:
        """Start a run whose turn has come, and which has its slot."""
        if not await waiting.is_accepted():
            self.admission.leave(run_log.record.identity.app_id)
            return
        state = RunState(workflow.graph)
        state.replay(run_log.events)
        self.launch(run_log, workflow, state, RunBegan(at=self._clock()))

    def go_on(self, run_log: RunLog, workflow: Workflow, state: RunState, first: Event, *answers: FormClosed) -> None:
        """Continue a begun run, without waiting for a slot. Raises ``ServerStopping``: the process is shutting down."""
        self.require_open()
        self.admission.take_back(run_log.record.identity.app_id)
        self.launch(run_log, workflow, state, first, *answers)

    def launch(self, run_log: RunLog, workflow: Workflow, state: RunState, first: Event, *answers: FormClosed) -> None:
        """Execute a run that has a slot, from its state until it ends or pauses."""
        if isinstance(first, RunStarted):
            self.measures.waits.observe(0.0)
            turn = first.turn
        else:
            if isinstance(first, RunBegan):
                self.measures.waits.observe(max(0.0, first.at - run_log.record.created_at))
            turn = state.turn
        runner = Runner(
            state,
            run_log,
            info=run_log.record.identity,
            ports=self._ports,
            limits=self._limits,
            clock=self._clock,
            share=self.share,
            guard=None
            if turn is None or self._guard is None
            else self._guard(run_log.record.identity.app_id, workflow),
        )
        run_log.on_lost = runner.lost
        self._hold(run_log, runner)
        # In the loop's next turn: runs that arrive in one turn are faster one after the other than each within its
        # request. No task of its own: many are over before anything in them had to wait.
        context = _context(run_log, first)
        asyncio.get_running_loop().call_soon(self._begin_running, run_log, runner, first, answers, context)
        run_log.activate(is_kept=turn is not None or self._store.may_lose_commits)

    def require_durable(self) -> None:
        """Let the database confirm the durable events of each run here; see ``RunLog.require_durable``."""
        for run_log, _ in self._held.values():
            run_log.require_durable()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a background task concerning the runs here; ``close`` waits for it."""
        start_task(work, self._tasks)

    @property
    def under_way(self) -> int:
        """Number of running and queued runs."""
        return sum(not runner.has_ended for _, runner in self._held.values())

    async def close(self, grace: float, drain: float) -> int:
        self.is_closing = True
        self.admission.close()
        # Lets the runs launched in this turn begin.
        await asyncio.sleep(0)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        held = list(self._held.values())
        going_on = [runner for _, runner in held if not runner.has_ended]
        if drain:
            for runner in going_on:
                runner.drain()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=drain)
        # Other processes have taken some of the queued runs.
        going_on = [runner for runner in going_on if not (isinstance(runner, QueuedRun) and runner.has_ended)]
        for runner in going_on:
            runner.park()
        written = [asyncio.ensure_future(run_log.committed()) for run_log, _ in held]
        if written:
            await asyncio.wait(written, timeout=_TO_WRITE_SECONDS)
        for (run_log, _), done in zip(held, written, strict=True):
            if not done.done() or done.exception() is not None:
                done.cancel()
                log.error("the last events of run %s could not be written", run_log.record.identity.run_id)
            if run_log.is_accepted:
                run_log.abandon(RunLeft())
            else:
                self.refused.refuse(run_log, "The server is shutting down: the run was not started.")
        await self.refused.close()
        if self._tasks:
            await asyncio.wait(self._tasks)
        # Lets the loop release the last of them.
        await asyncio.sleep(0)
        return len(going_on)

    def _hold(self, run_log: RunLog, runner: Runner | QueuedRun) -> None:
        run_log.record.holder = self._holder
        identity = run_log.record.identity
        self._held[identity.run_id] = RunHandle(run_log, runner)
        self._run_of_task[identity.task_id] = identity.run_id
        if identity.run_id in self.followed:
            self.on_moved(identity.run_id)

    def _begin_running(
        self, run_log: RunLog, runner: Runner, first: Event, answers: Sequence[FormClosed], context: LogContext
    ) -> None:
        # It was scheduled in the turn of another run or request, whose context must not leak in.
        log_context.set(context)
        try:
            if not runner.has_ended:  # parked before it could begin
                runner.begin([first], answers)
        except Exception as error:
            self._engine_failed(run_log, runner, error)
        if runner.has_ended:
            self._run_ended(run_log, runner)
        else:
            self.start(self._run(run_log, runner))

    async def _run(self, run_log: RunLog, runner: Runner) -> None:
        try:
            await runner.wait()
        except Exception as error:
            self._engine_failed(run_log, runner, error)
        self._run_ended(run_log, runner)

    def _end_soon(self, run_id: str, error: str) -> None:
        """End a run that holds too much memory, outside its current step."""
        asyncio.get_running_loop().call_soon(self._end, run_id, error)

    def _end(self, run_id: str, error: str) -> None:
        held = self._held.get(run_id)
        if held is not None and held.runner.stop(error):
            log.warning("run %s is stopped: %s", run_id, error)

    def _engine_failed(self, run_log: RunLog, runner: Runner, error: Exception) -> None:
        log.error("run %s: the engine failed", run_log.record.identity.run_id, exc_info=error)
        runner.lost()
        run_log.append([given_up(run_log.record, f"Internal error: {type(error).__name__}", self._clock())])

    def _run_ended(self, run_log: RunLog, runner: Runner) -> None:
        self.admission.leave(run_log.record.identity.app_id)
        self._release_when_durable(run_log, runner)

    def _release_when_durable(self, run_log: RunLog, runner: Runner | QueuedRun) -> None:
        run_log.when_settled(partial(self._release, run_log, runner))

    def _release(self, run_log: RunLog, runner: Runner | QueuedRun, error: JikkoError | None) -> None:
        run_id = run_log.record.identity.run_id
        try:
            if error is not None:
                raise error
            self.on_durable(run_log)
        except (StartRefused, KeyTaken) as reason:
            # Refused starts are logged once, and each refusal with its request; a repeated start is no loss.
            log.debug("run %s: %s", run_id, reason)
        except JikkoError as reason:
            if isinstance(reason, LogConflict):
                self.measures.lost.add()
            log.warning("run %s: %s", run_id, reason)
        finally:
            # Break the cycle of run and runner: both, with all their events, are freed here and not by the collector.
            run_log.on_lost = None
            run_log.leave()
            # A paused run may have been resumed in the meantime.
            if self._held.get(run_id) == (run_log, runner):
                del self._held[run_id]
                self._run_of_task.pop(run_log.record.identity.task_id, None)
                if run_id in self.followed:
                    self.on_moved(run_id)


def _context(run_log: RunLog, first: Event) -> LogContext:
    begun = run_log.events[0] if run_log.events else first
    identity = run_log.record.identity
    came = begun.trace if isinstance(begun, RunStarted) else ""
    return LogContext(run=identity.run_id, app=identity.app_id, came=came)
