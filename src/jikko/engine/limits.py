"""Limits of one run."""

from msgspec import Struct


class RunLimits(Struct, frozen=True, kw_only=True):
    """Limits of one run. A run that exceeds one is stopped with an error that names it.

    Source: docs/dify-behaviour.md, “Status, counters and limits” (500 steps, 1200 s).
    """

    max_steps: int = 100_000
    """Maximum number of started nodes, including those in rounds of containers."""
    max_seconds: float = 3600.0
    """Maximum duration in seconds, without pauses."""
    max_parallel_nodes: int = 256
    """Maximum number of concurrent nodes; others wait. Containers do not count, but their content does."""
    max_recoveries: int = 3
    """Maximum number of takeovers while the same node is running. Source: design.md §1 rule 4."""
