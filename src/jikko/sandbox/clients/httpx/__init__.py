"""As much of ``httpx`` as programs use. The server sends the requests, under its rules for addresses."""

import contextlib
from collections.abc import Iterator
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

from jikko.sandbox.clients.shared.headers import Headers
from jikko.sandbox.clients.shared.hops import Cookies

from ._client import USE_CLIENT_DEFAULT, AsyncClient, BasicAuth, Client
from ._errors import (
    CloseError,
    ConnectError,
    ConnectTimeout,
    CookieConflict,
    DecodingError,
    HTTPError,
    HTTPStatusError,
    InvalidURL,
    LocalProtocolError,
    NetworkError,
    PoolTimeout,
    ProtocolError,
    ProxyError,
    ReadError,
    ReadTimeout,
    RemoteProtocolError,
    RequestError,
    StreamError,
    TimeoutException,
    TooManyRedirects,
    TransportError,
    UnsupportedProtocol,
    WriteError,
    WriteTimeout,
)
from ._models import URL, Request, Response, Timeout

__version__ = "0.28"

_OF_CLIENTS = ("cookies", "verify", "timeout", "follow_redirects", "auth", "proxy", "cert", "trust_env")


class Limits(SimpleNamespace):
    """Limits of connections. They are taken and not used: connections are the server's."""


def request(method: str, url: Any, **options: Any) -> Response:
    """Send a request, by itself."""
    own = {name: options.pop(name) for name in _OF_CLIENTS if name in options}
    with Client(**own) as client:
        return client.request(method, url, **options)


def get(url: Any, **options: Any) -> Response:
    """Send a GET request."""
    return request("GET", url, **options)


def options(url: Any, **named: Any) -> Response:
    """Send an OPTIONS request."""
    return request("OPTIONS", url, **named)


def head(url: Any, **options: Any) -> Response:
    """Send a HEAD request."""
    return request("HEAD", url, **options)


def post(url: Any, **options: Any) -> Response:
    """Send a POST request."""
    return request("POST", url, **options)


def put(url: Any, **options: Any) -> Response:
    """Send a PUT request."""
    return request("PUT", url, **options)


def patch(url: Any, **options: Any) -> Response:
    """Send a PATCH request."""
    return request("PATCH", url, **options)


def delete(url: Any, **options: Any) -> Response:
    """Send a DELETE request."""
    return request("DELETE", url, **options)


@contextlib.contextmanager
def stream(method: str, url: Any, **options: Any) -> Iterator[Response]:
    """The same as ``request``: the answer is whole when it is here."""
    yield request(method, url, **options)


codes = SimpleNamespace(**{status.name: status.value for status in HTTPStatus})

__all__ = [
    "URL",
    "USE_CLIENT_DEFAULT",
    "AsyncClient",
    "BasicAuth",
    "Client",
    "CloseError",
    "ConnectError",
    "ConnectTimeout",
    "CookieConflict",
    "Cookies",
    "DecodingError",
    "HTTPError",
    "HTTPStatusError",
    "Headers",
    "InvalidURL",
    "Limits",
    "LocalProtocolError",
    "NetworkError",
    "PoolTimeout",
    "ProtocolError",
    "ProxyError",
    "ReadError",
    "ReadTimeout",
    "RemoteProtocolError",
    "Request",
    "RequestError",
    "Response",
    "StreamError",
    "Timeout",
    "TimeoutException",
    "TooManyRedirects",
    "TransportError",
    "UnsupportedProtocol",
    "WriteError",
    "WriteTimeout",
    "codes",
    "delete",
    "get",
    "head",
    "options",
    "patch",
    "post",
    "put",
    "request",
    "stream",
]
