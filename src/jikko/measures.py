"""Metrics of parts of a process: counters and histograms, read on demand.

Each is written by one thread, and may be read from others: a reader may see the last addition in one number and not yet
in the next.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, TypeAlias

Labels: TypeAlias = tuple[str, ...]
"""Label values of a series, each from a closed set, such as node types."""

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0)
"""Buckets for durations of runs and requests."""
BRIEF_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Buckets for delays of disks and event loops."""
LATENESS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0, 3600.0)
"""Buckets for late starts."""
COUNTS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)


class Counter:
    """Counters that only grow, by labels."""

    __slots__ = ("values",)

    def __init__(self, *known: Labels) -> None:
        """``known``: Labels that start at 0."""
        self.values: dict[Labels, float] = dict.fromkeys(known, 0.0)

    def add(self, *labels: str, count: float = 1) -> None:
        self.values[labels] = self.values.get(labels, 0) + count


class Histogram:
    """Histograms, by labels."""

    __slots__ = ("bounds", "values")

    def __init__(self, bounds: Sequence[float], *known: Labels) -> None:
        """``bounds``: Upper bounds of the buckets, inclusive, ascending; there is one bucket more above the last.
        ``known``: See ``Counter``."""
        self.bounds = bounds
        self.values: dict[Labels, list[float]] = {labels: self._nothing() for labels in known}
        """Count of each bucket, then the sum of all values."""

    def observe(self, value: float, *labels: str) -> None:
        parts = self.values.get(labels)
        if parts is None:
            parts = self.values[labels] = self._nothing()
        parts[bisect_left(self.bounds, value)] += 1
        parts[-1] += value

    def median(self, *labels: str) -> float | None:
        """Return the approximate median, interpolated within its bucket; ``None`` without values. At most the last
        bound."""
        parts = self.values.get(labels, [])[:-1]
        half = sum(parts) / 2
        lower = 0.0
        for upper, count in zip(self.bounds, parts, strict=False):
            if half and count >= half:
                return lower + (upper - lower) * half / count
            half -= count
            lower = upper
        return lower if sum(parts) else None

    def _nothing(self) -> list[float]:
        return [0.0] * (len(self.bounds) + 2)
