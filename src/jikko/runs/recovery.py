"""Taking over runs whose process died."""

import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from jikko.apps.versions import Workflow, Workflows
from jikko.engine.event_factory import recovered
from jikko.errors import InvalidDocument, LogDamaged, NotFound, TooManyRequests
from jikko.ports.app_store import AppStore
from jikko.ports.clock import Clock
from jikko.ports.run_store import RunStore
from jikko.record import RunRecord
from jikko.runs.damaged_runs import end_damaged, replayed
from jikko.runs.endings import given_up
from jikko.runs.executor import Executor
from jikko.runs.queued_run import has_begun
from jikko.runs.run_log import RunLog

log = logging.getLogger(__name__)


async def workflow_of(live: RunLog, *, apps: AppStore, workflows: Workflows, clock: Clock) -> Workflow | None:
    """The workflow of a run that is to go on. ``None``: it is not to be had any more, and the log has its end."""
    owner = live.record.owner
    try:
        app = await apps.app(owner.app_id)
        if app is None:
            raise NotFound("The app of the run was deleted.")
        return await workflows.get(app, owner.workflow_id)
    except (NotFound, InvalidDocument) as error:
        live.append([given_up(live.record, f"The run could not go on: {error}", clock())])
        return None


@dataclass(frozen=True, slots=True)
class TakenOver:
    """Open runs that a process found."""

    count: int
    """How many there were. One whose log is damaged has failed. One that cannot be taken over for another reason is
    logged, and stays open."""
    _told: Sequence[tuple[RunLog, int]]
    """Those that go on, or were ended, with how long the log of each is once it says so."""

    async def durable(self) -> None:
        """Wait until the records name this process as the holder."""
        for live, count in self._told:
            # One that cannot be written was told of by then, or is another process's.
            with contextlib.suppress(Exception):
                await live.committed(count)


async def recover(
    *,
    store: RunStore,
    apps: AppStore,
    workflows: Workflows,
    executions: Executor,
    clock: Clock,
    concerned: Callable[[RunRecord], bool],
) -> TakenOver:
    """Go on with the open runs that are concerned. Those that had begun go on first, the others line up behind them.

    Raises:
        TooManyRequests: The process is about to end.
    """

    async def take_over(record: RunRecord) -> None:
        run_id = record.owner.run_id
        events = await store.events(run_id)
        live = RunLog(store, record, events)
        workflow = await workflow_of(live, apps=apps, workflows=workflows, clock=clock)
        if workflow is None:
            told.append((live, len(events) + 1))
            return
        state = replayed(workflow, events, run_id)
        event = recovered(state, record.epoch + 1, clock(), events[-1].at)
        if has_begun(events):
            executions.go_on(live, workflow, state, event)
        else:
            waiting.append(partial(executions.line_up, live, workflow, [event]))
        told.append((live, len(events) + 1))

    records = [record for record in await store.open_runs() if concerned(record)]
    waiting: list[Callable[[], None]] = []
    told: list[tuple[RunLog, int]] = []
    for record in records:
        try:
            try:
                await take_over(record)
            except LogDamaged as damage:
                await end_damaged(store, record, damage, clock())
        except TooManyRequests:
            # This process ends; whoever comes next takes over what is left.
            raise
        except Exception:
            log.exception("run %s cannot be taken over", record.owner.run_id)
    for line_up in waiting:
        line_up()
    return TakenOver(len(records), told)
