"""Metrics of a process's components."""

from collections.abc import Callable, Mapping

from msgspec import Struct, field

from jikko.measures import BRIEF_SECONDS, COUNTS, LATENESS, SECONDS, Counter, Histogram


class RecordMeasures(Struct):
    """Metrics of the record's transactions."""

    seconds: Histogram = field(default_factory=lambda: Histogram(BRIEF_SECONDS, ()))
    """Duration of each transaction, until it is durable."""
    writes: Histogram = field(default_factory=lambda: Histogram(COUNTS, ()))
    """Writes per transaction."""
    errors: Counter = field(default_factory=lambda: Counter(()))
    waiting: Callable[[], int] = lambda: 0
    """Writes waiting for their transaction."""
    connections: Callable[[], Mapping[str, int]] = dict
    """Connection pool of an external database: ``used``, ``idle``, ``free`` (may be opened); else empty."""


class ProgramMeasures(Struct):
    """Metrics of a sandbox's programs, templates included."""

    seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS, ()))
    """Duration of each program, without time in the queue."""
    refused: Counter = field(default_factory=lambda: Counter(()))
    """Programs refused because the queue was full."""
    waiting: Callable[[], int] = lambda: 0
    """Programs in the queue."""


class ModelMeasures(Struct):
    """Metrics of model calls. Labels name the providers and models of the providers file; others are ``other``."""

    requests: Counter = field(default_factory=Counter)
    """By provider, model and ``ok`` or the kind of failure."""
    tokens: Counter = field(default_factory=Counter)
    """By provider, model and ``input`` or ``output``."""
    first_token: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    """Seconds from a streaming call to its first text, by provider and model."""


class ClusterMeasures(Struct):
    """Metrics of a server's connection to the other servers."""

    servers: Callable[[], int] = lambda: 0
    """Servers known to this process, including its own."""
    differing: Callable[[], int] = lambda: 0
    """Other servers with a different configuration."""
    connected: Callable[[], bool] = lambda: False
    """True while connected to NATS."""
    silence: Callable[[], float] = lambda: 0.0
    """Seconds since this process last received its own heartbeat over NATS."""
    reconnects: Counter = field(default_factory=lambda: Counter(()))


class RunMeasures(Struct):
    """Metrics of queued runs, and of runs that change processes."""

    waits: Histogram = field(default_factory=lambda: Histogram(SECONDS, ()))
    """Seconds from a run's acceptance to its start."""
    takeovers: Counter = field(default_factory=lambda: Counter(("gone",), ("parked",), ("waited",)))
    """Runs that this process took over, by reason: ``gone`` (process died), ``parked`` (graceful shutdown) or
    ``waited`` (for their turn there)."""
    lags: Histogram = field(default_factory=lambda: Histogram(BRIEF_SECONDS, ()))
    """Seconds from when followed events became durable in another process until seen here, by the clocks of both."""
    lost: Counter = field(default_factory=lambda: Counter(()))
    """Runs of this process that another took over."""


class ScheduleMeasures(Struct):
    """Metrics of schedules, in the leader."""

    lateness: Histogram = field(default_factory=lambda: Histogram(LATENESS, ()))
    """Seconds from a due time until its run was durable."""
    missed: Counter = field(default_factory=lambda: Counter(()))
    """Due times missed because no server checked in time."""
