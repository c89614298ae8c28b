"""Verdict of a replay, against the recorded run. Pure functions."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from jikko.events import NodeFinished, RunFinished
from jikko.proving.recording import place_of
from jikko.proving.replayed_run import Divergence, ReplayedRun
from jikko.proving.run_difference import recorded_changes
from jikko.runs.reading.field_changes import ChangedField

ReplayOutcome: TypeAlias = Literal["same", "same_result", "other_result", "fails_now", "works_now", "unknown"]
WORDS: Final[dict[ReplayOutcome, str]] = {
    "same": "same",
    "same_result": "same result by another way",
    "other_result": "other result",
    "fails_now": "fails now",
    "works_now": "was failing, works now",
    "unknown": "unknown",
}
"""In the order of reports."""
_MAX_NODES: Final = 20
"""Maximum number of reported nodes per run."""


class ReplayedResult(Struct, frozen=True, kw_only=True):
    run: str
    outcome: ReplayOutcome
    assumed: int = 0
    """Answers to requests that were others then."""
    asked: int = 0
    """Number of real calls."""
    where: tuple[str, ...] = ()
    """Ids of nodes that differ, first one first."""
    difference: ChangedField | None = None
    """First difference: of the result, or else of a request or a node's outputs."""
    reason: str = ""
    """Why the outcome is unknown."""
    tokens: tuple[int, int] = (0, 0)
    """Recorded and new."""
    price: tuple[Decimal, Decimal] = (Decimal(0), Decimal(0))


def unknown(run_id: str, reason: str) -> ReplayedResult:
    return ReplayedResult(run=run_id, outcome="unknown", reason=reason)


def result_of(replayed: ReplayedRun) -> ReplayedResult:
    recording, stopped = replayed.recording, replayed.stopped
    before = recording.end
    after = next((event for event in reversed(replayed.events) if isinstance(event, RunFinished)), None)
    ways = list(_other_ways(replayed))
    nodes = [divergence.node for divergence in replayed.assumed] + [way.node for way in ways]
    if stopped is not None:
        nodes = [*nodes[: nodes.index(stopped.node)], stopped.node] if stopped.node in nodes else [stopped.node]
    change: ChangedField | None
    if stopped is not None:
        outcome: ReplayOutcome = "unknown" if stopped.reason else "fails_now" if _is_well(before) else "other_result"
        change = None if stopped.reason else stopped.change
    else:
        assert after is not None
        change = next(_changes(before, after, own_files=replayed.asked > 0), None)
        if change is not None:
            outcome = _other(before, after)
        elif found := [*replayed.assumed, *ways]:
            outcome, change = "same_result", found[0].change
        else:
            outcome = "same"
    return ReplayedResult(
        run=recording.identity.run_id,
        outcome=outcome,
        assumed=len(replayed.assumed),
        asked=replayed.asked,
        where=tuple(dict.fromkeys(node for node in nodes if node))[:_MAX_NODES],
        difference=change,
        reason="" if stopped is None else stopped.reason,
        tokens=(before.total_tokens, before.total_tokens if after is None else after.total_tokens),
        price=(_price(before), _price(before if after is None else after)),
    )


def _other(before: RunFinished, after: RunFinished) -> ReplayOutcome:
    if _is_well(before) == _is_well(after):
        return "other_result"
    return "works_now" if _is_well(after) else "fails_now"


def _is_well(end: RunFinished) -> bool:
    return end.status in ("succeeded", "partial-succeeded")


def _changes(before: RunFinished, after: RunFinished, *, own_files: bool) -> Iterator[ChangedField]:
    told = ("status", "error", "outputs")
    old, new = ({name: getattr(end, name) for name in told} for end in (before, after))
    return recorded_changes(old, new, own_files=own_files)


def _other_ways(replayed: ReplayedRun) -> Iterator[Divergence]:
    recording, own_files = replayed.recording, replayed.asked > 0
    seen = set()
    for event in replayed.events:
        if not isinstance(event, NodeFinished):
            continue
        place = place_of(event)
        seen.add(place)
        execution = recording.executions.get(place)
        before = None if execution is None else execution.finished
        if before is None:
            yield Divergence(event.node_id, ChangedField("/ran", False, True))
        elif change := next(recorded_changes(_told(before), _told(event), own_files=own_files), None):
            yield Divergence(event.node_id, change)
    for place, execution in recording.executions.items():
        if place not in seen and execution.finished is not None:
            yield Divergence(execution.finished.node_id, ChangedField("/ran", True, False))


def _told(event: NodeFinished) -> Any:
    # As recorded, with secrets masked, unlike the updates themselves.
    written = event.process_data.get("__updated_variables") if event.updates else None
    return {
        "status": event.status,
        "error": event.error,
        "branch": event.handle,
        "outputs": event.outputs,
        "writes": written,
    }


def _price(end: RunFinished) -> Decimal:
    return Decimal(end.price or 0)
