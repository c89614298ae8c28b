"""Child of the fork server, as seen by the server: its reply, and the HTTP requests made for it.

A child is untrusted: whatever is not a valid request is answered with a failure.
"""

import asyncio
import contextlib
import json
import socket
import time
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

from msgspec import DecodeError, Meta, Struct
from msgspec.json import Decoder

from jikko.ports.http import HttpFailure, HttpResponse, OutgoingRequest, Timeouts
from jikko.ports.sandbox import SendForProgram
from jikko.sandbox.wire import BROKEN, HEAD, MAX_BLOCK, NOT_BEGUN, REPLY_SLACK, BadReply, pack

_EXIT_SECONDS: Final = 2.0
"""Time for the fork server to report the end of a child that closed its connection, ample for a busy machine; a child
that lives on is killed then."""
_CHUNK_BYTES: Final = 1 << 18


class ChildFailed(Exception):
    """A child failed, rather than its program. The message is the error that it reports.

    A program may forge it, and then runs at most once more; not if it made a request.
    """

    def __init__(self, error: bytes, *, has_begun: bool) -> None:
        self.has_begun = has_begun
        """Whether the program may have had effects."""
        super().__init__(error.decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Ended:
    signal: int
    """Signal that killed it, or 0."""
    code: int
    """Exit code, unless killed."""
    cpu_seconds: float
    memory_bytes: int
    """Peak of its private memory."""


@dataclass(frozen=True, slots=True)
class ChildReply:
    """Reply of a child, which may have been taken over by its program."""

    text: bytes
    """For ``wire.parse_reply``."""
    block: bytes


@dataclass(slots=True, eq=False)
class Child:
    """Locked process that waits for one job."""

    process_id: int
    connection: socket.socket
    kind: str
    """The kind of job it is warmed up for. Others take a millisecond longer."""
    ended: asyncio.Future[Ended | None]
    """Set at its end; ``None`` if the fork server ended first."""
    has_begun_reply: bool = False
    """Whether part of its reply was read."""
    has_requested: bool = False
    """Whether it made a request, and so may have changed something outside."""
    seconds_requesting: float = 0.0
    """Time spent waiting for answers, without the current request."""
    requesting_since: float | None = None
    """Start of the current request, by the monotonic clock; ``None`` without one."""

    @property
    def has_answered(self) -> bool:
        """Whether a reply has begun, or the connection is closed. A child for which this holds before its job is
        unusable."""
        if self.has_begun_reply:
            return True
        try:
            self.connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    async def exchange(self, job: bytes, *, output_bytes: int, send: SendForProgram | None = None) -> ChildReply:
        """Send the job, make its requests by ``send``, and read the reply.

        ``job``: From ``wire.pack``. ``output_bytes``: Maximum size of the result, as JSON. Raises ``ChildFailed``: it
        reports a failure of its own; ``EOFError``: it ended, or closed its connection, without a whole reply;
        ``BadReply``: it announced more than permitted.
        """
        loop = asyncio.get_running_loop()
        # It may have replied without reading everything.
        with contextlib.suppress(ConnectionError):
            await loop.sock_sendall(self.connection, job)
        received = bytearray()
        while True:
            text, block = await self._receive(received, output_bytes)
            for mark in (NOT_BEGUN, BROKEN):
                if text.startswith(mark):
                    raise ChildFailed(text[len(mark) :], has_begun=mark == BROKEN or self.has_requested)
            if not text.startswith(MARK):
                return ChildReply(text, block)
            self.has_requested = True
            self.requesting_since = time.monotonic()
            answer = await answered(text, block, send)
            self.seconds_requesting += time.monotonic() - self.requesting_since
            self.requesting_since = None
            self.has_begun_reply = False
            with contextlib.suppress(ConnectionError):
                await loop.sock_sendall(self.connection, answer)

    async def _receive(self, received: bytearray, output_bytes: int) -> tuple[bytes, bytes]:
        """Read a message: text and block. ``received``: Buffer of unused bytes."""
        loop = asyncio.get_running_loop()
        needed = HEAD.size
        text_length = -1
        while len(received) < needed or text_length < 0:
            if len(received) < needed:
                try:
                    chunk = await loop.sock_recv(self.connection, _CHUNK_BYTES)
                except ConnectionError:
                    chunk = b""
                if not chunk:
                    raise EOFError
                self.has_begun_reply = True
                received += chunk
            if text_length < 0 and len(received) >= HEAD.size:
                text_length, block_length = HEAD.unpack_from(received)
                asks = block_length > MAX_BLOCK
                if text_length > max(output_bytes + REPLY_SLACK, MAX_TEXT) or block_length > MAX_BODY:
                    raise BadReply("announced a reply larger than its output limit")
                needed = HEAD.size + text_length + block_length
        text_end = HEAD.size + text_length
        text, block = bytes(received[HEAD.size : text_end]), bytes(received[text_end:needed])
        del received[:needed]
        if not text.startswith(MARK) and (asks or text_length > output_bytes + REPLY_SLACK):
            raise BadReply("announced a reply larger than its output limit")
        if text.startswith(MARK) and text_length > MAX_TEXT:
            raise BadReply("asked for a request whose address and headers are too long")
        return text, block

    async def wait_ended(self, seconds: float = _EXIT_SECONDS) -> Ended | None:
        """Wait for its end after it closed its connection; ``None`` after the timeout."""
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(self.ended)
        except TimeoutError:
            return None


MARK: Final = b'{"http":'
"""Prefix of a request's text, which no reply has."""
MAX_TEXT: Final = 1 << 20
"""Maximum bytes of a request's text: URL and headers."""
MAX_BODY: Final = 10 << 20
"""Maximum bytes of a request's body."""

_MAX_HEADERS: Final = 200

_Seconds: TypeAlias = Annotated[float, Meta(gt=0)] | None


class _Asked(Struct):
    """Text of a request. Numbers are finite."""

    method: Annotated[str, Meta(pattern=r"\A[A-Za-z]{1,20}\Z")]
    url: str
    headers: tuple[tuple[str, str], ...]
    connect: _Seconds = None
    read: _Seconds = None
    verify: bool | None = None


class _Message(Struct):
    http: _Asked


_decode: Final = Decoder(_Message).decode


async def answered(text: bytes, body: bytes, send: SendForProgram | None) -> bytes:
    """Make a request, and encode the result for the program."""
    try:
        if send is None:
            raise HttpFailure("Programs can make no requests here.", kind="request")
        response = await send(parse_request(text, body))
    except HttpFailure as failure:
        return pack(json.dumps({"failure": failure.kind, "message": str(failure)}).encode())
    return _packed(response)


def parse_request(text: bytes, body: bytes) -> OutgoingRequest:
    """Parse a program's request. Raises ``HttpFailure``: invalid, or not to be sent."""
    try:
        asked = _decode(text).http
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HttpFailure(f"The program asked for something that is not a request: {error}", kind="request") from None
    if not asked.url.lower().startswith(("http://", "https://")):
        raise HttpFailure("url should start with http:// or https://", kind="url")
    if len(asked.headers) > _MAX_HEADERS:
        raise HttpFailure(f"A request has at most {_MAX_HEADERS} headers.", kind="request")
    if not all(part.isascii() and part.isprintable() for pair in asked.headers for part in pair):
        raise HttpFailure("Names and values of headers must be ASCII, on one line.", kind="request")
    usual = Timeouts()
    return OutgoingRequest(
        method=asked.method.upper(),
        url=asked.url,
        headers=asked.headers,
        body=body or None,
        timeouts=Timeouts(
            connect=min(asked.connect or usual.connect, usual.connect), read=min(asked.read or usual.read, usual.read)
        ),
        ssl_verify=asked.verify,
        # The program follows redirects itself, so that it sees them, and each is checked.
        follow_redirects=False,
    )


def _packed(response: HttpResponse) -> bytes:
    text = json.dumps({"status": response.status, "headers": response.headers})
    return pack(text.encode("utf-8", "replace"), response.body)
