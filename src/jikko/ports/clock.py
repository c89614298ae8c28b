"""The time of day."""

from collections.abc import Callable

Clock = Callable[[], float]
"""Seconds since the Unix epoch. The real one is ``time.time``; durations are measured by ``time.perf_counter``."""
