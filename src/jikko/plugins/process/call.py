"""One invocation of a plugin: the wire protocol (one UTF-8 JSON object per line), its messages so far, and its requests
to the host."""

import asyncio
import base64
import binascii
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias

import msgspec
from msgspec import Struct, field

from jikko.concurrency.background_tasks import start_task

_SESSION: Final = re.compile(rb'"session_id"\s*:\s*"([0-9a-zA-Z-]{1,64})"')
_BEGINNING: Final = b'{"event":"'
_NULL: Final = msgspec.Raw(b"null")

FailureKind: TypeAlias = Literal["PluginDied", "PluginTimeout", "PluginProtocol", "PluginStopped"]


class PluginFailure(Exception):
    """A failed call. The message is for the user."""

    def __init__(self, kind: str, message: str, *, trace: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        """Class name of the plugin's exception, or a ``FailureKind``."""
        self.trace = trace
        """Traceback reported by the plugin, else its last output, for debugging; never shown to clients."""


class PluginMessage(msgspec.Struct):
    event: str
    session_id: str | None = None
    data: msgspec.Raw = _NULL


class SessionData(msgspec.Struct):
    type: str
    data: msgspec.Raw = _NULL


class InvocationMessage(msgspec.Struct):
    type: str = ""
    message: Any = None
    meta: dict[str, Any] | None = None


class Invoke(msgspec.Struct):
    """A plugin's request to its host."""

    type: str
    backwards_request_id: str
    request: dict[str, Any] = {}


class ErrorData(msgspec.Struct):
    error_type: str = "Exception"
    message: str = ""
    args: Any = None


decode_line = msgspec.json.Decoder(PluginMessage).decode
decode_session = msgspec.json.Decoder(SessionData).decode
decode_stream = msgspec.json.Decoder(InvocationMessage).decode
decode_invoke = msgspec.json.Decoder(Invoke).decode
decode_error = msgspec.json.Decoder(ErrorData).decode
decode_any = msgspec.json.Decoder().decode
BROKEN: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)
"""Exceptions from decoding a line."""


def session_in(line: bytes) -> str | None:
    """Extract the session of an unreadable line."""
    found = _SESSION.search(line)
    return None if found is None else found[1].decode()


def salvaged(line: bytes) -> bytes | None:
    """Extract the message after printed output that has no line break."""
    start = line.rfind(_BEGINNING, 1)
    return line[start:] if start > 0 else None


def encode(session: str, event: str, data: Any, context: dict[str, Any] | None = None) -> bytes:
    """Encode a line for a plugin."""
    body: dict[str, Any] = {"session_id": session, "event": event, "data": data}
    if context:
        body |= context
    return msgspec.json.encode(body) + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLimits:
    """Limits beyond which a process is ended or replaced."""

    line: int = 16 << 20
    """Bytes per line."""
    call_bytes: int = 64 << 20
    """Bytes of all lines per call."""
    call_messages: int = 100_000
    """Lines per call."""
    file: int = 32 << 20
    """Bytes per file."""
    memory: int = 2 << 30
    """Bytes of the process with its children."""
    ready_seconds: float = 30.0
    """Startup timeout, until the first heartbeat."""
    silent_seconds: float = 5.0
    """Time without a heartbeat, during calls, after which another process takes new calls."""
    forgotten: int = 50
    """Abandoned calls still running in the process before it is replaced."""
    served: int = 10_000
    """Calls before the process is replaced."""


class _Piece(msgspec.Struct):
    id: str
    sequence: int
    total_length: int
    blob: str
    end: bool = False


class _Blob:
    def __init__(self, total: int) -> None:
        self.total = total
        self.next = 0
        self.content = bytearray()


class TooLarge(PluginFailure):
    """A file beyond the limit."""


class Blobs:
    """Reassembles the files of one call. Chunks come in order, each file once."""

    def __init__(self, longest: int) -> None:
        """``longest``: Maximum size of a file in bytes."""
        self._longest = longest
        self._open: dict[str, _Blob] = {}
        self._done: set[str] = set()

    def take(self, message: Any) -> bytes | None:
        """Add a chunk. Returns the file once complete. Raises ``PluginFailure`` if the chunk does not fit."""
        try:
            piece = msgspec.convert(message, _Piece)
            content = base64.b64decode(piece.blob, validate=True)
        except (msgspec.ValidationError, binascii.Error, ValueError) as error:
            raise _wrong(f"an unreadable chunk of a file ({error})") from None
        if piece.id in self._done:
            raise _wrong(f"another chunk of the complete file {piece.id[:40]!r}")
        blob = self._open.setdefault(piece.id, _Blob(piece.total_length))
        # Old SDKs send the end as a separate, empty chunk.
        if piece.sequence != blob.next or piece.total_length != blob.total:
            raise _wrong(f"the chunks of the file {piece.id[:40]!r} out of order")
        blob.next += 1
        blob.content += content
        if max(len(blob.content), piece.total_length) > self._longest:
            raise TooLarge("PluginProtocol", f"The plugin sends a file of more than {self._longest} bytes.")
        if len(blob.content) > blob.total or (piece.end and len(blob.content) != blob.total):
            raise _wrong(f"{len(blob.content)} bytes of the file {piece.id[:40]!r}, announced with {blob.total}")
        if not piece.end:
            return None
        del self._open[piece.id]
        self._done.add(piece.id)
        return bytes(blob.content)


