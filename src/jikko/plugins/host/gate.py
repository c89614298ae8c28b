"""Network gate of a plugin: a loopback proxy that applies the address policy and serves the files of calls.

It supports ``CONNECT`` and plain HTTP. Names are resolved, and addresses checked, at the moment of connecting. Files of
running calls are below ``/files/``, each behind its own secret. Each plugin has its own gate and can reach no other, so
one that holds connections open never blocks another.
"""

import asyncio
import base64
import binascii
import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import msgspec
import python_multipart
from python_multipart.exceptions import FormParserError

from jikko.plugins.host.listener import Listener, Streams
from jikko.plugins.process.budget import READ, Budget, Budgets
from jikko.ports.http import Connections, HttpFailure

log = logging.getLogger(__name__)
T = TypeVar("T")

_HEAD: Final = 65_536
_HEAD_SECONDS: Final = 10.0
_IDLE_SECONDS: Final = 600.0
_CONNECTIONS: Final = 128
CONNECTING: Final = 8
"""Outbound connections that one plugin may be opening at once. Each name resolution takes a thread."""
_CHUNK_BYTES: Final = 65_536
_UPLOAD: Final = 32 << 20
_HOP_BY_HOP: Final = ("proxy-authorization", "proxy-connection", "connection", "keep-alive", "te", "upgrade")
_USER: Final = "plugin"


@dataclass(frozen=True, slots=True)
class OfferedFile:
    read: Callable[[], Awaitable[bytes]]
    mime_type: str


Upload = Callable[[bytes, str, str], Awaitable[dict[str, Any]]]
"""Takes a file's content, name and MIME type; returns the answer for the plugin."""


