"""Limits of one run."""

from msgspec import Struct


class RunLimits(Struct, frozen=True, kw_only=True):
    """Limits of one run. A run that breaks one is stopped with an error that names it.

    Source: docs/dify-behaviour.md, “Status, counters and limits” (500 steps, 1200 s).
    """

    max_steps: int = 100_000
    """Nodes that may start, those in rounds of containers included."""
    max_seconds: float = 3600.0
    """How long the run may take in all; time that it is paused does not count."""
    max_parallel_nodes: int = 256
    """Nodes that may be under way at once; others wait for their turn. Containers do not count, but what is in them."""
    max_recoveries: int = 3
    """How often a run may be taken over while the same node is under way. Source: design.md §1 rule 4."""
