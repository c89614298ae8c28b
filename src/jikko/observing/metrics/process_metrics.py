"""All numbers of one server process."""

import hashlib
import platform
from pathlib import Path
from typing import Final

from jikko import __version__
from jikko.assemble import Assembly
from jikko.measures import BRIEF_SECONDS, Histogram
from jikko.observing.metrics.request_metrics import RequestMetrics
from jikko.observing.metrics.run_metrics import RunMetrics
from jikko.observing.metrics.snapshot import Snapshot, samples
from jikko.observing.metrics.usage import usage
from jikko.ports.measures import ClusterMeasures

_RECORD: Final = ("record",)


class ProcessMetrics:
    """Gathers what the parts of a process have counted."""

    def __init__(self, *, by_app: bool) -> None:
        """Args:
        by_app: See ``RunMetrics``.
        """
        self.runs = RunMetrics(by_app=by_app)
        self.requests = RequestMetrics()
        self._lag = Histogram(BRIEF_SECONDS)

    def lagged(self, seconds: float) -> None:
        """The event loop was late."""
        self._lag.observe(seconds)

    def snapshot(self, assembly: Assembly) -> Snapshot:
        """The numbers as they are."""
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


def digest_of(file: Path | None) -> str:
    """By what two servers are told apart whose file is not the same: 12 hexadecimal digits, or ``none``."""
    try:
        return "none" if file is None else hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    except OSError:
        return "none"


def _of_cluster(measures: ClusterMeasures | None) -> Snapshot:
    if measures is None:
        return []
    return [
        ("jikko_servers", (), [float(measures.servers())]),
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
    ]


def _with(labels: tuple[str, ...], found: Snapshot) -> Snapshot:
    return [(name, (*labels, *own), values) for name, own, values in found]
