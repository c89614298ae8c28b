"""One HTTP exchange, without redirects. Imported with the first request, as ``connector`` is.

Error texts are made here: those of aiohttp may contain the URL, and a URL may contain secrets.
"""

import asyncio
import base64
import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Final

import aiohttp
from msgspec import Struct
from multidict import CIMultiDict
from yarl import URL

from jikko.concurrency.bounded_connections import OWN_CONNECTION, Handler, TooMuchReceived
from jikko.errors import system_reason
from jikko.outbound.decoding import ACCEPTED, BodyCollector
from jikko.outbound.guard import AddressRefused
from jikko.outbound.urls import REDIRECTS, Hop, WireUrl
from jikko.ports.http import (
    AUTHORITY,
    HEADER_NAME,
    FailureKind,
    HttpFailure,
    HttpResponse,
    Multipart,
    Pairs,
    Timeouts,
    why_untrusted,
)

_FRAMING: Final = frozenset(
    {"content-length", "transfer-encoding", "expect", "te", "trailer", "upgrade", "keep-alive", "proxy-connection"}
)
"""Headers of connection and framing. A wrong one lets a request run into the next (request smuggling)."""
_NO_VALUE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_REPEATABLE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Idempotent methods, which may be retried. Source: RFC 9110, section 9.2.2."""
_SLACK: Final = 65_536
"""Allowed bytes of an answer besides its body."""
_CHUNK_BYTES: Final = 262_144
"""Bytes of the body sent at a time, each with its own write timeout."""


class RequestSettings(Struct, frozen=True, kw_only=True):
    timeouts: Timeouts
    max_bytes: int
    ssl_verify: bool
    proxy: str | None
    enough: Callable[[bytes], bool] | None = None
    """See ``OutgoingRequest.enough``."""


class Chain:
    """State shared by the hops of one request: cookies set by redirects. Discarded afterwards."""

    def __init__(self) -> None:
        self._jar: aiohttp.CookieJar | None = None

    def keep(self, response: aiohttp.ClientResponse) -> None:
        if response.cookies:
            # "Unsafe": also for hosts given as addresses.
            self._jar = self._jar or aiohttp.CookieJar(unsafe=True)
            self._jar.update_cookies(response.cookies, response.url)

    def cookies(self, url: URL) -> dict[str, str] | None:
        if self._jar is None:
            return None
        return {name: morsel.value for name, morsel in self._jar.filter_cookies(url).items()}


async def exchange(session: aiohttp.ClientSession, hop: Hop, conditions: RequestSettings, chain: Chain) -> HttpResponse:
    """Send one request and read its answer. Raises ``HttpFailure`` if there is no usable answer."""
    timeouts = conditions.timeouts
    url = URL(str(hop.url), encoded=True)
    headers = _headers(hop)
    # A server may close a kept connection at any time. What it is asked then is sent again where that does no harm,
    # which aiohttp does; anything else gets a connection of its own.
    own_connection = OWN_CONNECTION.set(hop.method not in _REPEATABLE)
    try:
        # Only a stalled upload moves this deadline; aiohttp has none of its own for writing.
        async with asyncio.timeout(None) as writing:
            async with session.request(
                hop.method,
                url,
                headers=headers,
                data=_data(hop.body, writing, timeouts.write),
                cookies=chain.cookies(url),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=None, connect=timeouts.connect, sock_connect=timeouts.connect, sock_read=timeouts.read
                ),
                ssl=conditions.ssl_verify,
                proxy=conditions.proxy,
            ) as response:
                chain.keep(response)
                return await _read(response, conditions)
    except HttpFailure:
        raise
    except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as error:
        # Without its cause: that may hold the URL, headers or half an answer.
        raise explained(error, hop.url, timeouts) from None
    finally:
        OWN_CONNECTION.reset(own_connection)


async def _read(response: aiohttp.ClientResponse, conditions: RequestSettings) -> HttpResponse:
    limit = conditions.max_bytes
    headers = tuple((_text(name), _text(value)) for name, value in response.raw_headers)
    if response.status in REDIRECTS and "Location" in response.headers:
        # Its body is not read, so its encoding and its size do not matter. If it is there already the
        # connection is kept, otherwise it is closed.
        return HttpResponse(response.status, headers, b"")
    if response.connection is not None and isinstance(response.connection.protocol, Handler):
        # Twice as much as may be kept, for the heads of chunks.
        response.connection.protocol.expect(2 * limit + _SLACK)
    collector = BodyCollector(response.headers.get("Content-Encoding", ""), limit)
    async for chunk in response.content.iter_any():
        for _ in collector.feed(chunk):
            await asyncio.sleep(0)
        if conditions.enough is not None and conditions.enough(chunk):
            response.close()
            break
    return HttpResponse(response.status, headers, collector.content())


def _headers(hop: Hop) -> "CIMultiDict[str]":
    headers: CIMultiDict[str] = CIMultiDict(_sendable(hop.headers))
    headers.setdefault("User-Agent", "Jikko")
    headers.setdefault("Accept", "*/*")
    headers.setdefault("Accept-Encoding", ACCEPTED)
    if hop.url.userinfo is not None:
        credentials = base64.b64encode(":".join(hop.url.userinfo).encode()).decode()
        headers.setdefault("Authorization", f"Basic {credentials}")
    if isinstance(hop.body, Multipart):
        try:
            headers["Content-Length"] = str(length(hop.body))
        except UnicodeEncodeError:
            raise HttpFailure("The form holds characters that cannot be sent.", kind="body") from None
    elif hop.body:
        headers["Content-Length"] = str(len(hop.body))
    return headers


def _sendable(headers: Pairs) -> Iterable[tuple[str, str]]:
    for name, value in headers:
        # The values may be secrets.
        if HEADER_NAME.fullmatch(name) is None:
            raise HttpFailure(f"{name[:60]!r} cannot be sent: it is not a header name.", kind="request")
        if _NO_VALUE.search(value) is not None:
            raise HttpFailure(f"The header {name} cannot be sent: its value holds control characters.", kind="request")
        if name.lower() not in _FRAMING:
            yield name, value


def _data(body: bytes | Multipart | None, writing: asyncio.Timeout, seconds: float) -> "bytes | _Paced | None":
    if isinstance(body, Multipart):
        return _Paced(body, writing, seconds)
    if body is not None and len(body) > _CHUNK_BYTES:
        return _Paced(body, writing, seconds)
    return body or None


class _Paced:
    """A body in pieces, each of which the server has some time to take. Can be gone through more than once."""

    def __init__(self, body: bytes | Multipart, writing: asyncio.Timeout, seconds: float) -> None:
        self._body = body
        self._writing = writing
        self._seconds = seconds

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        for part in encode(self._body) if isinstance(self._body, Multipart) else (self._body,):
            view = memoryview(part)
            for start in range(0, len(view), _CHUNK_BYTES):
                self._pace(loop.time() + self._seconds)
                yield bytes(view[start : start + _CHUNK_BYTES])
        self._pace(None)

    def _pace(self, when: float | None) -> None:
        try:
            self._writing.reschedule(when)
        except RuntimeError:
            # The answer came before the body was sent, and was read: the deadline is over.
            return


def _text(raw: bytes) -> str:
    """A header as text. Source: httpx, by which Dify 1.15 reads headers."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


