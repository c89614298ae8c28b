"""Requests as numbers."""

from jikko.http.observer import RequestObserver
from jikko.http.requests import Request
from jikko.http.responses import Headers
from jikko.measures import SECONDS, Counter, Histogram
from jikko.observing.metrics.snapshot import Snapshot, by_first, how_many, merged, samples

_NO_ROUTE = "none"
_STREAM = (b"content-type", b"text/event-stream")


class RequestMetrics(RequestObserver):
    """Counts requests by operation and kind of status, what they took, and the streams that are open."""

    def __init__(self) -> None:
        self._answers = Histogram(SECONDS)
        """By route and kind of status; what is no stream."""
        self._streamed = Counter()
        """As these; streams that have ended."""
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
        """The numbers as they are."""
        name = "jikko_http_requests_total"
        return [
            *merged([how_many(name, self._answers), samples(name, self._streamed)]),
            *by_first("jikko_http_request_seconds", self._answers),
            ("jikko_streams", (), [float(len(self._streams))]),
        ]


def _is_stream(headers: Headers) -> bool:
    return any(name == _STREAM[0] and value.startswith(_STREAM[1]) for name, value in headers)


def _kind(status: int | None) -> str:
    """Of the refusals that tell of too much work or a record that fails, the very status."""
    if status is None:
        return "left"
    return str(status) if status in (429, 503) else f"{status // 100}xx"
