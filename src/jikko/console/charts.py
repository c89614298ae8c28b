"""Figures of many runs, by time and by what the runs are of: from totals, and from a sample of the runs."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct, field

from jikko.ports.stores.run_pages import SampledRun, Stratum

By: TypeAlias = Literal["time", "app", "version", "model", "user"]
Group: TypeAlias = tuple[str, ...]
"""Of what runs are: id of an app; ids of an app and a version; name of a model; user of the requests. By time: where
the span begins, as text."""


class Figures(Struct):
    """Of some runs that have ended."""

    runs: float = 0
    failed: float = 0
    tokens: float = 0
    costs: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """By currency."""
    took: list[tuple[float, float]] = []
    """Seconds of runs that were looked at, each with the number of runs that it stands for."""
    first: list[tuple[float, float]] = []
    """Seconds until the first text of an answer, of those that have one, in the same way."""


def at_most(seconds: list[tuple[float, float]], share: float) -> float | None:
    """Seconds that a share of runs took at most; ``None``: there is none. ``seconds``: see ``Figures.took``."""
    seconds.sort()
    wanted = share * sum(weight for _, weight in seconds)
    for each, weight in seconds:
        wanted -= weight
        if wanted <= 1e-9:
            return each
    return seconds[-1][0] if seconds else None


def looked_at(strata: Iterable[Stratum]) -> tuple[int, int]:
    """How many runs there were, and how many of them were looked at."""
    each = [(sum(stratum.by_status.values()), len(stratum.newest)) for stratum in strata]
    return sum(runs for runs, _ in each), sum(newest for _, newest in each)


def figures_of(strata: Sequence[Stratum], by: By, models: Mapping[str, Collection[str]]) -> dict[Group, Figures]:
    """Figures by group. A run of a sample stands for as many as it is one of: by time and by app only what runs took
    and their tokens are of the sample; what else there is by all. Where no run of a stratum was looked at, others stand
    for it: by time those of its span, else of its app.
    ``models``: those of each version, by its id: a run counts for each."""
    found: dict[Group, Figures] = defaultdict(Figures)
    every, told = Counter[Group](), Counter[Group]()
    for stratum in strata:
        runs = sum(stratum.by_status.values())
        every[_of_stratum(by, stratum)] += runs
        told[_of_stratum(by, stratum)] += runs if stratum.newest else 0
    for stratum in strata:
        group = _of_stratum(by, stratum)
        whole = found[group] if by in ("time", "app") else None
        runs = sum(stratum.by_status.values())
        if whole is not None:
            whole.runs += runs
            whole.failed += stratum.by_status.get("failed", 0)
            for currency, cost in stratum.costs.items():
                whole.costs[currency] += cost
        weight = runs / len(stratum.newest) * every[group] / told[group] if stratum.newest else 0.0
        for run in stratum.newest:
            for figures in [whole] if whole is not None else [found[one] for one in _of_run(by, stratum, run, models)]:
                figures.tokens += weight * run.tokens
                figures.took.append((run.elapsed, weight))
                if run.first_text is not None:
                    figures.first.append((run.first_text, weight))
                if whole is None:
                    figures.runs += weight
                    figures.failed += weight * (run.status == "failed")
                    if run.price:
                        amount, _, currency = run.price.partition(" ")
                        figures.costs[currency] += weight * float(amount)
    return found


def _of_stratum(by: By, stratum: Stratum) -> Group:
    """Of what its runs are, as far as they are of one; else their app."""
    return (repr(stratum.at),) if by == "time" else (stratum.app_id,)


def _of_run(by: By, stratum: Stratum, run: SampledRun, models: Mapping[str, Collection[str]]) -> list[Group]:
    if by == "user":
        return [(run.user,)]
    if by == "version":
        return [(stratum.app_id, run.workflow_id)]
    return [(model,) for model in models.get(run.workflow_id, ())]
