"""Adapter of ``requests``: the server decides on certificates and proxies, and words failures."""

from collections.abc import Mapping
from typing import Any, Final

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import (
    ChunkedEncodingError,
    ConnectionError,
    InvalidHeader,
    InvalidURL,
    ReadTimeout,
    RequestException,
)

from jikko.sandbox.clients.exchange import ExchangeFailed

_OF_KIND: Final[Mapping[str, type[RequestException]]] = {
    "url": InvalidURL,
    "request": InvalidHeader,
    "timeout": ReadTimeout,
    "protocol": ChunkedEncodingError,
}
_send: Final = HTTPAdapter.send


def complete() -> None:
    """Route requests through the server, including those of adapters that a program derives."""
    HTTPAdapter.send = _sent  # type: ignore[method-assign]
    HTTPAdapter.cert_verify = _check_nothing  # type: ignore[method-assign]


def _sent(
    self: HTTPAdapter,
    request: PreparedRequest,
    stream: bool = False,
    timeout: Any = None,
    verify: Any = True,
    cert: Any = None,
    proxies: Any = None,
) -> Response:
    try:
        return _send(self, request, stream, timeout, verify)
    except RequestException as error:
        failure: BaseException | None = error
        while failure is not None and not isinstance(failure, ExchangeFailed):
            failure = failure.__cause__ or failure.__context__
        if failure is None:
            raise
        # The library's text contains the whole URL, and so perhaps a secret.
        raise _OF_KIND.get(failure.kind, ConnectionError)(str(failure), request=request) from None


def _check_nothing(self: HTTPAdapter, conn: Any, url: str, verify: Any, cert: Any) -> None:
    conn.cert_reqs = "CERT_REQUIRED" if verify else "CERT_NONE"