def _wrong(what: str) -> PluginFailure:
    return PluginFailure("PluginProtocol", f"The plugin sends {what}.")


_MAX_CONCURRENT_REQUESTS: Final = 64
"""Requests of one call served concurrently; more wait."""
_MAX_WAITING: Final = 2000
_REFUSED: Final = "The host takes no more requests of this call."


class Backwards(Protocol):
    """Serves a plugin's requests to the host during one call."""

    def __call__(self, kind: str, request: dict[str, Any]) -> AsyncIterator[Any]:
        """Yield the parts of the answer. Exceptions are reported to the plugin."""


class Invocation(Struct, eq=False):
    """Handles the messages of one invocation, on the event loop that reads the lines."""

    session: str
    emit: Callable[[InvocationMessage], None]
    """Takes each message. A whole file is one message of type ``blob``, with its content as ``message``."""
    answer: Callable[[Any], None] | None
    """Takes the answer of an action that sends no messages, such as checking credentials."""
    backwards: Backwards | None
    send: Callable[[bytes], Awaitable[None]]
    """Writes a line to the plugin."""
    limits: ProcessLimits
    blobs: Blobs
    over: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    exceeded: bool = False
    """True once the call exceeded its limits: its process is no longer trusted."""
    _bytes: int = 0
    _messages: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_MAX_CONCURRENT_REQUESTS))

    def take(self, data: SessionData, size: int) -> None:
        """Handle a line. Never raises: an invalid line fails the call."""
        if self.over.done():
            return
        self._bytes += size
        self._messages += 1
        if self._bytes > self.limits.call_bytes or self._messages > self.limits.call_messages:
            self.exceeded = True
            self.fail(
                PluginFailure(
                    "PluginProtocol",
                    f"The plugin sends too much in one call: at most {self.limits.call_bytes} bytes in "
                    f"{self.limits.call_messages} messages are read.",
                )
            )
            return
        try:
            self._take(data)
        except PluginFailure as failure:
            self.exceeded = isinstance(failure, TooLarge)
            self.fail(failure)
        except BROKEN as error:
            self.fail(unreadable(error))
        except Exception as error:  # an exception of ``emit`` ends only the call
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        if not self.over.done():
            self.over.set_exception(error)
            # Mark it as retrieved: the caller may have stopped waiting.
            self.over.exception()

    def close(self) -> None:
        """End the call, and cancel the requests it made."""
        if not self.over.done():
            self.over.cancel()
        for task in self._tasks:
            task.cancel()

    def _take(self, data: SessionData) -> None:
        match data.type:
            case "stream":
                if self.answer is not None:
                    self.answer(decode_any(data.data))
                    return
                message = decode_stream(data.data)
                if message.type == "blob_chunk":
                    content = self.blobs.take(message.message)
                    if content is None:
                        return
                    message = InvocationMessage("blob", content, message.meta)
                self.emit(message)
            case "invoke":
                self._invoked(decode_invoke(data.data))
            case "error":
                error = decode_error(data.data)
                trace = error.args.get("traceback", "") if isinstance(error.args, dict) else ""
                raise PluginFailure(error.error_type[:200], error.message, trace=str(trace))
            case "end":
                self.over.set_result(None)
            case other:
                raise PluginFailure("PluginProtocol", f"The plugin sends a message of unknown type {other[:40]!r}.")

    def _invoked(self, asked: Invoke) -> None:
        refused = len(self._tasks) >= _MAX_WAITING
        start_task(self._answered(asked, refused=refused), self._tasks)

    async def _answered(self, asked: Invoke, *, refused: bool) -> None:
        async def say(event: str, message: str, data: Any) -> None:
            body = {"backwards_request_id": asked.backwards_request_id, "event": event}
            line = encode(self.session, "backwards_response", {**body, "message": message, "data": data})
            if len(line) > self.limits.line:
                raise ValueError(f"The answer has more than {self.limits.line} bytes.")
            await self.send(line)

        async with self._places:
            try:
                if refused:
                    raise ValueError(_REFUSED)
                if self.backwards is None:
                    raise PermissionError(f"{asked.type!r} may not be invoked from here.")
                async for part in self.backwards(asked.type, asked.request):
                    await say("response", "stream", part)
            except Exception as error:
                await say("error", str(error)[:4000] or type(error).__name__, None)
            await say("end", "", None)


def unreadable(error: BaseException) -> PluginFailure:
    why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    if isinstance(error, msgspec.ValidationError):
        why = f"it has the wrong shape: {why}"
    return PluginFailure("PluginProtocol", f"The plugin sends a message that cannot be read: {why[:300]}")
