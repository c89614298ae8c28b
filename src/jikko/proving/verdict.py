"""Verdict of a test case: its run's log against the expectations. Pure functions."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, TypeAlias

from msgspec import Struct, field

from jikko.events import Event, NodeAttempted, NodeFinished, NodeStarted, RunFinished, RunPaused
from jikko.proving.case_file import Expectation, NodeExpectation, RunBudget, is_given
from jikko.proving.matching import mismatches, shown

Outcome: TypeAlias = Literal["passed", "failed", "error", "skipped"]
"""``error``: the workflow cannot be judged: an unanswered call, or rejected inputs."""


class ObservedRun(Struct, frozen=True, kw_only=True):
    events: list[Event]
    run_id: str = ""
    answer: str | None = None
    """Of a chat."""
    model_calls: int = 0
    waits_for: tuple[str, ...] = ()
    """Ids of the nodes whose forms are open."""


class CaseProblem(Struct, frozen=True):
    where: str
    """Path in ``expect``."""
    text: str
    node: str = ""
    """Id of the node concerned."""


class CaseResult(Struct, kw_only=True):
    file: str
    name: str
    line: int = 0
    outcome: Outcome = "passed"
    seconds: float = 0.0
    problems: list[CaseProblem] = field(default_factory=list)
    path: list[str] = field(default_factory=list)
    """Titles of the nodes in starting order."""
    runs: list[ObservedRun] = field(default_factory=list)
    reason: str = ""
    """Why it was skipped."""
    rows: list["ScoredRow"] = field(default_factory=list)
    """Of an evaluation."""
    present: "CaseResult | None" = None
    """Result of the file's own version, when tested against another."""


class ScoredRow(Struct, kw_only=True):
    name: str
    measures: dict[str, float] = {}
    """Scores from 0 to 1, and resource usage, by name."""
    error: str = ""
    """Why the row cannot be scored; then there are no measures."""


class NodeNames:
    def __init__(self, titles: Mapping[str, str]) -> None:
        self.titles = titles
        self._ids: dict[str, set[str]] = {}
        for node_id, title in titles.items():
            self._ids.setdefault(title or node_id, set()).add(node_id)

    def ids(self, name: str) -> set[str]:
        """Return the nodes of that id or title; an id takes precedence."""
        return {name} if name in self.titles else self._ids.get(name, set())

    def all(self) -> list[str]:
        return list(dict.fromkeys([*self._ids, *self.titles]))

    def title(self, node_id: str) -> str:
        return self.titles.get(node_id) or node_id


def started(events: Iterable[Event]) -> list[str]:
    """Return node ids in starting order; a restart after a form does not count."""
    seen: dict[str, str] = {}
    for event in events:
        if isinstance(event, NodeStarted):
            seen.setdefault(event.execution_id, event.node_id)
    return list(seen.values())


def problems_of(expect: Expectation, run: ObservedRun, names: NodeNames) -> Iterator[CaseProblem]:
    end = next((event for event in reversed(run.events) if isinstance(event, (RunFinished, RunPaused))), None)
    status = end.status if isinstance(end, RunFinished) else "paused"
    error = end.error if isinstance(end, RunFinished) else None
    yield from _of_status(expect, run, status, end, names)
    outputs = dict(end.outputs) if isinstance(end, RunFinished) else {}
    ended_well = status in ("succeeded", "partial-succeeded")
    if is_given(expect.outputs) and (ended_well or expect.status):
        yield from (CaseProblem(where, text) for where, text in mismatches(expect.outputs, outputs, "outputs"))
    if is_given(expect.answer) and (ended_well or expect.status):
        yield from (CaseProblem(where, text) for where, text in mismatches(expect.answer, run.answer, "answer"))
    if is_given(expect.error):
        yield from (CaseProblem(where, text) for where, text in mismatches(expect.error, error, "error"))
    path = started(run.events)
    yield from _of_path(expect, path, names)
    for name, wanted in expect.nodes.items():
        yield from _of_node(name, wanted, run.events, names)
    yield from _of_budget(expect.budget, run, len(path))


