"""Request observers, which count, trace or log requests, or add headers to answers."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Iterable

from starlette.types import Message, Send

from jikko.http.operation import Operation
from jikko.http.requests import Request
from jikko.http.responses import Headers, send_whole

log = logging.getLogger(__name__)


class RequestObserver:
    """Observer of every request, including streams, refusals and unknown addresses.

    ``began`` is called once, then ``responding`` at most once, then ``ended`` once, with the same object: state per
    request can be dropped there. All are called on the event loop and must not block. Exceptions are logged and do not
    affect the client. Non-HTTP traffic, which the server rejects, is not seen.
    """

    def began(self, request: Request, operation: Operation | None) -> None:
        """Handle an arrived request, before authentication. ``operation``: ``None`` if unknown; ``operation.path`` is
        the address template."""

    def responding(self, request: Request, status: int, headers: Headers) -> None:
        """Handle the head of an answer, before it is sent. ``headers``: May be added to."""

    def ended(self, request: Request, status: int | None, size: int, seconds: float) -> None:
        """Handle the end: the answer was sent, or the client left.

        Args:
            status: ``None`` if no answer was begun.
            size: Bytes of the body handed to the server; 0 for ``HEAD``.
            seconds: Since the request began.
        """


class Observed:
    """Observers by overridden method: what none of them overrides costs nothing."""

    def __init__(self, observers: Iterable[RequestObserver]) -> None:
        all_ = tuple(observers)
        self.began = [observer.began for observer in all_ if _overrides(observer, "began")]
        self.responding = [observer.responding for observer in all_ if _overrides(observer, "responding")]
        self.ended = [observer.ended for observer in all_ if _overrides(observer, "ended")]

    def __bool__(self) -> bool:
        return bool(self.began or self.responding or self.ended)


class ObservedRequest:
    """One request, with the calls of its observers."""

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
        """Forward ASGI's ``send``. Not a coroutine: that would cost every answer two more."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            if self._observed.responding:
                message = {**message, "headers": self._shown(message["status"], message["headers"])}
        elif self._has_body:
            self._size += len(message.get("body", b""))
        return self._send(message)

    @property
    def leaving(self) -> "asyncio.Future[None] | None":
        """See ``Exchange.leaving``; ``None``: the server has none."""
        return getattr(self._send, "leaving", None)

    def whole(self, status: int, headers: Headers, body: bytes) -> Awaitable[None]:
        self._status = status
        if self._has_body:
            self._size = len(body)
        return send_whole(
            self._send, status, self._shown(status, headers) if self._observed.responding else headers, body
        )

    def _shown(self, status: int, headers: Headers) -> Headers:
        headers = [*headers]
        for responding in self._observed.responding:
            try:
                responding(self._request, status, headers)
            except Exception:
                _failed()
        return headers

    def end(self) -> None:
        """Call once nothing more is sent."""
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
