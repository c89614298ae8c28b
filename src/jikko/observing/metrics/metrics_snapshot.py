"""The numbers of a process at one moment, and those of several together."""

from collections.abc import Iterable
from typing import TypeAlias

from jikko.measures import Counter, Histogram, Labels
from jikko.observing.metrics.metrics_table import FAMILIES

Sample: TypeAlias = tuple[str, Labels, list[float]]
"""Name of the metric, its labels, and its value; of a histogram what ``Histogram.values`` has."""
Snapshot: TypeAlias = list[Sample]


def samples(name: str, measure: Counter | Histogram) -> Snapshot:
    """What a measure says, under the name of a metric."""
    # Copies: another thread may add to it.
    if isinstance(measure, Counter):
        return [(name, labels, [value]) for labels, value in dict(measure.values).items()]
    return [(name, labels, list(parts)) for labels, parts in dict(measure.values).items()]


def how_many(name: str, measure: Histogram) -> Snapshot:
    """How many values a histogram has, as a counter."""
    return [(name, labels, [sum(parts[:-1])]) for _, labels, parts in samples(name, measure)]


def by_first(name: str, measure: Histogram) -> Snapshot:
    """A histogram by the first of its labels alone."""
    return merged([[(name, labels[:1], parts) for _, labels, parts in samples(name, measure)]])


def merged(snapshots: Iterable[Snapshot]) -> Snapshot:
    """The numbers of several processes as those of one: added up, but for what all tell alike."""
    together: dict[tuple[str, Labels], list[float]] = {}
    for name, labels, values in (sample for snapshot in snapshots for sample in snapshot):
        key = name, tuple(labels)
        known = together.get(key)
        if known is None:
            together[key] = list(values)
        elif FAMILIES[name].is_shared:
            together[key] = [max(known[0], values[0])]
        elif FAMILIES[name].kind != "info":
            together[key] = [one + other for one, other in zip(known, values, strict=True)]
    return [(name, labels, values) for (name, labels), values in together.items()]


def lasting(snapshot: Snapshot) -> Snapshot:
    """What stays true once the process is gone: how much it did, and not how it was."""
    return [sample for sample in snapshot if FAMILIES[sample[0]].kind in ("counter", "histogram")]
