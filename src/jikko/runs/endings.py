"""Ends of runs that their engine cannot end: a run cannot continue, or its log cannot be written or read.

Ending a log does not require reading it.
"""

import logging
from typing import Literal

import msgspec

from jikko.apps.versions import Workflow
from jikko.engine.state import RunState
from jikko.errors import LogConflict, LogDamaged, LogUnwritable
from jikko.events import Event, RunFinished
from jikko.ports.stores.messages import MessageAnswer
from jikko.ports.stores.run_store import Append, RunStore, TurnChanged, new_mark
from jikko.record import RunRecord

log = logging.getLogger(__name__)


def given_up(record: RunRecord, error: str, now: float) -> RunFinished:
    """Return the end of a run that cannot continue."""
    return RunFinished(at=now, status="failed", error=error, elapsed=max(0.0, now - record.created_at))


def unwritable(error: BaseException) -> LogUnwritable:
    """Return the error of a run whose events cannot be written. Clients see it, so it quotes no values of the run."""
    if isinstance(error, LogUnwritable):
        return error
    if isinstance(error, RecursionError):
        return LogUnwritable("The log of the run cannot be written: a value in it is nested too deep.")
    kind = type(error).__name__
    return LogUnwritable(f"The log of the run cannot be written: {kind}. See the log of the server.")


def replayed(workflow: Workflow, events: list[Event], run_id: str) -> RunState:
    """Return the state of a run from its log. Raises ``LogDamaged``: its events are inconsistent."""
    state = RunState(workflow.graph)
    try:
        state.replay(events)
    except Exception as error:
        what = f"its events do not follow from one another ({type(error).__name__})"
        raise LogDamaged(f"The log of run {run_id} is damaged: {what}.", what=what, readable=events) from error
    return state


async def end_damaged(store: RunStore, record: RunRecord, damage: LogDamaged, now: float) -> None:
    """Fail an open run without a process. Durable on return.

    Raises:
        LogConflict: Another process has ended or continued it.
        StoreUnavailable: The database could not be written.
    """
    log.error("run %s ends as failed: %s", record.identity.run_id, damage)
    error = f"The run could not continue: its log is damaged: {damage.what}. Retry the run from its inputs."
    await append_end(store, record, "failed", error, now)


async def append_end(
    store: RunStore, record: RunRecord, status: Literal["failed", "stopped"], error: str, now: float
) -> None:
    """Append a run's end to its log, even if the log is damaged.

    Args:
        record: The open run's record, as read before.

    Raises:
        LogConflict, StoreUnavailable: See ``end_damaged``.
    """
    run_id = record.identity.run_id
    at = await store.log_end(run_id)
    # After the position, by which anything newer than this record is refused.
    current = await store.record(run_id)
    if current is None or (current.status, current.epoch) != (record.status, record.epoch):
        raise LogConflict(f"Run {run_id} has moved since its record was read.")
    record = current
    end = RunFinished(
        at=now,
        status=status,
        error=error,
        elapsed=record.elapsed or (0.0 if status == "stopped" else max(0.0, now - record.created_at)),
        total_tokens=record.total_tokens,
        total_steps=record.total_steps,
    )
    after = msgspec.structs.replace(record, wake_at=None)
    after.apply(end)
    answer = MessageAnswer(status="error", error=f"Run failed: {error}") if status == "failed" else MessageAnswer()
    # Its answer is unreadable; without effect for a run that answers no message.
    of_turn = (TurnChanged(answer=answer),)
    await store.append(Append(run_id, at, [end], after, of_turn, new_mark()))
