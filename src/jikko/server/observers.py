"""Observers of a server process's runs and requests."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from jikko.assemble.assembly import Assembly
from jikko.http.request_observer import RequestObserver
from jikko.observing.log_lines import RequestLines, RunLines
from jikko.observing.traces.export import SpanExport, is_wanted
from jikko.runs.observer import RunObserver, RunObservers
from jikko.settings import Settings

if TYPE_CHECKING:
    from jikko.observing.metrics.process_metrics import ProcessMetrics


class Observers:
    """Observers of one process, as configured by the settings."""

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        """``environment``: Such as ``os.environ``: OpenTelemetry has its own variables. Raises ``InvalidSettings``:
        tracing is enabled, and its endpoint is not a URL or its libraries are not installed."""
        self.metrics = _metrics(settings) if settings.metrics_port else None
        """``None`` if metrics are off."""
        self._traces = _traces(settings) if is_wanted(environment) else None
        runs: list[RunObserver] = [RunLines(each=settings.log_runs)]
        requests: list[RequestObserver] = []
        if settings.log_requests != "none":
            requests.append(RequestLines(settings.log_requests))
        if self.metrics is not None:
            runs.append(self.metrics.runs)
            requests.append(self.metrics.requests)
        if self._traces is not None:
            runs.append(self._traces)
        self.runs: RunObserver = runs[0] if len(runs) == 1 else RunObservers(*runs)
        self.requests: Sequence[RequestObserver] = requests

    def snapshot(self, assembly: Assembly) -> Any:
        return [] if self.metrics is None else self.metrics.snapshot(assembly)

    def at_work(self, assembly: Assembly) -> AbstractAsyncContextManager[None]:
        """Trace runs that end during the block, if enabled."""
        return nullcontext() if self._traces is None else self._traces.at_work(assembly.store, assembly.apps)


def _metrics(settings: Settings) -> "ProcessMetrics":
    from jikko.observing.metrics.process_metrics import ProcessMetrics

    return ProcessMetrics(by_app=settings.metrics_by_app)


def _traces(settings: Settings) -> Any:
    from jikko.observing.traces.run_traces import RunTraces

    return RunTraces(SpanExport(), settings.trace_ratio, content=settings.trace_content)