# Writes the body of a ``multipart/form-data`` request.
#
# Source: what Dify 1.15 sends, by way of httpx.

_ESCAPES: Final = str.maketrans(
    {'"': "%22", "\\": "\\\\", **{chr(code): f"%{code:02X}" for code in range(0x20) if code != 0x1B}}
)


def encode(body: Multipart) -> Iterator[bytes]:
    """The body in pieces; the contents of files are not copied."""
    for name, value in body.fields:
        disposition = f"form-data; {_quoted('name', name)}"
        yield f"--{body.boundary}\r\nContent-Disposition: {disposition}\r\n\r\n{value}\r\n".encode()
    for file in body.files:
        disposition = f"form-data; {_quoted('name', file.name)}"
        if file.filename:
            disposition += f"; {_quoted('filename', file.filename)}"
        yield (
            f"--{body.boundary}\r\nContent-Disposition: {disposition}\r\n"
            f"Content-Type: {file.content_type.translate(_ESCAPES)}\r\n\r\n"
        ).encode()
        yield file.content
        yield b"\r\n"
    yield f"--{body.boundary}--\r\n".encode()


def length(body: Multipart) -> int:
    """Bytes of the whole body."""
    return sum(map(len, encode(body)))


def _quoted(key: str, value: str) -> str:
    return f'{key}="{value.translate(_ESCAPES)}"'


def explained(error: Exception, url: WireUrl, timeouts: Timeouts) -> HttpFailure:
    """The failure that stands for an error of aiohttp, of asyncio or of the system."""
    refused = _refused(error)
    if refused is not None:
        return HttpFailure(str(refused), kind="address")
    text, kind = _described(error, url.authority, timeouts)
    return HttpFailure(text, kind=kind)


def _described(error: Exception, where: str, timeouts: Timeouts) -> tuple[str, FailureKind]:
    match error:
        case TooMuchReceived():
            return f"{where} sent more than belongs to an answer, such as interim answers without end.", "too_large"
        case aiohttp.ConnectionTimeoutError():
            return f"No connection to {where} within {timeouts.connect:g} s.", "timeout"
        case aiohttp.ServerTimeoutError():
            return f"{where} sent nothing for {timeouts.read:g} s (timed out).", "timeout"
        case aiohttp.ClientConnectorDNSError():
            return f"No host {where}, or the name service does not answer: {_system(error)}", "connect"
        case aiohttp.ClientConnectorCertificateError():
            return f"The certificate of {where} is not to be trusted: {_untrusted(error.certificate_error)}", "connect"
        case aiohttp.ClientConnectorSSLError():
            return f"No encrypted connection to {where}: {_system(error)}", "connect"
        case aiohttp.ClientProxyConnectionError():
            return f"No connection to the outgoing proxy: {_system(error)}", "connect"
        case aiohttp.ClientHttpProxyError():
            return f"The outgoing proxy refused a connection to {where} with status {error.status}.", "connect"
        case aiohttp.ClientConnectorError():
            return f"No connection to {where}: {_system(error)}", "connect"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
            return f"{where} closed the connection without a complete answer.", "protocol"
        case aiohttp.ClientPayloadError():
            return f"The answer of {where} breaks off, or is shorter or longer than it declares.", "protocol"
        case aiohttp.ClientResponseError():
            return f"{where} answered with something that is not HTTP, or with more than it announced.", "protocol"
        case asyncio.TimeoutError():
            return f"{where} did not take the request within {timeouts.write:g} s (timed out).", "timeout"
        case ValueError():
            return "The request cannot be sent: something in it may not be there.", "request"
        case _:
            return f"The request to {where} failed: {_system(error)}", "connect"


def _untrusted(error: Exception) -> str:
    return why_untrusted(error, AUTHORITY) if isinstance(error, ssl.SSLCertVerificationError) else str(error)


def _system(error: Exception) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if not isinstance(cause, OSError) or cause.errno is None:
        return type(cause).__name__
    return f"[Errno {cause.errno}] {system_reason(cause)}"


def _refused(error: BaseException | None) -> AddressRefused | None:
    while error is not None:
        if isinstance(error, AddressRefused):
            return error
        error = error.__cause__
    return None
