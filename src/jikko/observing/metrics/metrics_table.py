"""Table of all metrics with their labels, and snapshots of one or several processes. Metric names are defined only
here."""

import os
import resource
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from jikko.measures import BRIEF_SECONDS, COUNTS, LATENESS, SECONDS, Counter, Histogram, Labels

OTHER: Final = "other"
"""Label for everything without a label of its own."""
MAX_APPS: Final = 200
"""Maximum number of apps with labels of their own."""


class Family(Struct, frozen=True):
    """One metric with all its labels."""

    kind: Literal["counter", "gauge", "histogram", "info"]
    """``info`` is a gauge of 1 with informative labels, the same in all processes of a server."""
    about: str
    labels: tuple[str, ...] = ()
    bounds: Sequence[float] = ()
    """Upper bounds of a histogram's buckets."""
    is_shared: bool = False
    """Gauge that all processes of a server report alike; the maximum counts."""


def _counter(about: str, *labels: str) -> Family:
    return Family("counter", about, labels)


def _gauge(about: str, *labels: str) -> Family:
    return Family("gauge", about, labels)


def _seconds(about: str, *labels: str, bounds: Sequence[float] = SECONDS) -> Family:
    return Family("histogram", about, labels, bounds)


FAMILIES: Final[dict[str, Family]] = {
    "jikko_runs_started_total": _counter("Runs that were accepted.", "mode"),
    "jikko_runs_triggered_total": _counter("Runs that triggers started.", "trigger"),
    "jikko_runs_finished_total": _counter("Runs that ended.", "status"),
    "jikko_run_seconds": _seconds("From acceptance to the end of a run, pauses left out.", "status"),
    "jikko_run_wait_seconds": _seconds("From acceptance to the beginning of a run."),
    "jikko_runs": _gauge("Runs that are active, queued, or waiting for a human.", "state"),
    "jikko_nodes_finished_total": _counter("Executions of nodes that ended.", "type", "status"),
    "jikko_node_seconds": _seconds("What executions of nodes took.", "type"),
    "jikko_model_requests_total": _counter("Calls of models that ended.", "provider", "model", "status"),
    "jikko_model_tokens_total": _counter("Tokens of calls of models.", "provider", "model", "direction"),
    "jikko_model_first_token_seconds": _seconds("From a streamed call to its first text.", "provider", "model"),
    "jikko_http_requests_total": _counter("Requests that were answered.", "route", "status"),
    "jikko_http_request_seconds": _seconds("Durations of responses that are not streams.", "route"),
    "jikko_streams": _gauge("Clients that follow a stream."),
    "jikko_store_commit_seconds": _seconds("What transactions took.", "kind", bounds=BRIEF_SECONDS),
    "jikko_store_batch_size": Family("histogram", "Writes that shared a transaction.", ("kind",), COUNTS),
    "jikko_store_queue": _gauge("Writes that wait.", "kind"),
    "jikko_store_errors_total": _counter("Transactions that failed.", "kind"),
    "jikko_takeovers_total": _counter("Runs that were taken over from a process that had them.", "why"),
    "jikko_event_lag_seconds": _seconds(
        "From when events were durable until another process that follows their run saw them.", bounds=BRIEF_SECONDS
    ),
    "jikko_lost_total": _counter("Runs that another process took over though this one still had them."),
    "jikko_orphans": _gauge("Open runs of processes that are gone."),
    "jikko_members": _gauge("Processes that accept requests."),
    "jikko_servers": Family("gauge", "Servers that share the work, as this one knows them.", is_shared=True),
    "jikko_differing_servers": Family(
        "gauge", "Other servers whose configuration is not that of this one.", is_shared=True
    ),
    "jikko_nats_connected": _gauge("Processes that reach NATS."),
    "jikko_nats_reconnects_total": _counter("Times that NATS was reached again."),
    "jikko_heartbeat_age_seconds": Family(
        "gauge", "For how long a process has not heard itself over NATS.", is_shared=True
    ),
    "jikko_postgres_connections": _gauge("Connections of the pools to PostgreSQL.", "state"),
    "jikko_sandbox_seconds": _seconds("What programs and templates took, waiting left out."),
    "jikko_sandbox_waiting": _gauge("Programs that wait for a place."),
    "jikko_sandbox_refused_total": _counter("Programs that were refused since too many waited."),
    "jikko_callbacks_pending": _gauge("Callbacks that are due and not delivered."),
    "jikko_callbacks_oldest_seconds": _gauge("For how long the oldest of these has been tried."),
    "jikko_callbacks_failed_total": _counter("Attempts to deliver a callback that failed."),
    "jikko_schedule_lateness_seconds": _seconds(
        "How much later than due runs of schedules were durable.", bounds=LATENESS
    ),
    "jikko_schedule_missed_total": _counter("Due times of schedules that did not run since no server looked in time."),
    "jikko_deliveries_dead": _gauge("Deliveries of webhooks whose runs failed, the last retry too."),
    "jikko_loop_lag_seconds": _seconds("How late the event loop is.", bounds=BRIEF_SECONDS),
    "jikko_app_runs_finished_total": _counter("Runs that ended, by app.", "app", "status"),
    "jikko_app_tokens_total": _counter("Tokens of runs that ended, by app.", "app"),
    "jikko_build_info": Family("info", "What serves.", ("version", "python", "store")),
    "jikko_config_info": Family("info", "A digest of the providers file.", ("providers_hash",)),
    "process_cpu_seconds_total": _counter("Processor time of all processes of the server."),
    "process_resident_memory_bytes": _gauge("Memory of all processes of the server."),
    "process_open_fds": _gauge("Open files and sockets of all processes of the server."),
    "process_start_time_seconds": _gauge("When the server started, in seconds since the Unix epoch."),
}


