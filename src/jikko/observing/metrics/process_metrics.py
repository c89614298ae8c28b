"""Metrics of one server process."""

import platform
from typing import Final

from jikko import __version__
from jikko.apps.end_users import triggered_from
from jikko.assemble import Assembly
from jikko.assemble.configuration import digest_of
from jikko.events import NodeFinished, RunFinished, RunStarted
from jikko.http.request_observer import RequestObserver
from jikko.http.requests import Request
from jikko.http.responses import Headers
from jikko.measures import BRIEF_SECONDS, SECONDS, Counter, Histogram
from jikko.observing.metrics.metrics_table import Snapshot, by_first, how_many, merged, samples, usage
from jikko.ports.measures import ClusterMeasures
from jikko.record import RunIdentity
from jikko.runs.observer import RunObserver

_RECORD: Final = ("record",)


class ProcessMetrics:
    """Collects the counts of a process's parts."""

    def __init__(self, *, by_app: bool) -> None:
        """``by_app``: see ``RunMetrics``."""
        self.runs = RunMetrics(by_app=by_app)
        self.requests = RequestMetrics()
        self._lag = Histogram(BRIEF_SECONDS)

    def lagged(self, seconds: float) -> None:
        """Record event loop lag."""
        self._lag.observe(seconds)

    def snapshot(self, assembly: Assembly) -> Snapshot:
        measures, tally = assembly.measures, assembly.measures.tally.counts
        record, programs, models = measures.record, measures.programs, measures.models
        store = "postgresql" if assembly.settings.database_url else "sqlite"
        build = (__version__, platform.python_version(), store)
        return [
            *self.runs.snapshot(),
            *self.requests.snapshot(),
            *samples("jikko_run_wait_seconds", measures.runs.waits),
            ("jikko_runs", ("running",), [float(measures.admission.running)]),
            ("jikko_runs", ("waiting",), [float(measures.admission.queued())]),
            *samples("jikko_takeovers_total", measures.runs.takeovers),
            *samples("jikko_event_lag_seconds", measures.runs.lags),
            *samples("jikko_lost_total", measures.runs.lost),
            *_with(_RECORD, samples("jikko_store_commit_seconds", record.seconds)),
            *_with(_RECORD, samples("jikko_store_batch_size", record.writes)),
            ("jikko_store_queue", _RECORD, [float(record.waiting())]),
            *_with(_RECORD, samples("jikko_store_errors_total", record.errors)),
            *samples("jikko_model_requests_total", models.requests),
            *samples("jikko_model_tokens_total", models.tokens),
            *samples("jikko_model_first_token_seconds", models.first_token),
            *samples("jikko_sandbox_seconds", programs.seconds),
            *samples("jikko_sandbox_refused_total", programs.refused),
            ("jikko_sandbox_waiting", (), [float(programs.waiting())]),
            *samples("jikko_callbacks_failed_total", measures.failed_callbacks),
            *samples("jikko_schedule_lateness_seconds", measures.schedules.lateness),
            *samples("jikko_schedule_missed_total", measures.schedules.missed),
            *samples("jikko_loop_lag_seconds", self._lag),
            *_of_cluster(measures.cluster),
            *(
                ("jikko_postgres_connections", (state,), [float(count)])
                for state, count in record.connections().items()
            ),
            *_of_all(tally),
            ("jikko_build_info", build, [1.0]),
            ("jikko_config_info", (digest_of(assembly.settings.providers),), [1.0]),
            *usage(),
        ]


def _of_cluster(measures: ClusterMeasures | None) -> Snapshot:
    if measures is None:
        return []
    return [
        ("jikko_servers", (), [float(measures.servers())]),
        ("jikko_differing_servers", (), [float(measures.differing())]),
        ("jikko_nats_connected", (), [float(measures.connected())]),
        *samples("jikko_nats_reconnects_total", measures.reconnects),
        ("jikko_heartbeat_age_seconds", (), [measures.silence()]),
    ]


