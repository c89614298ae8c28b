"""Messages of plugins, as nodes take them."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import asdict

from jikko.plugins.process.plugin_wire import InvocationMessage, PluginFailure
from jikko.ports.tools import (
    BlobMessage,
    ImageMessage,
    JsonMessage,
    LinkMessage,
    LogMessage,
    TextMessage,
    ToolMessage,
    VariableMessage,
)

_LATER: Final = ("retriever_resources", "heartbeat")
"""Messages that say nothing to nodes."""


class _Text(msgspec.Struct):
    text: str


class _Variable(msgspec.Struct):
    variable_name: str
    variable_value: Any = None
    stream: bool = False


class _Log(msgspec.Struct):
    id: str
    label: str = ""
    parent_id: str | None = None
    status: str = "success"
    error: str | None = None
    data: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


def message_of(sent: InvocationMessage) -> ToolMessage | None:
    """A message of a plugin; ``None`` if it says nothing to nodes. Raises ``PluginFailure``: it has the wrong shape."""
    try:
        return _message(sent.type, sent.message, sent.meta or {})
    except msgspec.ValidationError as error:
        raise PluginFailure("PluginProtocol", f"The plugin sends a wrong message {sent.type[:40]!r}: {error}") from None


def _message(kind: str, body: Any, meta: Mapping[str, Any]) -> ToolMessage | None:
    match kind:
        case "text":
            return TextMessage(msgspec.convert(body, _Text).text)
        case "link":
            return LinkMessage(msgspec.convert(body, _Text).text)
        case "image" | "image_link":
            return ImageMessage(msgspec.convert(body, _Text).text)
        case "json":
            value = body.get("json_object") if isinstance(body, Mapping) else body
            return JsonMessage(value)
        case "variable":
            variable = msgspec.convert(body, _Variable)
            return VariableMessage(variable.variable_name, variable.variable_value, variable.stream)
        case "blob" if isinstance(body, bytes):
            return BlobMessage(
                body,
                str(meta.get("mime_type") or "application/octet-stream"),
                str(meta.get("filename") or meta.get("file_name") or ""),
            )
        case "log":
            entry = asdict(msgspec.convert(body, _Log))
            status = entry["status"] if entry["status"] in ("start", "success", "error") else "success"
            more = {"status": status, "data": entry["data"] or {}, "metadata": entry["metadata"] or {}}
            return LogMessage(**{**entry, **more})
        case _ if kind in _LATER:
            return None
        case _:
            raise PluginFailure("PluginProtocol", f"The plugin sends a message of an unknown type: {kind[:40]!r}.")


def to_plugin(message: ToolMessage) -> dict[str, Any] | None:
    """What a tool said, as a plugin that called it reads it; ``None`` for what it does not understand.

    Files are links: the SDK asks for no content here. Source: plugins of agents, which hand links on.
    """
    match message:
        case TextMessage(text):
            return {"type": "text", "message": {"text": text}, "meta": None}
        case LinkMessage(url):
            return {"type": "link", "message": {"text": url}, "meta": None}
        case ImageMessage(url):
            return {"type": "image_link", "message": {"text": url}, "meta": None}
        case JsonMessage(value):
            return {"type": "json", "message": {"json_object": value}, "meta": None}
        case VariableMessage(name, value, stream):
            body = {"variable_name": name, "variable_value": value, "stream": stream}
            return {"type": "variable", "message": body, "meta": None}
        case LogMessage():
            body = {**asdict(message), "data": dict(message.data), "metadata": dict(message.metadata)}
            return {"type": "log", "message": body, "meta": None}
        case _:
            return None
