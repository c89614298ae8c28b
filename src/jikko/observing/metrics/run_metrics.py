"""What the events of runs tell, as numbers."""

from jikko.events import NodeFinished, RunFinished, RunStarted
from jikko.measures import SECONDS, Counter, Histogram
from jikko.observing.metrics.snapshot import Snapshot, samples
from jikko.record import RunOwner
from jikko.runs.observer import RunObserver


class RunMetrics(RunObserver):
    """Counts runs and nodes, as their events become durable."""

    def __init__(self, *, by_app: bool) -> None:
        """Args:
        by_app: Whether to count by app, too.
        """
        self._by_app = by_app
        self._started = Counter()
        self._finished = Counter()
        self._seconds = Histogram(SECONDS)
        self._nodes = Counter()
        self._node_seconds = Histogram(SECONDS)
        self._of_app = Counter()
        self._tokens_of_app = Counter()

    def started(self, run: RunOwner, event: RunStarted) -> None:
        self._started.add("inner" if event.depth else "chat" if event.turn is not None else "workflow")

    def node_ended(self, run: RunOwner, event: NodeFinished) -> None:
        self._nodes.add(event.node_type, event.status)
        self._node_seconds.observe(event.elapsed, event.node_type)

    def ended(self, run: RunOwner, event: RunFinished) -> None:
        self._finished.add(event.status)
        self._seconds.observe(event.elapsed, event.status)
        if self._by_app:
            self._of_app.add(run.app_id, event.status)
            self._tokens_of_app.add(run.app_id, count=event.total_tokens)

    def snapshot(self) -> Snapshot:
        """The numbers as they are."""
        return [
            *samples("jikko_runs_started_total", self._started),
            *samples("jikko_runs_finished_total", self._finished),
            *samples("jikko_run_seconds", self._seconds),
            *samples("jikko_nodes_finished_total", self._nodes),
            *samples("jikko_node_seconds", self._node_seconds),
            *samples("jikko_app_runs_finished_total", self._of_app),
            *samples("jikko_app_tokens_total", self._tokens_of_app),
        ]
