"""What sees the runs and requests of a server process."""

from collections.abc import Sequence
from typing import Any

from jikko.http.observer import RequestObserver
from jikko.observing.metrics.process_metrics import ProcessMetrics
from jikko.observing.request_lines import RequestLines
from jikko.observing.run_lines import RunLines
from jikko.runs.observer import RunObserver, RunObservers
from jikko.settings import Settings


class Observers:
    """Those of one process, as the settings want them."""

    def __init__(self, settings: Settings) -> None:
        self.metrics = ProcessMetrics(by_app=settings.metrics_by_app) if settings.metrics_port else None
        """``None``: nothing is counted."""
        lines = RunLines(each=settings.log_runs)
        self.runs: RunObserver = lines if self.metrics is None else RunObservers(lines, self.metrics.runs)
        requests: list[RequestObserver] = (
            [] if settings.log_requests == "none" else [RequestLines(settings.log_requests)]
        )
        self.requests: Sequence[RequestObserver] = (
            requests if self.metrics is None else [*requests, self.metrics.requests]
        )

    def snapshot(self, assembly: Any) -> Any:
        """What was counted in the process."""
        return [] if self.metrics is None else self.metrics.snapshot(assembly)
