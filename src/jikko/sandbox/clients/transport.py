"""Transports of ``httpx``: the server makes each request."""

from collections.abc import Mapping
from ssl import CERT_NONE
from typing import Any, Final

from httpx import (
    AsyncBaseTransport,
    AsyncHTTPTransport,
    BaseTransport,
    ByteStream,
    ConnectError,
    HTTPTransport,
    InvalidURL,
    LocalProtocolError,
    ReadError,
    ReadTimeout,
    RemoteProtocolError,
    Request,
    Response,
    TransportError,
    UnsupportedProtocol,
)

from jikko.sandbox.clients.exchange import ExchangeFailed, send

_OF_KIND: Final[Mapping[str, type[TransportError]]] = {
    "request": LocalProtocolError,
    "timeout": ReadTimeout,
    "protocol": RemoteProtocolError,
    "too_large": ReadError,
}


def complete() -> None:
    """Route requests through the server, including those of transports that a program derives."""
    for kind, base, names in (
        (HTTPTransport, BaseTransport, ("__enter__", "__exit__", "close")),
        (AsyncHTTPTransport, AsyncBaseTransport, ("__aenter__", "__aexit__", "aclose")),
    ):
        kind.__init__ = _made  # type: ignore[method-assign]
        for name in names:
            setattr(kind, name, getattr(base, name))
    HTTPTransport.handle_request = _handled  # type: ignore[method-assign]
    AsyncHTTPTransport.handle_async_request = _handled_async  # type: ignore[method-assign]


def _made(self: Any, verify: Any = True, *_: Any, **__: Any) -> None:
    self.verify = False if verify is False or getattr(verify, "verify_mode", None) is CERT_NONE else None


def _handled(self: Any, request: Request) -> Response:
    return _answer(request, request.read(), self.verify)


async def _handled_async(self: Any, request: Request) -> Response:
    return _answer(request, await request.aread(), self.verify)


def _answer(request: Request, content: bytes, verify: bool | None) -> Response:
    if request.url.scheme not in ("http", "https"):
        raise UnsupportedProtocol("Request URL is missing an 'http://' or 'https://' protocol.", request=request)
    timeouts = request.extensions.get("timeout", {})
    try:
        answer = send(
            request.method,
            str(request.url),
            list(request.headers.multi_items()),
            content,
            connect=timeouts.get("connect"),
            read=timeouts.get("read"),
            verify=verify,
        )
    except ExchangeFailed as failure:
        if failure.kind == "url":
            raise InvalidURL(str(failure)) from None
        raise _OF_KIND.get(failure.kind, ConnectError)(str(failure), request=request) from None
    headers = [tuple(part.encode("utf-8", "surrogateescape") for part in pair) for pair in answer.headers]
    return Response(answer.status, headers=headers, stream=ByteStream(answer.body))  # type: ignore[arg-type]
