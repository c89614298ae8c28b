"""Wire protocol between plugin and host: one UTF-8 JSON object per line."""

import re
from typing import Any, Final, Literal, TypeAlias

import msgspec

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
