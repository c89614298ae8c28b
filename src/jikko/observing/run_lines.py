"""A line of the log for each run that ends here, and for each that is taken over."""

import logging
from typing import Final

from jikko.events import NodeFinished, RunFinished, RunRecovered
from jikko.record import RunIdentity
from jikko.runs.observer import RunObserver

logger = logging.getLogger("jikko.runs")

_MAX_FAILED: Final = 10_000
"""Runs of which a failed node is kept: those that are then ended elsewhere would stay for ever."""


class RunLines(RunObserver):
    """Tells of runs what concerns the operator: that they ended, how, and at which node they failed.

    Not with which error: its text may hold what the run works on. The record has it.
    """

    def __init__(self, *, each: bool) -> None:
        """``each``: whether to tell of every end; otherwise only of runs that failed."""
        self._each = each
        self._failed: dict[str, NodeFinished] = {}
        """The last node that failed, by run."""

    def recovered(self, run: RunIdentity, event: RunRecovered) -> None:
        fields = _about(run) | {"epoch": event.epoch, "under_way": len(event.in_flight)}
        logger.info("run taken over", extra={"fields": fields})

    def node_ended(self, run: RunIdentity, event: NodeFinished) -> None:
        if event.status == "failed":
            if len(self._failed) >= _MAX_FAILED:
                del self._failed[next(iter(self._failed))]
            self._failed[run.run_id] = event

    def ended(self, run: RunIdentity, event: RunFinished) -> None:
        node = self._failed.pop(run.run_id, None)
        has_failed = event.status == "failed"
        if not (has_failed or self._each):
            return
        fields = _about(run) | {
            "status": event.status,
            "seconds": round(event.elapsed, 4),
            "nodes": event.total_steps,
            "tokens": event.total_tokens,
        }
        if has_failed and node is not None:
            fields |= {"node": node.node_id, "node_type": node.node_type, "error_type": node.error_type}
        logger.log(logging.WARNING if has_failed else logging.INFO, "run ended", extra={"fields": fields})


def _about(run: RunIdentity) -> dict[str, object]:
    return {"run": run.run_id, "app": run.app_id}
