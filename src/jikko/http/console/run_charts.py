"""Statistics of many runs, for charts that link to the filtered list."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType, field

from jikko.errors import InvalidParam
from jikko.http.console.visitor_gate import ConsoleRequest, VisitorRoute
from jikko.ports.stores.run_pages import SampledRun, Stratum
from jikko.values import Moment

By: TypeAlias = Literal["time", "app", "version", "model", "user"]
Group: TypeAlias = tuple[str, ...]
"""Key of a group: app ID; app and version IDs; model name; user; or, by time, the start of the span as text."""


class Figures(Struct):
    """Statistics of ended runs."""

    runs: float = 0
    failed: float = 0
    tokens: float = 0
    costs: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    took: list[tuple[float, float]] = []
    """Durations of sampled runs in seconds, each with its weight: the number of runs that it stands for."""
    first: list[tuple[float, float]] = []
    """Seconds until the first text of an answer, if any, with weights."""


def at_most(seconds: list[tuple[float, float]], share: float) -> float | None:
    """Return a weighted percentile in seconds; ``None`` without runs. ``seconds``: See ``Figures.took``."""
    seconds.sort()
    wanted = share * sum(weight for _, weight in seconds)
    for each, weight in seconds:
        wanted -= weight
        if wanted <= 1e-9:
            return each
    return seconds[-1][0] if seconds else None


def looked_at(strata: Iterable[Stratum]) -> tuple[int, int]:
    """Return the number of runs, and of those sampled."""
    each = [(sum(stratum.by_status.values()), len(stratum.newest)) for stratum in strata]
    return sum(runs for runs, _ in each), sum(newest for _, newest in each)


def figures_of(strata: Sequence[Stratum], by: By, models: Mapping[str, Collection[str]]) -> dict[Group, Figures]:
    """Compute statistics by group. By time and by app, only durations and tokens are sampled, the rest is exact. A
    sampled run is weighted by the number of runs that it stands for. Strata without samples are represented by
    others of the same span (by time) or of the same app. ``models``: Models by version ID; a run counts for each."""
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
    """Return the span of a stratum by time, else its app."""
    return (repr(stratum.at),) if by == "time" else (stratum.app_id,)


def _of_run(by: By, stratum: Stratum, run: SampledRun, models: Mapping[str, Collection[str]]) -> list[Group]:
    if by == "user":
        return [(run.user,)]
    if by == "version":
        return [(stratum.app_id, run.workflow_id)]
    return [(model,) for model in models.get(run.workflow_id, ())]


_HOUR: Final = 3600.0
_DAY: Final = 86_400.0
_MAX_SPANS: Final = 400
_SAMPLED_SPANS: Final = 24
"""Time spans sampled, unless by time: the newest runs alone would all be of the last version."""
_MAX_GROUPS: Final = 100


class ChartQuery(Struct):
    """Filter and grouping of a chart."""

    by: Annotated[By, Meta(description="Default `time`.")] = "time"
    app: Annotated[str, Meta(description="ID of an app.")] = ""
    after: (
        Annotated[float, Meta(ge=0, description="Created in that hour or later; default: the last 24 hours.")] | None
    ) = None
    before: Annotated[float, Meta(ge=0, description="Created before the end of that hour; default: now.")] | None = None
    hours: Annotated[int, Meta(ge=1, le=8784, description="By time: length of each span in hours; default 1.")] = 1


class ChartPoint(Struct):
    """Statistics of ended runs."""

    name: Annotated[str, Meta(description="Name of the app, model or user; empty by time.")]
    runs: int
    failed: int
    p50: Annotated[float | None, Meta(description="Seconds.")]
    p95: float | None
    first_p50: Annotated[
        float | None, Meta(description="Time to first text in seconds, for runs that answer a message; otherwise null.")
    ]
    first_p95: float | None
    tokens: int
    cost: Annotated[dict[str, str], Meta(description="Decimal numbers by currency.")]
    at: Annotated[Moment | UnsetType, Meta(description="By time: start of the span.")] = UNSET
    app_id: Annotated[str | UnsetType, Meta(description="By app and by version.")] = UNSET
    workflow_id: Annotated[str | UnsetType, Meta(description="By version, like `version`.")] = UNSET
    version: int | UnsetType = UNSET


class RunCharts(Struct, rename={"first": "from"}):
    """Statistics of many runs.

    If only a sample was read, durations, tokens, and figures by version, model and user are extrapolated from the
    newest runs of each time span and app.
    """

    first: Moment
    step: Annotated[float, Meta(description="Length of a span in seconds; unless by time, of the whole range.")]
    runs: Annotated[int, Meta(description="Runs that have ended.")]
    looked_at: int
    data: Annotated[
        list[ChartPoint], Meta(description="By time: all spans in order; otherwise the 100 groups with the most runs.")
    ]


@VisitorRoute("GET", "runs/charts", (400, 503), scope="runs:read")
async def chart_runs(call: ConsoleRequest, asked: ChartQuery) -> RunCharts:
    """Read statistics of many runs: number, errors, duration, time to first text, tokens, cost.

    By time, app, version, model or end user. At most 4,000 runs are sampled; totals are exact.
    """
    listing = call.console.runs
    end = (call.request.api.clock() // _HOUR + 1) * _HOUR
    last = end if asked.before is None else math.ceil(min(asked.before, end) / _HOUR) * _HOUR
    first = (max(last - _DAY, 0.0) if asked.after is None else asked.after) // _HOUR * _HOUR
    # Hours are whole, both ends included.
    if not first < last or (asked.after or 0.0) >= (last if asked.before is None else asked.before):
        raise InvalidParam("before: must be later than after, which must not be in the future")
    hours = asked.hours if asked.by == "time" else math.ceil((last - first) / _HOUR / _SAMPLED_SPANS)
    step = hours * _HOUR
    spans = math.ceil((last - first) / step)
    if spans > _MAX_SPANS:
        raise InvalidParam(f"hours: this range has {spans:,} spans, and at most {_MAX_SPANS} are allowed")
    strata = await listing.pages.strata(asked.app.lower() or None, first=first, last=last, step=step)
    versions = {(stratum.app_id, run.workflow_id) for stratum in strata for run in stratum.newest}
    models = {}
    if asked.by == "model":
        models = {version: await listing.models.of(app_id, version) for app_id, version in versions}
    found = figures_of(strata, asked.by, models)
    if asked.by == "time":
        moments = [first + step * number for number in range(spans)]
        points = [_point("", found.get((repr(at),), Figures()), at=at) for at in moments]
    else:
        largest = sorted(found.items(), key=lambda each: (-each[1].runs, each[0]))[:_MAX_GROUPS]
        names = await listing.names()
        points = [await _named(call, asked.by, group, figures, names) for group, figures in largest]
    return RunCharts(first, step if asked.by == "time" else last - first, *looked_at(strata), points)


async def _named(call: ConsoleRequest, by: By, group: Group, figures: Figures, names: Mapping[str, str]) -> ChartPoint:
    if by not in ("app", "version"):
        return _point(group[0], figures)
    point = _point(names.get(group[0], ""), figures)
    point.app_id = group[0]
    if by == "version":
        point.workflow_id, point.version = group[1], await call.console.runs.number(*group)
    return point


def _point(name: str, figures: Figures, at: float | UnsetType = UNSET) -> ChartPoint:
    return ChartPoint(
        name=name,
        runs=round(figures.runs),
        failed=round(figures.failed),
        p50=at_most(figures.took, 0.5),
        p95=at_most(figures.took, 0.95),
        first_p50=at_most(figures.first, 0.5),
        first_p95=at_most(figures.first, 0.95),
        tokens=round(figures.tokens),
        cost={currency: f"{cost:.6f}" for currency, cost in sorted(figures.costs.items())},
        at=at,
    )
