"""Observers of requests: what counts, traces or logs them, or adds headers to answers."""

import logging
import time
from collections.abc import Awaitable, Iterable

from starlette.types import Message, Send

from jikko.http.operation import Operation
from jikko.http.requests import Request
from jikko.http.responses import Headers, send_whole

log = logging.getLogger(__name__)


class RequestObserver:
    """Sees every request that reaches the application: streams, refusals and addresses that do not exist among them.

    For each request ``began`` is called once, then ``responding`` at most once, then ``ended`` once, always with the
    same object; what is kept by request can be dropped at its end. All are called on the event loop and must not block.
    What one raises is logged, and changes nothing for the client. Requests that are no HTTP, which the server refuses
    by itself, are not seen.
    """

    def began(self, request: Request, operation: Operation | None) -> None:
        """A request came. Its key and body have not been looked at. ``operation``: what it is for; ``operation.path``
        is the template of its address. ``None`` if its method and address are none of the API's."""

    def responding(self, request: Request, status: int, headers: Headers) -> None:
        """The head of the answer is about to be sent. ``headers``: those of the answer, which may be added to."""

    def ended(self, request: Request, status: int | None, size: int, seconds: float) -> None:
        """The answer was sent, or its client went away.

        Args:
            status: That of the answer; ``None`` if none was begun.
            size: Bytes of the body that were given to the server to send; 0 for ``HEAD``, of which it sends none.
            seconds: Since the request began.
        """


class Observed:
    """Observers, by what they want to see: what none of them overrides costs no request anything."""

    def __init__(self, observers: Iterable[RequestObserver]) -> None:
        all_ = tuple(observers)
        self.began = [observer.began for observer in all_ if _overrides(observer, "began")]
        self.responding = [observer.responding for observer in all_ if _overrides(observer, "responding")]
        self.ended = [observer.ended for observer in all_ if _overrides(observer, "ended")]

    def __bool__(self) -> bool:
        return bool(self.began or self.responding or self.ended)


class ObservedRequest:
    """One request on its way past the observers."""

    __slots__ = ("_began", "_has_body", "_observed", "_request", "_send", "_size", "_status")

    def __init__(self, observed: Observed, request: Request, send: Send) -> None:
        self._observed = observed
        self._request = request
        self._send = send
        self._began = time.perf_counter()
        self._status: int | None = None
        self._size = 0
        self._has_body = request.scope["method"] != "HEAD"
        for began in observed.began:
            try:
                began(request, request.operation)
            except Exception:
                _failed()

    def __call__(self, message: Message) -> Awaitable[None]:
        """ASGI's ``send``. No coroutine of its own: every answer would pay for two more."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            if self._observed.responding:
                message = {**message, "headers": self._shown(message["status"], message["headers"])}
        elif self._has_body:
            self._size += len(message.get("body", b""))
        return self._send(message)

    def whole(self, status: int, headers: Headers, body: bytes) -> Awaitable[None]:
        """See ``send_whole``."""
        self._status = status
        if self._has_body:
            self._size = len(body)
        return send_whole(
            self._send, status, self._shown(status, headers) if self._observed.responding else headers, body
        )

    def _shown(self, status: int, headers: Headers) -> Headers:
        """The headers of an answer, with what observers add."""
        headers = [*headers]
        for responding in self._observed.responding:
            try:
                responding(self._request, status, headers)
            except Exception:
                _failed()
        return headers

    def end(self) -> None:
        """To be called once nothing more is sent."""
        seconds = time.perf_counter() - self._began
        for ended in self._observed.ended:
            try:
                ended(self._request, self._status, self._size, seconds)
            except Exception:
                _failed()


def _overrides(observer: RequestObserver, name: str) -> bool:
    return getattr(type(observer), name) is not getattr(RequestObserver, name)


def _failed() -> None:
    log.exception("an observer of requests failed")
