"""A line of the log for each request that was answered, or for those that an operator wants to see."""

import logging
from http import HTTPStatus
from typing import Final

from jikko.http.operation import Operation
from jikko.http.request_observer import RequestObserver
from jikko.http.requests import Request
from jikko.ids import is_uuid

logger = logging.getLogger("jikko.requests")

CHOICES: Final = ("all", "most", "refused", "none")
"""``most``: all but those to operations that are asked very often (``Operation.hot``) and answered well."""
_PROBES: Final = ("/livez", "/readyz")
"""Asked every few seconds, by each balancer: a line when the answer becomes another one."""
_SERVER_ERROR: Final = HTTPStatus.INTERNAL_SERVER_ERROR
_CLIENT_ERROR: Final = HTTPStatus.BAD_REQUEST


class RequestLines(RequestObserver):
    """Tells method, operation, status, seconds and bytes, and for which app and run.

    The address as it was sent is not told: it may have the token of a form or the signature of a file in it.
    """

    def __init__(self, which: str) -> None:
        """``which``: one of ``CHOICES``."""
        self._which = which
        self._failing: set[str] = set()
        """Probes whose last answer was 503."""

    def ended(self, request: Request, status: int | None, size: int, seconds: float) -> None:
        operation = request.operation
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
            # Any text can be sent as a method.
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
        logger.log(logging.WARNING if is_fault else logging.INFO, "request", extra={"fields": fields})

    def _is_written(self, operation: Operation | None, status: int | None) -> bool:
        if self._which in ("all", "none"):
            return self._which == "all"
        # Of a client that went away nothing was refused.
        is_refused = status is not None and status >= _CLIENT_ERROR
        return is_refused or (self._which == "most" and not (operation is not None and operation.hot))
