"""Activity of a run, by its log: the record has it only once the run ends."""

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
    """A run at a moment."""

    has_begun: bool = False
    """``False`` while it waits for its turn."""
    elapsed: float = 0.0
    """Seconds that it has been running, pauses and the time without a process left out."""
    steps: int = 0
    """Nodes that started."""
    tokens: int = 0
    """Of the nodes that ended."""
    current: list[str] = field(default_factory=list)
    """Titles of the nodes that run, in order of start."""
    spent: dict[str, float] = field(default_factory=dict)
    """Seconds of each execution that has not ended by itself, up to the moment, or to the end of the run."""


def activity(log: Iterable[Event], now: float) -> Activity:
    """What a run is at.

    Args:
        log: Its events, from the first on.
        now: The moment, in seconds since the Unix epoch.
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
    """Whether a run got its turn, to judge by its log."""
    for event in reversed(log):
        if isinstance(event, RunRetried):
            return False
        if not isinstance(event, (RunStarted, TextChunk, RunRecovered)):
            return True
    return False
