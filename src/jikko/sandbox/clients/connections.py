"""Connections of ``urllib3``, the base of ``requests``: the server makes each request."""

import http.client
import io
from collections.abc import Mapping
from ssl import CERT_NONE
from typing import Any, Final

from urllib3 import HTTPConnectionPool, HTTPHeaderDict, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool
from urllib3.exceptions import InvalidHeader, MaxRetryError, NewConnectionError, ProtocolError
from urllib3.util import SKIP_HEADER
from urllib3.util.request import body_to_chunks
from urllib3.util.ssl_ import resolve_cert_reqs

from jikko.sandbox.clients.exchange import ExchangeFailed, RawResponse, send

_OF_KIND: Final[Mapping[str, type[Exception]]] = {
    "timeout": TimeoutError,
    "protocol": ProtocolError,
    "too_large": ProtocolError,
    "request": InvalidHeader,
}


class ServerConnection(HTTPConnection):
    """Connection to any host, made by the server."""

    _scheme = "http"

    def __str__(self) -> str:
        return type(self).__name__  # without the host, which may contain a secret, as may the rest

    def connect(self) -> None:
        """Only pretend to be connected."""
        self.sock: Any = _Bytes()
        self.is_verified = True

    @property
    def is_connected(self) -> bool:
        """Whether it could be reused: never."""
        return False

    def request(
        self, method: str, url: str, body: Any = None, headers: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        """Keep a request until all of its timeouts are known. Raises ``NewConnectionError`` if it is to use a proxy."""
        if self.proxy is not None:
            raise NewConnectionError(self, "programs have no proxies of their own; the server has its own")
        self.connect()
        chunks = body_to_chunks(body, method, self.blocksize).chunks or ()
        content = b"".join(chunk.encode() if isinstance(chunk, str) else bytes(chunk) for chunk in chunks)
        pairs = [(_text(name), _text(value)) for name, value in (headers or {}).items() if value != SKIP_HEADER]
        self._asked = method, url, pairs, content, self.timeout
        self._options = {name: options.get(name, True) for name in ("preload_content", "decode_content")}

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        """Make the request, and wait for the whole answer. Raises the mapped exception of ``_OF_KIND``, or a connection
        error."""
        method, path, headers, content, connect = self._asked
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == self.default_port else f":{self.port}"
        checks = getattr(self, "cert_reqs", None)
        try:
            answer = send(
                method,
                f"{self._scheme}://{host}{port}{path}",
                headers,
                content,
                connect=connect,
                read=self.timeout,
                verify=False if checks is not None and resolve_cert_reqs(checks) == CERT_NONE else None,
            )
        except ExchangeFailed as failure:
            if failure.kind not in _OF_KIND:
                raise NewConnectionError(self, str(failure)) from failure
            raise _OF_KIND[failure.kind](str(failure)) from failure
        raw = _received(answer, method)
        return HTTPResponse(
            raw,
            HTTPHeaderDict(raw.msg.items()),
            raw.status,
            version=raw.version,
            reason=raw.reason,
            original_response=raw,
            request_method=method,
            request_url=path,
            **self._options,
        )


class SecureServerConnection(ServerConnection, HTTPSConnection):
    """The same with HTTPS."""

    _scheme = "https"


def complete() -> None:
    """Route all requests of ``urllib3`` through the server."""
    ConnectionPool.__str__ = object.__repr__  # type: ignore[method-assign]
    MaxRetryError.__str__ = _last_reason  # type: ignore[method-assign, assignment]
    HTTPConnectionPool.ConnectionCls = ServerConnection
    HTTPSConnectionPool.ConnectionCls = SecureServerConnection


def _last_reason(self: MaxRetryError) -> str:
    return f"Max retries exceeded ({self.reason})"


class _Bytes(io.BytesIO):
    """Stand-in for a socket."""

    def makefile(self, mode: str) -> "_Bytes":
        return self


def _received(answer: RawResponse, method: str) -> http.client.HTTPResponse:
    """Return an answer whose head counts as read: parsing one has limits that the server does not have."""
    raw = http.client.HTTPResponse(_Bytes(answer.body), method=method)  # type: ignore[arg-type]
    raw.version, raw.status = 11, answer.status
    raw.reason = http.client.responses.get(answer.status, "")
    raw.headers = raw.msg = http.client.HTTPMessage()
    for name, value in answer.headers:
        raw.headers[name] = value.encode("utf-8", "surrogateescape").decode("latin-1")
    raw.chunked, raw.will_close = False, True
    raw.length = 0 if method == "HEAD" else len(answer.body)
    return raw


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
