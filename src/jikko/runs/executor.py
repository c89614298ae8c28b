"""The runs that this process executes, or will when it is their turn."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from jikko.apps.versions import Workflow
from jikko.concurrency.loop_share import LoopShare
from jikko.engine.limits import RunLimits
from jikko.engine.runner import Runner
from jikko.engine.state import RunState
from jikko.errors import JikkoError, RunLeft, StoreUnavailable, TooManyRequests
from jikko.events import Event, FormClosed, RunBegan, RunStarted
from jikko.ports.clock import Clock
from jikko.ports.node_ports import NodePorts
from jikko.ports.stores.projections import Projection
from jikko.ports.stores.run_store import RunStore
from jikko.ports.text_guard import TextGuard
from jikko.record import RunRecord
from jikko.runs.admission import Admission
from jikko.runs.endings import given_up
from jikko.runs.observer import RunObserver
from jikko.runs.queued_run import QueuedRun
from jikko.runs.run_log import RunLog
from jikko.runs.start_options import StartOptions

log = logging.getLogger(__name__)


class HeldRun(NamedTuple):
    """A run of this process: under way, or waiting for its turn."""

    log: RunLog
    runner: Runner | QueuedRun


class Executor:
    """Runs under way and runs that wait, by run id."""

    def __init__(
        self,
        store: RunStore,
        services: NodePorts,
        limits: RunLimits,
        admission: Admission,
        clock: Clock,
        *,
        holder: str = "",
        observer: RunObserver | None = None,
        guard: Callable[[str, Workflow], TextGuard | None] | None = None,
    ) -> None:
        """Args:
        holder: What this process is called in the records of its runs.
        observer: For the logs of all runs that come to this process.
        guard: Makes what looks at the text of one run of a workflow that answers a message.
        """
        self._guard = guard
        self.admission = admission
        self._holder = holder
        self._store = store
        self._observer = observer
        self._services = services
        self._limits = limits
        self._clock = clock
        self._share = LoopShare()
        self._live: dict[str, HeldRun] = {}
        self._run_of_task: dict[str, str] = {}
        """Ids of the same runs, by task id."""
        self.on_settled: Callable[[RunLog], None] = lambda log: None
        """Called once everything that happened in a run is durable, and nothing more will in this process."""
        self.on_moved: Callable[[str], None] = lambda run_id: None
        """Called with the id of a run that has come to this process, or left it."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def log_of(
        self,
        record: RunRecord,
        events: list[Event] | None = None,
        *,
        options: StartOptions | None = None,
        opening: Sequence[Projection] = (),
    ) -> RunLog:
        """The log of a run that is to come to this process; see ``RunLog``. All are made here, and so observed."""
        return RunLog(
            self._store, record, events, options=options, opening=opening, observer=self._observer, share=self._share
        )

    def find(self, run_id: str) -> HeldRun | None:
        """A run of this process."""
        return self._live.get(run_id)

    def run_of(self, app_id: str, run_or_task_id: str) -> str | None:
        """The id of a run of this process, by its task id or by its own, both in lower case."""
        held = self._live.get(self._run_of_task.get(run_or_task_id, run_or_task_id))
        return (
            held.log.record.identity.run_id if held is not None and held.log.record.identity.app_id == app_id else None
        )

    @property
    def is_closing(self) -> bool:
        """Whether the process is about to end."""
        return self._closing

    def require_open(self) -> None:
        """Raises:
        TooManyRequests: The process is about to end.
        """
        if self._closing:
            raise TooManyRequests("The server is shutting down; try again in a moment.")

    async def accept(self, live: RunLog, workflow: Workflow, events: list[Event]) -> None:
        """Accept a run whose log begins with these events: durable when this returns. It goes on when it is its turn.

        Raises:
            KeyTaken: The idempotency key has a run already. There is no new one.
            TooManyRequests: The queue of the app is full, or the process is about to end.
        """
        self.require_open()
        self.admission.require_room(live.record.identity.app_id)
        self.line_up(live, workflow, events)
        await live.committed()

    def line_up(self, live: RunLog, workflow: Workflow, events: list[Event]) -> None:
        """Write the next events of a run that waits for its turn."""
        waiting = QueuedRun(live, self.admission, self._clock)
        waiting.on_turn = lambda: self._task(self._begin(live, waiting, workflow))
        waiting.on_ended = lambda: self._task(self._settle(live, waiting))
        live.on_lost = waiting.lost
        self._hold(live, waiting)
        live.append(events)
        waiting.queue_up()

    async def _begin(self, live: RunLog, waiting: QueuedRun, workflow: Workflow) -> None:
        """It is a run's turn, and it has its slot."""
        if not await waiting.is_accepted():
            self.admission.leave(live.record.identity.app_id)
            return
        state = RunState(workflow.graph)
        state.replay(live.events)
        self.launch(live, workflow, state, RunBegan(at=self._clock()))

    def go_on(self, live: RunLog, workflow: Workflow, state: RunState, first: Event, *answers: FormClosed) -> None:
        """Let a run go on that had begun before: it does not wait for a slot.

        Raises:
            TooManyRequests: The process is about to end.
        """
        self.require_open()
        self.admission.take_back(live.record.identity.app_id)
        self.launch(live, workflow, state, first, *answers)

    def launch(self, live: RunLog, workflow: Workflow, state: RunState, first: Event, *answers: FormClosed) -> None:
        """Execute a run that has a slot, from its state on, until it ends or pauses."""
        turn = first.turn if isinstance(first, RunStarted) else state.turn
        runner = Runner(
            state,
            live,
            info=live.record.identity,
            services=self._services,
            limits=self._limits,
            clock=self._clock,
            share=self._share,
            guard=None if turn is None or self._guard is None else self._guard(live.record.identity.app_id, workflow),
        )
        live.on_lost = runner.lost
        self._hold(live, runner)
        self._task(self._run(live, runner, first, answers))

    async def close(self, grace: float) -> int:
        """See ``Runs.close``."""
        self._closing = True
        self.admission.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        held = list(self._live.values())
        going_on = [runner for _, runner in held if not runner.has_ended]
        for runner in going_on:
            runner.park()
        written = [asyncio.ensure_future(live.committed()) for live, _ in held]
        if written:
            await asyncio.wait(written, timeout=max(1.0, grace))
        for (live, _), done in zip(held, written, strict=True):
            if not done.done() or done.exception() is not None:
                done.cancel()
                log.error("the end of the log of run %s could not be written", live.record.identity.run_id)
            lost = StoreUnavailable("The server is shutting down, and the run could not be written.")
            live.abandon(RunLeft() if live.is_accepted else lost)
        if self._tasks:
            await asyncio.wait(self._tasks)
        return len(going_on)

    def _hold(self, live: RunLog, runner: Runner | QueuedRun) -> None:
        live.record.holder = self._holder
        identity = live.record.identity
        self._live[identity.run_id] = HeldRun(live, runner)
        self._run_of_task[identity.task_id] = identity.run_id
        self.on_moved(identity.run_id)

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, live: RunLog, runner: Runner, first: Event, answers: Sequence[FormClosed]) -> None:
        try:
            if not runner.has_ended:  # parked before this task had its first turn
                await runner.run([first], answers)
        except Exception as error:
            log.exception("run %s: the engine failed", live.record.identity.run_id)
            runner.lost()
            live.append([given_up(live.record, f"Internal error: {type(error).__name__}", self._clock())])
        self.admission.leave(live.record.identity.app_id)
        await self._settle(live, runner)

    async def _settle(self, live: RunLog, runner: Runner | QueuedRun) -> None:
        """Wait until the end of a run is durable, then forget it."""
        run_id = live.record.identity.run_id
        try:
            await live.committed()
            self.on_settled(live)
        except JikkoError as error:
            log.warning("run %s: %s", run_id, error)
        finally:
            # Run and runner know each other by it; both, and all their events, are freed here and not by the collector.
            live.on_lost = None
            # A paused run may have been resumed meanwhile.
            if self._live.get(run_id) == (live, runner):
                del self._live[run_id]
                self._run_of_task.pop(live.record.identity.task_id, None)
                self.on_moved(run_id)
