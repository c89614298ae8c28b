"""Requests as numbers."""

from jikko.http.observer import RequestObserver
from jikko.http.operation import Operation
from jikko.http.requests import Request
from jikko.http.responses import Headers
from jikko.measures import SECONDS, Counter, Histogram
from jikko.observing.metrics.snapshot import Snapshot, samples

_NO_ROUTE = "none"
_STREAM = (b"content-type", b"text/event-stream")


class RequestMetrics(RequestObserver):
    """Counts requests by operation and kind of status, what they took, and the streams that are open."""

    def __init__(self) -> None:
        self._requests = Counter()
        self._seconds = Histogram(SECONDS)
        self._routes: dict[Request, str] = {}
        """Of the requests that are under way."""
        self._streams: set[Request] = set()

    def began(self, request: Request, operation: Operation | None) -> None:
        self._routes[request] = _NO_ROUTE if operation is None else operation.path

    def responding(self, request: Request, status: int, headers: Headers) -> None:
        if any(name == _STREAM[0] and value.startswith(_STREAM[1]) for name, value in headers):
            self._streams.add(request)

    def ended(self, request: Request, status: int | None, size: int, seconds: float) -> None:
        route = self._routes.pop(request, _NO_ROUTE)
        self._requests.add(route, _kind(status))
        if request in self._streams:
            self._streams.discard(request)
        else:
            self._seconds.observe(seconds, route)

    def snapshot(self) -> Snapshot:
        """The numbers as they are."""
        return [
            *samples("jikko_http_requests_total", self._requests),
            *samples("jikko_http_request_seconds", self._seconds),
            ("jikko_streams", (), [float(len(self._streams))]),
        ]


def _kind(status: int | None) -> str:
    """Of the refusals that tell of too much work or a record that fails, the very status."""
    if status is None:
        return "left"
    return str(status) if status in (429, 503) else f"{status // 100}xx"
