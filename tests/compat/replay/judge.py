"""Comparison of a transcript with a case's expectations: differences with their levels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from . import events as event_names
from .cases import Case, JsonObject, Step
from .execute import Transcript
from .levels import Level, Path, level_of
from .match import MISSING, UNEXPECTED, Difference, compare
from .symbols import Bindings


@dataclass(frozen=True)
class Finding:
    """Difference with its place and level."""

    level: Level
    step: str
    path: Path
    expected: Any
    got: Any


def judge(case: Case, transcript: Transcript) -> list[Finding]:
    """Return all findings of a case, in step order."""
    bindings = Bindings()
    for symbol, value in transcript.known.items():
        bindings.bind(symbol, value)
    return [f for step in case.all_steps for f in judge_step(step, transcript.replies.get(step.name), bindings)]


def applicable_levels(case: Case) -> set[Level]:
    """Return the levels with expectations in a case."""
    levels = {Level.RESULT}
    for step in case.all_steps:
        levels |= {Level.RECORD} if step.kind != "api" else set()
        levels |= {Level.STREAM} if "events" in (step.expect or {}) else set()
        levels |= {Level.TEXT} if _has_wording(step.expect) else set()
    return levels


def judge_step(step: Step, reply: JsonObject | None, bindings: Bindings) -> Iterator[Finding]:
    """Yield the findings of one step."""
    expect = step.expect or {}
    if reply is None or "error" in reply:
        got = MISSING if reply is None else reply["error"]
        for level in {level_of(step.kind, ("status",)), *([Level.STREAM] if "events" in expect else [])}:
            yield Finding(level, step.name, ("status",), expect.get("status"), got)
        return
    plain = {k: v for k, v in expect.items() if k not in ("events", "precedence")}
    plain_reply = {k: v for k, v in reply.items() if k != "events"}
    for difference in compare(plain, plain_reply, bindings):
        yield _finding(step, difference, None)
    if "events" in expect:
        yield from _judge_events(step, expect, reply.get("events") or [], bindings)
    elif "events" in reply:
        yield Finding(
            level_of(step.kind, ("body",)), step.name, ("events",), UNEXPECTED, f"{len(reply['events'])} events"
        )


def _judge_events(step: Step, expect: JsonObject, got: list[JsonObject], bindings: Bindings) -> Iterator[Finding]:
    """Match events by name, compare each pair, then check the order."""
    expected = expect["events"]
    got = event_names.coalesce(got)
    names, got_names = event_names.keys(expected), event_names.keys(got)
    places = {name: place for place, name in enumerate(got_names)}
    for index, (name, event) in enumerate(zip(names, expected, strict=True)):
        if name in places:
            for difference in compare(_bare(event), got[places[name]], bindings, ("events", index)):
                yield _finding(step, difference, event.get("event"))
        elif not event.get("$optional"):
            yield _stream_finding(step, index, event, name, MISSING)
    for name, place in places.items():
        if name not in set(names):
            yield _stream_finding(step, place, got[place], UNEXPECTED, name)
    yield from _judge_order(step, expect, names, places)


def _judge_order(step: Step, expect: JsonObject, names: list[str], places: dict[str, int]) -> Iterator[Finding]:
    """Check that events come in the expected order, or respect the precedence pairs if there are any."""
    chain = [i for i, name in enumerate(names) if name in places]
    pairs = expect["precedence"] if "precedence" in expect else list(pairwise(chain))
    for before, after in pairs:
        if names[before] in places and names[after] in places and places[names[before]] > places[names[after]]:
            wanted, found = f"{names[before]} < {names[after]}", f"{names[after]} < {names[before]}"
            yield Finding(Level.STREAM, step.name, ("events", after, "$order"), wanted, found)


def _stream_finding(step: Step, index: int, event: JsonObject, expected: Any, got: Any) -> Finding:
    """Report a missing or surplus event; one that ends the stream also changes the result."""
    if step.kind == "talk":
        level = level_of("talk", ("events", index, "answer"), event.get("event"))
    else:
        level = level_of("stream", ("events", index, "data", "status"), event.get("event"))
    return Finding(level, step.name, ("events", index), expected, got)


def _finding(step: Step, difference: Difference, event: str | None) -> Finding:
    """Assign a level to a difference."""
    level = Level.TEXT if difference.wording else level_of(step.kind, difference.path, event)
    return Finding(level, step.name, difference.path, difference.expected, difference.got)


def _bare(event: JsonObject) -> JsonObject:
    """Return an expected event without its markers."""
    return {k: v for k, v in event.items() if k != "$optional"}


def _has_wording(value: Any) -> bool:
    """Return whether an expectation contains a text that counts at L4."""
    if isinstance(value, dict):
        return "$text" in value or any(_has_wording(v) for v in value.values())
    return isinstance(value, list) and any(_has_wording(v) for v in value)
