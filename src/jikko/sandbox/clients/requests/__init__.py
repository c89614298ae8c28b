"""As much of ``requests`` as programs use. The server sends the requests, under its rules for addresses."""

from types import SimpleNamespace
from typing import Any

from . import adapters, auth, exceptions, models, sessions, status_codes, structures
from .exceptions import (
    ConnectionError,
    ConnectTimeout,
    HTTPError,
    JSONDecodeError,
    ReadTimeout,
    RequestException,
    Timeout,
    TooManyRedirects,
    URLRequired,
)
from .models import PreparedRequest, Request, Response
from .sessions import Session, session
from .status_codes import codes

__version__ = "2.32"

# `requests.packages.urllib3.disable_warnings()` is a common line in front of `verify=False`.
packages: Any = SimpleNamespace(urllib3=SimpleNamespace(disable_warnings=lambda *_: None))


def request(method: str, url: Any, **options: Any) -> Response:
    """Send a request, by itself."""
    with Session() as one:
        return one.request(method, url, **options)


def get(url: Any, params: Any = None, **options: Any) -> Response:
    """Send a GET request."""
    return request("GET", url, params=params, **options)


def options(url: Any, **named: Any) -> Response:
    """Send an OPTIONS request."""
    return request("OPTIONS", url, **named)


def head(url: Any, **options: Any) -> Response:
    """Send a HEAD request. Redirects are not followed unless ``allow_redirects`` says so."""
    return request("HEAD", url, **{"allow_redirects": False, **options})


def post(url: Any, data: Any = None, json: Any = None, **options: Any) -> Response:
    """Send a POST request."""
    return request("POST", url, data=data, json=json, **options)


def put(url: Any, data: Any = None, **options: Any) -> Response:
    """Send a PUT request."""
    return request("PUT", url, data=data, **options)


def patch(url: Any, data: Any = None, **options: Any) -> Response:
    """Send a PATCH request."""
    return request("PATCH", url, data=data, **options)


def delete(url: Any, **options: Any) -> Response:
    """Send a DELETE request."""
    return request("DELETE", url, **options)


__all__ = [
    "ConnectTimeout",
    "ConnectionError",
    "HTTPError",
    "JSONDecodeError",
    "PreparedRequest",
    "ReadTimeout",
    "Request",
    "RequestException",
    "Response",
    "Session",
    "Timeout",
    "TooManyRedirects",
    "URLRequired",
    "adapters",
    "auth",
    "codes",
    "delete",
    "exceptions",
    "get",
    "head",
    "models",
    "options",
    "packages",
    "patch",
    "post",
    "put",
    "request",
    "session",
    "sessions",
    "status_codes",
    "structures",
]