def _of_status(
    expect: Expectation, run: ObservedRun, status: str, end: RunFinished | RunPaused | None, names: NodeNames
) -> Iterator[CaseProblem]:
    fails = is_given(expect.error) and expect.error is not None
    wanted = expect.status or ("failed" if fails else "paused" if expect.waits_for else "succeeded")
    fits = status == wanted or (status == "partial-succeeded" and wanted == "succeeded" and not expect.status)
    if not fits:
        failed = getattr(end, "failed_node", None)
        why = ""
        if status == "paused":
            titles = ", ".join(map(names.title, run.waits_for))
            why = f": it waits for the form of {titles}; answer it in `forms`, or expect it by `waits_for`"
        elif isinstance(end, RunFinished) and end.error:
            why = f": {end.error}"
        node = "" if failed is None else failed.node_id
        yield CaseProblem("status", f"expected {wanted}, got {status}{why}", node)
    if expect.waits_for and not names.ids(expect.waits_for) & {*run.waits_for} and fits:
        waits = ", ".join(map(names.title, run.waits_for)) or "nothing"
        yield CaseProblem("waits_for", f"expected {expect.waits_for!r}, the run waits for {waits}")


def _of_path(expect: Expectation, path: list[str], names: NodeNames) -> Iterator[CaseProblem]:
    at = 0
    for name in expect.path:
        ids = names.ids(name)
        found = next((index for index in range(at, len(path)) if path[index] in ids), None)
        if found is None:
            why = "ran earlier" if ids & {*path} else "did not run"
            yield CaseProblem("path", f"expected {' → '.join(expect.path)}, but {name!r} {why}", next(iter(ids), ""))
            break
        at = found + 1
    for name in expect.not_run:
        if ids := names.ids(name) & {*path}:
            yield CaseProblem("not_run", f"{name!r} ran", next(iter(ids)))


def _of_node(name: str, wanted: NodeExpectation, events: list[Event], names: NodeNames) -> Iterator[CaseProblem]:
    ids = names.ids(name)
    where = f"nodes.{name}"
    finished = [event for event in events if isinstance(event, NodeFinished) and event.node_id in ids]
    node = next(iter(ids), "")
    if wanted.runs is not None and len(finished) != wanted.runs:
        yield CaseProblem(f"{where}.runs", f"expected {wanted.runs}, got {len(finished)}", node)
    if not finished:
        if wanted.runs is None:
            yield CaseProblem(where, "the node did not run", node)
        return
    last = finished[-1]
    if wanted.status and last.status != wanted.status:
        why = f": {last.error}" if last.error else ""
        yield CaseProblem(f"{where}.status", f"expected {wanted.status}, got {last.status}{why}", node)
    if wanted.attempts is not None:
        attempts = 1 + sum(
            isinstance(event, NodeAttempted) and event.execution_id == last.execution_id for event in events
        )
        if attempts != wanted.attempts:
            yield CaseProblem(f"{where}.attempts", f"expected {wanted.attempts}, got {attempts}", node)
    seen: tuple[tuple[str, Any, Any], ...] = (
        ("inputs", wanted.inputs, last.inputs),
        ("outputs", wanted.outputs, last.outputs),
        ("error", wanted.error, last.error),
    )
    for field_name, expected, actual in seen:
        if is_given(expected):
            found = mismatches(expected, actual, f"{where}.{field_name}")
            yield from (CaseProblem(path, text, node) for path, text in found)


def _of_budget(budget: RunBudget, run: ObservedRun, nodes: int) -> Iterator[CaseProblem]:
    # Each turn of a conversation is a run; a run that only pauses has its totals in its last pause.
    finished = [event for event in run.events if isinstance(event, RunFinished)]
    ends = finished or [event for event in run.events if isinstance(event, RunPaused)][-1:]
    used: dict[str, tuple[float | None, float]] = {
        "model_calls": (budget.model_calls, run.model_calls),
        "tokens": (budget.tokens, sum(end.total_tokens for end in ends)),
        "price": (budget.price, sum(float(end.price or 0) for end in finished)),
        "seconds": (budget.seconds, sum(end.elapsed for end in ends)),
        "nodes": (budget.nodes, nodes),
    }
    for name, (most, count) in used.items():
        if most is not None and count > most:
            yield CaseProblem(f"budget.{name}", f"expected at most {shown(most)}, got {shown(round(count, 9))}")
