"""Access log and run log."""

import logging
from http import HTTPStatus
from typing import Final

from jikko.events import NodeFinished, RunFinished, RunRecovered
from jikko.http.operation import Operation
from jikko.http.request_observer import RequestObserver
from jikko.http.requests import Request
from jikko.ids import is_uuid
from jikko.record import RunIdentity
from jikko.runs.observer import RunObserver

_requests = logging.getLogger("jikko.requests")

CHOICES: Final = ("all", "most", "refused", "none")
"""``most``: all but successful requests to hot operations (``Operation.hot``)."""
_PROBES: Final = ("/livez", "/readyz")
"""Polled every few seconds by each balancer: logged when the answer changes."""
_OK: Final = HTTPStatus.OK
_SERVER_ERROR: Final = HTTPStatus.INTERNAL_SERVER_ERROR
_CLIENT_ERROR: Final = HTTPStatus.BAD_REQUEST


class RequestLines(RequestObserver):
    """Logs method, operation, status, seconds and bytes, with app and run.

    The raw URL is not logged: it may contain the token of a form or the signature of a file.
    """

    def __init__(self, which: str) -> None:
        """``which``: One of ``CHOICES``."""
        self._which = which
        self._spares_hot = which != "all"
        self._failing: set[str] = set()
        """Probes whose last answer was 503."""

    def ended(self, request: Request, status: int | None, size: int, seconds: float) -> None:
        operation = request.operation
        if status == _OK and self._spares_hot and not self._failing and operation is not None and operation.hot:
            return
        is_fault = status is not None and status >= _SERVER_ERROR
        if operation is not None and operation.path in _PROBES:
            is_news = is_fault != (operation.path in self._failing)
            (self._failing.add if is_fault else self._failing.discard)(operation.path)
            is_written, is_fault = self._which == "all" or (is_news and self._which != "none"), is_fault and is_news
        else:
            is_written = self._is_written(operation, status)
        if not is_written:
            return
        fields: dict[str, object] = {
            "request": request.id.decode(),
            # The method is arbitrary text of the client.
            "method": operation.method if operation is not None else "other",
            "route": operation.path if operation is not None else "none",
            "status": status or "left",
            "seconds": round(seconds, 4),
            "bytes": size,
        }
        if request.app is not None:
            fields["app"] = request.app.id
        if is_uuid(run := request.path_params.get("workflow_run_id", "")):
            fields["run"] = run
        _requests.log(logging.WARNING if is_fault else logging.INFO, "request", extra={"fields": fields})

    def _is_written(self, operation: Operation | None, status: int | None) -> bool:
        if self._which in ("all", "none"):
            return self._which == "all"
        # A client that left was not refused.
        is_refused = status is not None and status >= _CLIENT_ERROR
        return is_refused or (self._which == "most" and not (operation is not None and operation.hot))


_runs = logging.getLogger("jikko.runs")

_MAX_FAILED: Final = 10_000
"""Runs whose failed node is remembered: those that end elsewhere would stay for ever."""


class RunLines(RunObserver):
    """Logs the ends of runs, with the failed node.

    Not the error: its text may contain the run's data. The record has it.
    """

    def __init__(self, *, each: bool) -> None:
        """``each``: Whether to log every end; otherwise only failed runs."""
        self._each = each
        self._failed: dict[str, NodeFinished] = {}
        """The last failed node, by run."""

    def recovered(self, run: RunIdentity, event: RunRecovered) -> None:
        fields = _about(run) | {"epoch": event.epoch, "under_way": len(event.in_flight)}
        _runs.info("run taken over", extra={"fields": fields})

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
        _runs.log(logging.WARNING if has_failed else logging.INFO, "run ended", extra={"fields": fields})


def _about(run: RunIdentity) -> dict[str, object]:
    return {"run": run.run_id, "app": run.app_id}
