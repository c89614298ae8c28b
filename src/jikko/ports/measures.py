"""Measures that the parts of a process take of their work."""

from collections.abc import Callable, Mapping

from msgspec import Struct, field

from jikko.measures import BRIEF_SECONDS, COUNTS, LATENESS, SECONDS, Counter, Histogram


class RecordMeasures(Struct):
    """Of the record: its transactions."""

    seconds: Histogram = field(default_factory=lambda: Histogram(BRIEF_SECONDS, ()))
    """Of each transaction, from its beginning until it is durable."""
    writes: Histogram = field(default_factory=lambda: Histogram(COUNTS, ()))
    """How many writes shared a transaction."""
    errors: Counter = field(default_factory=lambda: Counter(()))
    waiting: Callable[[], int] = lambda: 0
    """How many writes wait for theirs."""
    connections: Callable[[], Mapping[str, int]] = dict
    """Of the pool of a database elsewhere: ``used``, ``idle``, and ``free``, which may be opened. Else nothing."""


class ProgramMeasures(Struct):
    """Of a sandbox: its programs, templates among them."""

    seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS, ()))
    """What each took, from the moment it had its place."""
    refused: Counter = field(default_factory=lambda: Counter(()))
    """Those that were refused since too many waited."""
    waiting: Callable[[], int] = lambda: 0
    """How many wait for a place."""


class ModelMeasures(Struct):
    """Of models: their calls. Providers and models are named as the providers file names them, others ``other``."""

    requests: Counter = field(default_factory=Counter)
    """By provider, model and ``ok`` or the kind of failure."""
    tokens: Counter = field(default_factory=Counter)
    """By provider, model and ``input`` or ``output``."""
    first_token: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    """Seconds from a streamed call to its first text, by provider and model."""


class ClusterMeasures(Struct):
    """Of one of several servers: whether it is in touch with the others."""

    servers: Callable[[], int] = lambda: 0
    """How many servers there are, as this process knows them, its own among them."""
    differing: Callable[[], int] = lambda: 0
    """How many other servers have another configuration than this one."""
    connected: Callable[[], bool] = lambda: False
    """Whether NATS is reached."""
    silence: Callable[[], float] = lambda: 0.0
    """Seconds since this process has received its own heartbeat over NATS."""
    reconnects: Counter = field(default_factory=lambda: Counter(()))
    """How often NATS was reached again."""


class RunMeasures(Struct):
    """What becomes of runs before they begin, and when they change the process."""

    waits: Histogram = field(default_factory=lambda: Histogram(SECONDS, ()))
    """Seconds from a run's acceptance to its beginning."""
    takeovers: Counter = field(default_factory=lambda: Counter(("gone",), ("parked",), ("waited",)))
    """Runs that this process took over, by why: ``gone`` (their process is) or ``parked`` (it ended in good order)."""
    lags: Histogram = field(default_factory=lambda: Histogram(BRIEF_SECONDS, ()))
    """Seconds from when events became durable in another process until they were seen here, where they are followed.
    By the clocks of both."""
    lost: Counter = field(default_factory=lambda: Counter(()))
    """Runs that another process took over from this one."""


class ScheduleMeasures(Struct):
    """Of schedules, in the process that leads."""

    lateness: Histogram = field(default_factory=lambda: Histogram(LATENESS, ()))
    """Seconds from when a due time was to run until its run was durable."""
    missed: Counter = field(default_factory=lambda: Counter(()))
    """Due times that did not run since no server looked in time."""