Sample: TypeAlias = tuple[str, Labels, list[float]]
"""Metric name, labels, and value; for a histogram its ``Histogram.values``."""
Snapshot: TypeAlias = list[Sample]


def samples(name: str, measure: Counter | Histogram) -> Snapshot:
    """Return the samples of a measure, under a metric's name."""
    # Copies: other threads may add values.
    if isinstance(measure, Counter):
        return [(name, labels, [value]) for labels, value in dict(measure.values).items()]
    return [(name, labels, list(parts)) for labels, parts in dict(measure.values).items()]


def how_many(name: str, measure: Histogram) -> Snapshot:
    """Return a histogram's count of values, as a counter."""
    return [(name, labels, [sum(parts[:-1])]) for _, labels, parts in samples(name, measure)]


def by_first(name: str, measure: Histogram) -> Snapshot:
    """Return a histogram aggregated by its first label."""
    return merged([[(name, labels[:1], parts) for _, labels, parts in samples(name, measure)]])


def merged(snapshots: Iterable[Snapshot]) -> Snapshot:
    """Merge the snapshots of several processes: sums, except for shared gauges."""
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
    """Return what remains valid after the process has ended: counters and histograms, not gauges."""
    return [sample for sample in snapshot if FAMILIES[sample[0]].kind in ("counter", "histogram")]


def usage() -> Snapshot:
    """Return this process's resource usage."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    found: Snapshot = [("process_cpu_seconds_total", (), [used.ru_utime + used.ru_stime])]
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        found.append(("process_resident_memory_bytes", (), [float(pages * resource.getpagesize())]))
        found.append(("process_open_fds", (), [float(len(os.listdir("/proc/self/fd")) - 1)]))
    except OSError:
        pass  # not Linux
    return found


def of_server(members: int, began: float) -> Snapshot:
    """Return the metrics of the server as a whole. ``members``: Processes that accept requests. ``began``: Start time,
    by ``time.time``."""
    return [("jikko_members", (), [float(members)]), ("process_start_time_seconds", (), [began])]
