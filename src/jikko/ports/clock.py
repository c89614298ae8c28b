"""Time of day."""

from collections.abc import Callable

Clock = Callable[[], float]
"""Seconds since the Unix epoch, usually ``time.time``. Durations are measured with ``time.perf_counter``."""
