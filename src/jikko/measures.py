"""Counts and durations that parts of a process keep of themselves, to be read when asked for.

Each is touched by one thread, and may be read from another: a reader may see the last addition in one number and not
yet in the next.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, TypeAlias

Labels: TypeAlias = tuple[str, ...]
"""What tells the numbers of one measure apart: values of a closed set each, such as types of nodes."""

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0)
"""Bounds for what runs and requests take."""
BRIEF_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Bounds for what a disk or an event loop takes."""
LATENESS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0, 3600.0)
"""Bounds for how much later than due something begins."""
COUNTS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)


class Counter:
    """Numbers that only grow, by labels."""

    __slots__ = ("values",)

    def __init__(self, *known: Labels) -> None:
        """``known``: labels that are there before anything was counted, with 0."""
        self.values: dict[Labels, float] = dict.fromkeys(known, 0.0)

    def add(self, *labels: str, count: float = 1) -> None:
        self.values[labels] = self.values.get(labels, 0) + count


class Histogram:
    """How often values were how large, by labels."""

    __slots__ = ("bounds", "values")

    def __init__(self, bounds: Sequence[float], *known: Labels) -> None:
        """``bounds``: the upper bounds, each inclusive, in rising order; above the last there is one part more.
        ``known``: see ``Counter``."""
        self.bounds = bounds
        self.values: dict[Labels, list[float]] = {labels: self._nothing() for labels in known}
        """For each part how many values fell into it; then the sum of all values."""

    def observe(self, value: float, *labels: str) -> None:
        parts = self.values.get(labels)
        if parts is None:
            parts = self.values[labels] = self._nothing()
        parts[bisect_left(self.bounds, value)] += 1
        parts[-1] += value

    def median(self, *labels: str) -> float | None:
        """About the middle of all values, as if those between two bounds lay evenly; ``None`` if there are none.

        At most the last bound.
        """
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
