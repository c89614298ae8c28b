"""Activity of a run, from its log: the record has it only after the run's end."""

from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from jikko.events import (
    Event,
    NodeFinished,
    NodeStarted,
    RunBegan,
    RunFinished,
    RunParked,
    RunPaused,
    RunRecovered,
    RunResumed,
    RunRetried,
    RunStarted,
    TextChunk,
)


class Activity(Struct):
    """Snapshot of a run."""

    has_begun: bool = False
    """``False`` while it is queued."""
    elapsed: float = 0.0
    """Running time in seconds, without pauses and time without a process."""
    steps: int = 0
    """Number of started nodes."""
    tokens: int = 0
    """Tokens of ended nodes."""
    current: list[str] = field(default_factory=list)
    """Titles of running nodes, in order of start."""
    spent: dict[str, float] = field(default_factory=dict)
    """Seconds of each execution that has not ended by itself, up to now, or to the run's end."""


def activity(log: Iterable[Event], now: float) -> Activity:
    """Return the activity of a run.

    Args:
        log: All its events.
        now: Seconds since the Unix epoch.
    """
    at = Activity()
    open_: dict[str, NodeStarted] = {}
    base, since = 0.0, None
    until = now
    for event in log:
        match event:
            case RunBegan() | RunResumed():
                at.has_begun, since = True, event.at
            case RunRecovered():
                base, since = event.elapsed, event.at
            case RunParked() | RunPaused():
                base, since = event.elapsed, None
            case RunFinished():
                base, since, until = event.elapsed, None, event.at
            case NodeStarted():
                at.has_begun = True
                at.steps += event.execution_id not in open_
                open_[event.execution_id] = event
                since = since or event.at
            case NodeFinished():
                open_.pop(event.execution_id, None)
                at.tokens += event.usage.total_tokens if event.usage is not None and not event.rounds else 0
    at.elapsed = base if since is None else base + max(0.0, until - since)
    at.spent = {execution_id: max(0.0, until - started.at) for execution_id, started in open_.items()}
    if until is now and since is not None:
        at.current = [started.title or started.node_id for started in open_.values()]
    return at


def has_begun(log: Sequence[Event]) -> bool:
    """Return whether a run got its turn, according to its log."""
    for event in reversed(log):
        if isinstance(event, RunRetried):
            return False
        if not isinstance(event, (RunStarted, TextChunk, RunRecovered)):
            return True
    return False
