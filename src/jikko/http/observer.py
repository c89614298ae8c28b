"""Observers of requests: what counts, traces or logs them, or adds headers to answers."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from starlette.types import Message, Send

from jikko.http.operation import Operation
from jikko.http.requests import Request
from jikko.http.responses import Headers

log = logging.getLogger(__name__)


class RequestObserver:
    """Sees every request that reaches the application: streams, refusals and addresses that do not exist among them.

    For each request ``began`` is called once, then ``responding`` at most once, then ``ended`` once, always with the
    same object; what is kept by request can be dropped at its end. All are called on the event loop and must not block.
    What one raises is logged, and changes nothing for the client. Requests that are no HTTP, which the server refuses
    by itself, are not seen.
    """

    def began(self, request: Request, operation: Operation | None) -> None:
        """A request came. Its key and body have not been looked at.

        Args:
            operation: What it is for; ``operation.path`` is the template of its address. ``None`` if its method and
                address are none of the API's.
        """

    def responding(self, request: Request, status: int, headers: Headers) -> None:
        """The head of the answer is about to be sent.

        Args:
            headers: Those of the answer, which may be added to.
        """

    def ended(self, request: Request, status: int | None, size: int, seconds: float) -> None:
        """The answer was sent, or its client went away.

        Args:
            status: That of the answer; ``None`` if none was begun.
            size: Bytes of the body that were given to the server to send; 0 for ``HEAD``, of which it sends none.
            seconds: Since the request began.
        """


class ObservedRequest:
    """One request on its way past the observers."""

    def __init__(
        self, observers: Sequence[RequestObserver], request: Request, operation: Operation | None, send: Send
    ) -> None:
        self._observers = observers
        self._request = request
        self._send = send
        self._began = time.perf_counter()
        self._status: int | None = None
        self._size = 0
        self._has_body = request.scope["method"] != "HEAD"
        self._notify(lambda observer: observer.began(request, operation))

    async def send(self, message: Message) -> None:
        """ASGI's ``send``."""
        if message["type"] == "http.response.start":
            status, headers = message["status"], [*message["headers"]]
            self._status = status
            self._notify(lambda observer: observer.responding(self._request, status, headers))
            message = {**message, "headers": headers}
        elif self._has_body:
            self._size += len(message.get("body", b""))
        await self._send(message)

    def end(self) -> None:
        """To be called once nothing more is sent."""
        seconds = time.perf_counter() - self._began
        self._notify(lambda observer: observer.ended(self._request, self._status, self._size, seconds))

    def _notify(self, notify: Callable[[RequestObserver], Any]) -> None:
        for observer in self._observers:
            try:
                notify(observer)
            except Exception:
                log.exception("an observer of requests failed")
