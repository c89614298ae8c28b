"""What the events of runs tell, as numbers."""

from jikko.events import NodeFinished, RunFinished, RunStarted
from jikko.measures import SECONDS, Counter, Histogram
from jikko.observing.metrics.snapshot import Snapshot, by_first, how_many, samples
from jikko.record import RunIdentity
from jikko.runs.observer import RunObserver


class RunMetrics(RunObserver):
    """Counts runs and nodes, as their events become durable."""

    def __init__(self, *, by_app: bool) -> None:
        """Args:
        by_app: Whether to count by app, too.
        """
        self._by_app = by_app
        self._started = Counter()
        self._runs = Histogram(SECONDS)
        """By status."""
        self._nodes = Histogram(SECONDS)
        """By type and status: one look for how many there were, and what they took."""
        self._of_app = Counter()
        self._tokens_of_app = Counter()

    def started(self, run: RunIdentity, event: RunStarted) -> None:
        self._started.add("inner" if event.depth else "chat" if event.turn is not None else "workflow")

    def node_ended(self, run: RunIdentity, event: NodeFinished) -> None:
        self._nodes.observe(event.elapsed, event.node_type, event.status)

    def ended(self, run: RunIdentity, event: RunFinished) -> None:
        self._runs.observe(event.elapsed, event.status)
        if self._by_app:
            self._of_app.add(run.app_id, event.status)
            self._tokens_of_app.add(run.app_id, count=event.total_tokens)

    def snapshot(self) -> Snapshot:
        """The numbers as they are."""
        return [
            *samples("jikko_runs_started_total", self._started),
            *how_many("jikko_runs_finished_total", self._runs),
            *samples("jikko_run_seconds", self._runs),
            *how_many("jikko_nodes_finished_total", self._nodes),
            *by_first("jikko_node_seconds", self._nodes),
            *samples("jikko_app_runs_finished_total", self._of_app),
            *samples("jikko_app_tokens_total", self._tokens_of_app),
        ]
