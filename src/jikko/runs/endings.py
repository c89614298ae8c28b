"""How a run ends that its engine cannot end: it cannot go on, or its log cannot be written."""

from jikko.errors import LogUnwritable
from jikko.events import RunFinished
from jikko.record import RunRecord


def given_up(record: RunRecord, error: str, now: float) -> RunFinished:
    """The end of a run that cannot go on."""
    return RunFinished(
        at=now,
        status="failed",
        error=error,
        elapsed=max(0.0, now - record.created_at),
    )


def unwritable(error: BaseException) -> LogUnwritable:
    """The error of a run whose events cannot be written. Clients see it, so it does not quote values of the run."""
    if isinstance(error, RecursionError):
        return LogUnwritable("The log of the run cannot be written: a value in it is nested too deep.")
    kind = type(error).__name__
    return LogUnwritable(f"The log of the run cannot be written: {kind}. The log of the server says more.")