def _of_all(tally: dict[str, float]) -> Snapshot:
    if not tally:
        return []
    return [
        ("jikko_runs", ("paused",), [tally["paused"]]),
        ("jikko_orphans", (), [tally["orphans"]]),
        ("jikko_callbacks_pending", (), [tally["callbacks"]]),
        ("jikko_callbacks_oldest_seconds", (), [tally["oldest"]]),
        ("jikko_deliveries_dead", (), [tally["dead"]]),
    ]


def _with(labels: tuple[str, ...], found: Snapshot) -> Snapshot:
    return [(name, (*labels, *own), values) for name, own, values in found]


# What the events of runs tell, as numbers.


class RunMetrics(RunObserver):
    """Counts runs and nodes as their events become durable."""

    def __init__(self, *, by_app: bool) -> None:
        """``by_app``: Whether to count by app, too."""
        self._by_app = by_app
        self._started = Counter()
        self._triggered = Counter()
        """By kind of trigger."""
        self._runs = Histogram(SECONDS)
        """By status."""
        self._nodes = Histogram(SECONDS)
        """By type and status: one lookup for count and duration."""
        self._of_app = Counter()
        self._tokens_of_app = Counter()

    def started(self, run: RunIdentity, event: RunStarted) -> None:
        self._started.add("inner" if event.depth else "chat" if event.turn is not None else "workflow")
        if event.entry and (kind := triggered_from(run.app_id, run.end_user_id)) is not None:
            self._triggered.add(kind)

    def node_ended(self, run: RunIdentity, event: NodeFinished) -> None:
        self._nodes.observe(event.elapsed, event.node_type, event.status)

    def ended(self, run: RunIdentity, event: RunFinished) -> None:
        self._runs.observe(event.elapsed, event.status)
        if self._by_app:
            self._of_app.add(run.app_id, event.status)
            self._tokens_of_app.add(run.app_id, count=event.total_tokens)

    def snapshot(self) -> Snapshot:
        return [
            *samples("jikko_runs_started_total", self._started),
            *samples("jikko_runs_triggered_total", self._triggered),
            *how_many("jikko_runs_finished_total", self._runs),
            *samples("jikko_run_seconds", self._runs),
            *how_many("jikko_nodes_finished_total", self._nodes),
            *by_first("jikko_node_seconds", self._nodes),
            *samples("jikko_app_runs_finished_total", self._of_app),
            *samples("jikko_app_tokens_total", self._tokens_of_app),
        ]


# Requests as numbers.

_NO_ROUTE = "none"
_STREAM = (b"content-type", b"text/event-stream")


class RequestMetrics(RequestObserver):
    """Counts requests by operation and class of status, their durations, and open streams."""

    def __init__(self) -> None:
        self._answers = Histogram(SECONDS)
        """By route and class of status, without streams."""
        self._streamed = Counter()
        """Likewise, of ended streams."""
        self._streams: set[Request] = set()

    def responding(self, request: Request, status: int, headers: Headers) -> None:
        operation = request.operation
        if operation is not None and operation.streams and _is_stream(headers):
            self._streams.add(request)

    def ended(self, request: Request, status: int | None, size: int, seconds: float) -> None:
        operation = request.operation
        route = _NO_ROUTE if operation is None else operation.path
        if request in self._streams:
            self._streams.discard(request)
            self._streamed.add(route, _kind(status))
        else:
            self._answers.observe(seconds, route, _kind(status))

    def snapshot(self) -> Snapshot:
        name = "jikko_http_requests_total"
        return [
            *merged([how_many(name, self._answers), samples(name, self._streamed)]),
            *by_first("jikko_http_request_seconds", self._answers),
            ("jikko_streams", (), [float(len(self._streams))]),
        ]


def _is_stream(headers: Headers) -> bool:
    return any(name == _STREAM[0] and value.startswith(_STREAM[1]) for name, value in headers)


def _kind(status: int | None) -> str:
    """Return the class of a status; the exact status for overload and failures of the record."""
    if status is None:
        return "left"
    return str(status) if status in (429, 503) else f"{status // 100}xx"
