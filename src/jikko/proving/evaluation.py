"""Metrics and gates of an evaluation. Pure functions."""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from jikko.events import RunFinished
from jikko.proving.case_file import ScoreRule
from jikko.proving.matching import MATCHERS, fits, shown
from jikko.proving.verdict import CaseResult, ObservedRun, ScoredRow


def _part_of(part: int, values: Sequence[float]) -> float:
    """Return the nearest-rank percentile."""
    return sorted(values)[max(0, math.ceil(part / 100 * len(values)) - 1)]


OWN: Final = ("passed", "seconds", "tokens", "price", "model_calls", "nodes")
"""Metrics of each row besides its scores."""
_OF_ALL: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "mean": lambda values: math.fsum(values) / len(values),
    "min": min,
    "max": max,
    "sum": math.fsum,
    **{f"p{part}": partial(_part_of, part) for part in (50, 90, 95, 99)},
}
_BOUND: Final = re.compile(rf"({'|'.join(_OF_ALL)})\(([^()\s]+)\)\s*(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)")
_NO_WORSE: Final = re.compile(r"no worse than (\S+)(?: within (\d+(?:\.\d+)?))?")
_ROUNDING: Final = 1e-9


class Baseline(Struct, frozen=True):
    means: dict[str, float]


class Bound(NamedTuple):
    """Gate on an aggregate over all rows."""

    of_all: str
    measure: str
    sign: str
    value: float


class NoWorse(NamedTuple):
    """Gate on the scores of an earlier evaluation."""

    file: str
    within: float


def gate_of(text: str) -> Bound | NoWorse | None:
    """Parse a gate; ``None`` if it is invalid."""
    if found := _BOUND.fullmatch(text.strip()):
        return Bound(found[1], found[2], found[3], float(found[4]))
    if found := _NO_WORSE.fullmatch(text.strip()):
        return NoWorse(found[1], float(found[2] or 0))
    return None


def has_succeeded(run: ObservedRun) -> bool:
    """Return whether a run succeeded, at least partially."""
    end = run.events[-1] if run.events else None
    return isinstance(end, RunFinished) and end.status in ("succeeded", "partial-succeeded")


def value_of(run: ObservedRun, output: str) -> Any:
    """Return the value to score: an output, or by default the answer of a chat, the only output, or all of them. Raises
    ``KeyError`` if there is no such output."""
    end = run.events[-1] if run.events else None
    outputs: Mapping[str, Any] = end.outputs if isinstance(end, RunFinished) else {}
    if output:
        return outputs[output]
    if run.answer is not None:
        return run.answer
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs


def matcher_of(rule: ScoreRule) -> dict[str, Any]:
    """Return the matcher of a score; empty if it has none."""
    given: dict[str, Any] = msgspec.to_builtins(rule)
    return {name: value for name, value in given.items() if name in MATCHERS}


def matched(rule: ScoreRule, value: Any) -> float:
    return float(fits(matcher_of(rule), value))


def measures_of(result: CaseResult) -> dict[str, float]:
    """Return the metrics of a run, without scores."""
    ends = [event for run in result.runs for event in run.events if isinstance(event, RunFinished)]
    return {
        "passed": float(result.outcome == "passed"),
        "seconds": math.fsum(end.elapsed for end in ends),
        "tokens": float(sum(end.total_tokens for end in ends)),
        "price": math.fsum(float(end.price or 0) for end in ends),
        "model_calls": float(sum(run.model_calls for run in result.runs)),
        "nodes": float(len(result.path)),
    }


def summary_of(rows: Iterable[ScoredRow]) -> dict[str, dict[str, float]]:
    """Return mean, minimum, maximum, sum and percentiles of each metric, over the rows without an error."""
    return {
        name: {of_all: compute(values) for of_all, compute in _OF_ALL.items()}
        for name, values in _columns(rows).items()
    }


def unmet(gate: Bound | NoWorse, rows: Sequence[ScoredRow], baseline: Baseline | None) -> Iterator[str]:
    """Yield why a gate fails, in sentences. ``baseline``: For ``NoWorse``; ``None`` if missing."""
    values = _columns(rows)
    if isinstance(gate, Bound):
        if not values.get(gate.measure):
            yield f"no row has {gate.measure}"
            return
        found = _OF_ALL[gate.of_all](values[gate.measure])
        if not _holds(found, gate.sign, gate.value):
            yield f"expected {gate.of_all}({gate.measure}) {gate.sign} {gate.value:g}, got {found:.6g}"
        return
    if baseline is None:
        yield f"no {gate.file} yet; `jikko test --update` writes it"
        return
    for name, before in baseline.means.items():
        if name in OWN or name not in values:
            continue
        now = _OF_ALL["mean"](values[name])
        if now < before - gate.within - _ROUNDING:
            yield f"mean({name}) is {now:.6g}, and was {before:.6g} in {gate.file}"


def judged(answer: str) -> tuple[float, str]:
    """Parse score and reason from a judge's answer. Raises ``ValueError`` without a score from 0 to 1."""
    at = answer.find("{")
    try:
        found = json.JSONDecoder().raw_decode(answer[at:])[0] if at >= 0 else {"score": float(answer.strip())}
        score = float(found["score"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"the judge gave no score: {shown(answer)}") from None
    if not 0 <= score <= 1:
        raise ValueError(f"the judge gave a score that is not from 0 to 1: {shown(answer)}")
    return score, str(found.get("reason", ""))


def _columns(rows: Iterable[ScoredRow]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.measures.items():
            found.setdefault(name, []).append(value)
    return found


def _holds(value: float, sign: str, bound: float) -> bool:
    match sign:
        case ">=":
            return value >= bound - _ROUNDING
        case "<=":
            return value <= bound + _ROUNDING
        case ">":
            return value > bound
        case _:
            return value < bound
