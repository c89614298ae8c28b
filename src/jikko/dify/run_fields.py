"""The fields of a run that answers and messages about it have in common.
Source: docs/dify-behaviour.md, “Run records”."""

from typing import TypeAlias

from msgspec import Struct

from jikko.events import RunFinished, RunStatus
from jikko.record import DetailRecord, RunRecord
from jikko.values import Seconds, Uuid


class RunTotals(Struct):
    """How a run stands, and what it took: ``elapsed_time`` in seconds, 0 until it ends or pauses."""

    status: RunStatus
    elapsed_time: float
    total_tokens: int
    total_steps: int
    created_at: Seconds


class RunOutcome(RunTotals):
    """How a run stands, whether it has ended and why."""

    error: str | None
    finished_at: Seconds | None


class RunSummary(RunOutcome):
    """A run, without what went in and came out."""

    id: Uuid
    workflow_id: Uuid


Totals: TypeAlias = tuple[RunStatus, float, int, int, int]
State: TypeAlias = tuple[RunStatus, float, int, int, int, str | None, int | None]


def totals(run: RunRecord | DetailRecord) -> Totals:
    """The fields of ``RunTotals``, in their order."""
    return run.status, run.elapsed, run.total_tokens, run.total_steps, int(run.created_at)


def state(run: RunRecord | DetailRecord) -> State:
    """The fields of ``RunOutcome``, in their order; the elapsed time in whole microseconds."""
    return (
        run.status,
        round(run.elapsed, 6),
        run.total_tokens,
        run.total_steps,
        int(run.created_at),
        run.error,
        None if run.finished_at is None else int(run.finished_at),
    )


def end_state(end: RunFinished, created_at: float) -> State:
    """The fields of ``RunOutcome``, in their order, as the end of a run tells them."""
    return end.status, end.elapsed, end.total_tokens, end.total_steps, int(created_at), end.error, int(end.at)