class NetworkGate:
    """Listens from the first process or call that needs it."""

    def __init__(
        self,
        connections: Connections,
        *,
        max_connections: int = _CONNECTIONS,
        head_seconds: float = _HEAD_SECONDS,
        budget: Budget | None = None,
    ) -> None:
        """``max_connections``: At once; more are refused with a reason. ``head_seconds``: Time limit for a request's
        head.
        ``budget``: CPU time that the plugin may cost between calls."""
        self._connections = connections
        self._max_connections = max_connections
        self._head_seconds = head_seconds
        self._secret = secrets.token_urlsafe(24)
        self._listener = Listener(self._serve, most=max_connections, budget=budget or Budgets().open(), head=_HEAD)
        self._connecting = asyncio.Semaphore(CONNECTING)
        self._files: dict[str, OfferedFile] = {}
        self._uploads: dict[str, Upload] = {}

    @property
    def port(self) -> int:
        return self._listener.port

    def listen(self) -> str:
        """Return the proxy's URL, with the plugin's credentials. Raises ``OSError``: no free port."""
        self._listener.listen()
        return f"http://{_USER}:{self._secret}@127.0.0.1:{self.port}"

    def offering(self, file: OfferedFile) -> AbstractContextManager[str]:
        """Offer a file to the plugin for the duration of the block. Yields its URL."""
        return self._open("files", self._files, file)

    def taking(self, upload: Upload) -> AbstractContextManager[str]:
        """Accept one upload from the plugin for the duration of the block. Yields its URL."""
        return self._open("uploads", self._uploads, upload)

    @contextmanager
    def _open(self, kind: str, offers: dict[str, T], offer: T) -> Iterator[str]:
        token = secrets.token_urlsafe(24)
        offers[token] = offer
        try:
            yield f"http://127.0.0.1:{self.port}/{kind}/{token}"
        finally:
            offers.pop(token, None)

    async def close(self) -> None:
        """Close the gate and its connections. Idempotent."""
        await self._listener.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, too_many: bool) -> None:
        try:
            async with asyncio.timeout(self._head_seconds):
                head = await reader.readuntil(b"\r\n\r\n")
            if too_many:
                raise _Refused(503, f"This plugin has {self._max_connections} connections open, the limit.")
            await self._answer(head, reader, writer)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ConnectionError):
            pass
        except _Refused as refused:
            with suppress(ConnectionError):
                await _reply(writer, refused.status, str(refused).encode(), reason=str(refused))
        except OSError as error:
            log.debug("a connection of a plugin broke off: %s", error)
        finally:
            writer.close()

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first, *lines = head.decode("latin-1").split("\r\n")[:-2]
            method, target, version = first.split(" ")
            headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        except ValueError:
            raise _Refused(400, "This is not an HTTP request.") from None
        own = f"127.0.0.1:{self.port}"
        parts = urlsplit(target)
        if method != "CONNECT" and (target.startswith("/") or parts.netloc == own):
            await self._own(method, parts.path, headers, reader, writer)
            return
        self._require_token(headers)
        if method == "CONNECT":
            host, port = _host_and_port(target, 443)
            outside = await self._reached(host, port)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            if parts.scheme != "http" or not parts.hostname:
                raise _Refused(400, f"Only http:// is proxied without CONNECT, not {target[:80]!r}.")
            host, port = _host_and_port(parts.netloc.rpartition("@")[2], 80)
            outside = await self._reached(host, port)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            kept = [f"{name}: {value}" for name, value in headers if name.lower() not in _HOP_BY_HOP]
            # One request per connection: the next may be for another host.
            outside[1].write(
                "\r\n".join([f"{method} {path} {version}", *kept, "Connection: close", "", ""]).encode("latin-1")
            )
        await self._join((reader, writer), outside)

    def _require_token(self, headers: list[tuple[str, str]]) -> None:
        """Refuse other processes: any process of this machine can connect."""
        given = next((value for name, value in headers if name.lower() == "proxy-authorization"), "")
        kind, _, words = given.partition(" ")
        with suppress(binascii.Error, UnicodeDecodeError):
            user, _, secret = base64.b64decode(words, validate=True).decode().partition(":")
            if (
                kind.lower() == "basic"
                and user == _USER
                and hmac.compare_digest(secret.encode(), self._secret.encode())
            ):
                return
        raise _Refused(407, "This proxy is for plugins of Jikko.")

    async def _reached(self, host: str, port: int) -> Streams:
        try:
            async with self._connecting:
                return await self._connections.open(host, port)
        except HttpFailure as failure:
            raise _Refused(403 if failure.kind == "address" else 502, str(failure)) from None

    async def _join(self, one: Streams, other: Streams) -> None:
        """Copy both ways until both sides close, or time out when idle."""
        last = [asyncio.get_running_loop().time()]

        async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    async with asyncio.timeout(_IDLE_SECONDS):
                        piece = await reader.read(_CHUNK_BYTES)
                    if not piece:
                        break
                    last[0] = asyncio.get_running_loop().time()
                    writer.write(piece)
                    await writer.drain()
                    await self._listener.payer.pay(READ)
            except TimeoutError:
                pass
            finally:
                with suppress(OSError, RuntimeError):
                    writer.write_eof()

        try:
            await asyncio.gather(copy(one[0], other[1]), copy(other[0], one[1]), return_exceptions=True)
        finally:
            other[1].close()

    async def _own(
        self,
        method: str,
        path: str,
        headers: list[tuple[str, str]],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        _, kind, token = [*path.split("/"), "", ""][:3]
        if kind == "files" and method in ("GET", "HEAD") and (file := self._files.get(token)) is not None:
            try:
                content = await file.read()
            except Exception as error:
                raise _Refused(404, f"The file cannot be read: {error}") from None
            await _reply(writer, 200, content, kind=file.mime_type, body=method == "GET")
            return
        # A token is valid for one upload.
        if kind == "uploads" and method == "POST" and (upload := self._uploads.pop(token, None)) is not None:
            named = {name.lower(): value for name, value in headers}
            body = await _body(named, reader)
            try:
                content, name, mime_type = file_in_form(body, named.get("content-type", ""))
                answer = await upload(content, name, mime_type)
            except FormRefused as error:
                raise _Refused(400, str(error)) from None
            except Exception as error:
                raise _Refused(413, f"The file cannot be kept: {error}") from None
            await _reply(writer, 201, msgspec.json.encode(answer), kind="application/json")
            return
        raise _Refused(404, "Nothing is here, or not any more.")


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _host_and_port(netloc: str, default: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{netloc}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or (port is not None and not 0 < port < 65_536):
        raise _Refused(400, f"{netloc[:80]!r} is not a host.")
    return host, port or default


async def _body(headers: dict[str, str], reader: asyncio.StreamReader) -> bytes:
    try:
        length = int(headers.get("content-length", ""))
    except ValueError:
        raise _Refused(411, "The request does not declare its length.") from None
    if not 0 <= length <= _UPLOAD:
        raise _Refused(413, f"The file has more than {_UPLOAD} bytes.")
    async with asyncio.timeout(_IDLE_SECONDS):
        return await reader.readexactly(length)


async def _reply(
    writer: asyncio.StreamWriter,
    status: int,
    content: bytes,
    *,
    kind: str = "text/plain",
    reason: str = "",
    body: bool = True,
) -> None:
    phrase = " ".join(reason.encode("latin-1", "replace").decode("latin-1").split())[:500] or "OK"
    head = [
        f"HTTP/1.1 {status} {phrase}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(content)}",
        "Connection: close",
    ]
    if status == 407:
        head.append('Proxy-Authenticate: Basic realm="jikko"')
    writer.write("\r\n".join([*head, "", ""]).encode("latin-1", "replace"))
    if body:
        writer.write(content)
    await writer.drain()


_FALLBACK: Final = "application/octet-stream"


class FormRefused(ValueError):
    """The form has no file."""


def file_in_form(body: bytes, content_type: str) -> tuple[bytes, str, str]:
    """Return content, name and MIME type of a form's first file. Raises ``FormRefused`` if there is none."""
    described = Message()
    described["Content-Type"] = content_type
    boundary = described.get_boundary()
    if described.get_content_type() != "multipart/form-data" or not boundary:
        raise FormRefused("The body is not a multipart form.")
    parts = _Parts()
    try:
        parser = python_multipart.MultipartParser(boundary.encode("latin-1"), parts.callbacks())
        parser.write(body)
        parser.finalize()
    except (FormParserError, UnicodeEncodeError) as error:
        raise FormRefused(f"The form cannot be read: {error}") from None
    for headers, content in parts.found:
        part = Message()
        for name, value in headers:
            part[name] = value
        filename = part.get_filename()
        if filename is not None:
            return content, filename, part.get_content_type() if part["Content-Type"] else _FALLBACK
    raise FormRefused("The form has no file.")


class _Parts:
    def __init__(self) -> None:
        self.found: list[tuple[list[tuple[str, str]], bytes]] = []
        self._headers: list[tuple[str, str]] = []
        self._name, self._value, self._content = bytearray(), bytearray(), bytearray()

    def callbacks(self) -> Any:

        def grow(buffer: bytearray) -> Any:
            return lambda data, start, end: buffer.extend(data[start:end])

        return {
            "on_part_begin": self._begin,
            "on_header_field": grow(self._name),
            "on_header_value": grow(self._value),
            "on_header_end": self._header,
            "on_part_data": grow(self._content),
            "on_part_end": lambda: self.found.append((self._headers, bytes(self._content))),
        }

    def _begin(self) -> None:
        self._headers = []
        self._content.clear()

    def _header(self) -> None:
        self._headers.append((self._name.decode("latin-1"), self._value.decode("utf-8", "replace")))
        self._name.clear()
        self._value.clear()
