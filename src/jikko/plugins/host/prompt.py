"""Conversion of prompts, answers and tool messages between the plugin SDK's shapes and ours."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec
from msgspec.structs import asdict

from jikko.plugins.process.call import InvocationMessage, PluginFailure
from jikko.ports.models import (
    Abilities,
    Completion,
    FunctionCall,
    FunctionTool,
    Media,
    MediaKind,
    Mode,
    ModelRequest,
    ModelUsage,
    PromptMessage,
    Role,
    usage_json,
)
from jikko.ports.plugin_models import AnswerPiece
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
from jikko.values import Json

_MEDIA: Final[Mapping[str, MediaKind]] = {"image": "image", "audio": "audio", "video": "video", "document": "document"}
_ROLES: Final = ("system", "user", "assistant", "tool")


class BadPrompt(ValueError):
    """A plugin's model request is invalid. The message is for the plugin's author."""


class _Function(msgspec.Struct):
    name: str | None = ""
    arguments: str | None = ""


class _Call(msgspec.Struct):
    id: str | None = ""
    function: _Function = msgspec.field(default_factory=_Function)


class _Message(msgspec.Struct):
    role: str
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None


class _Tool(msgspec.Struct):
    name: str
    description: str = ""
    parameters: dict[str, Any] = {}


class _Asked(msgspec.Struct):
    provider: str
    model: str
    prompt_messages: list[_Message] = []
    mode: str = "chat"
    completion_params: dict[str, Any] | None = None
    tools: list[_Tool] | None = None
    stop: list[str] | None = None
    stream: bool = True
    structured_output_schema: dict[str, Any] | None = None


def request_of(asked: Mapping[str, Any], *, app_id: str, run_id: str, key: str) -> ModelRequest:
    """Convert a plugin's model request. Raises ``BadPrompt`` if it is invalid."""
    try:
        wanted = msgspec.convert(asked, _Asked)
    except msgspec.ValidationError as error:
        raise BadPrompt(f"The request for a model has the wrong shape: {error}") from None
    parameters: dict[str, Json] = dict(wanted.completion_params or {})
    if wanted.stop:
        parameters["stop"] = list(wanted.stop)
    return ModelRequest(
        provider=wanted.provider,
        model=wanted.model,
        mode=cast(Mode, wanted.mode if wanted.mode in ("chat", "completion") else "chat"),
        messages=tuple(map(_message, wanted.prompt_messages)),
        parameters=parameters,
        tools=tuple(FunctionTool(tool.name, tool.description, tool.parameters) for tool in wanted.tools or ()),
        tool_choice="auto",
        stream=wanted.stream,
        app_id=app_id,
        run_id=run_id,
        key=key,
    )


def _message(message: _Message) -> PromptMessage:
    if message.role not in _ROLES:
        raise BadPrompt(f"Unknown message role {message.role[:40]!r}.")
    if isinstance(message.content, list):
        parts = tuple(_part(part) for part in message.content)
    else:
        parts = (message.content,) if message.content else ()
    calls = tuple(
        FunctionCall(call.id or "", call.function.name or "", call.function.arguments or "")
        for call in message.tool_calls or ()
    )
    return PromptMessage(cast(Role, message.role), parts, calls, message.tool_call_id or "")


def _part(part: Mapping[str, Any]) -> str | Media:
    kind = str(part.get("type"))
    if kind == "text":
        return str(part.get("data") or "")
    if kind not in _MEDIA:
        raise BadPrompt(f"Unknown message part {kind[:40]!r}.")
    written = str(part.get("base64_data") or part.get("data") or "")
    mime_type = str(part.get("mime_type") or f"{kind}/{part.get('format') or 'octet-stream'}")
    if written.startswith("data:"):
        mime_type, written = written[5:].partition(";")[0] or mime_type, written.partition(",")[2]
    detail = str(part.get("detail") or "high")
    name = str(part.get("filename") or "")
    if url := str(part.get("url") or ""):
        return Media(_MEDIA[kind], mime_type, url=url, filename=name, detail=detail)
    try:
        data = base64.b64decode(written, validate=True)
    except (binascii.Error, ValueError):
        raise BadPrompt(f"A message part {kind!r} is not base64.") from None
    return Media(_MEDIA[kind], mime_type, data=data, filename=name, detail=detail)


class _Delta(msgspec.Struct):
    message: _Message
    usage: dict[str, Any] | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    delta: _Delta


def piece_of(said: Any) -> AnswerPiece:
    """Convert one chunk of a plugin model's answer. Raises ``ValueError`` if its shape is wrong."""
    delta = msgspec.convert(said, _Chunk).delta
    message, tokens = _message(delta.message), None
    if delta.usage is not None:
        counted = [delta.usage.get(f"{part}_tokens") for part in ("prompt", "completion")]
        prompt, completion = (each if isinstance(each, (int, float)) else 0 for each in counted)
        tokens = (prompt, completion) if prompt or completion else None
    return AnswerPiece(
        text=message.text,
        calls=message.tool_calls,
        media=tuple(part for part in message.parts if isinstance(part, Media)),
        finish_reason=delta.finish_reason,
        tokens=tokens,
    )


def messages_json(messages: tuple[PromptMessage, ...]) -> list[dict[str, Any]]:
    """Convert messages to the SDK's shape: a prompt, or the history for an agent strategy."""
    return [
        {
            "role": message.role,
            "content": message.text
            if all(isinstance(part, str) for part in message.parts)
            else [_part_json(part) for part in message.parts],
            "name": None,
            **({"tool_calls": _calls_json(message.tool_calls)} if message.tool_calls else {}),
            **({"tool_call_id": message.tool_call_id} if message.role == "tool" else {}),
        }
        for message in messages
    ]


def _calls_json(calls: tuple[FunctionCall, ...]) -> list[dict[str, Any]]:
    return [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in calls
    ]


def _part_json(part: str | Media) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "data": part}
    return {
        "type": part.kind,
        "format": part.mime_type.rpartition("/")[2],
        "mime_type": part.mime_type,
        "url": part.url,
        "base64_data": base64.b64encode(part.data).decode(),
        "filename": part.filename,
        "detail": part.detail,
    }


def chunk(
    model: str,
    index: int,
    text: str,
    *,
    calls: tuple[FunctionCall, ...] = (),
    usage: ModelUsage | None = None,
    finish_reason: str | None = None,
) -> dict[str, Any]:
    """Build an answer chunk in the SDK's shape. Tool calls come whole: strategies read each chunk by itself."""
    message = {"role": "assistant", "content": text, "name": None, "tool_calls": _calls_json(calls)}
    return {
        "model": model,
        "prompt_messages": [],
        "system_fingerprint": None,
        "delta": {
            "index": index,
            "message": message,
            "usage": None if usage is None else usage_json(usage.as_usage()),
            "finish_reason": finish_reason,
        },
    }


def last_chunk(model: str, index: int, text: str, completion: Completion) -> dict[str, Any]:
    """Build the last chunk: the remaining text, tool calls and usage."""
    return chunk(
        model,
        index,
        text,
        calls=completion.tool_calls,
        usage=completion.usage,
        finish_reason=completion.finish_reason or "stop",
    )


def entity(model: str, abilities: Abilities) -> dict[str, Any]:
    """Describe a model to an agent strategy.

    The context size is omitted: with it the SDK would download a tokenizer table to count tokens, and every agent would
    fail without network.
    """
    features = ["tool-call", "multi-tool-call", "stream-tool-call"] if abilities.tools else []
    features += ["vision"] if "image" in abilities.media else []
    features += [kind for kind in ("document", "video", "audio") if kind in abilities.media]
    return {
        "model": model,
        "label": {"en_US": model, "zh_Hans": model},
        "model_type": "llm",
        "features": features,
        "fetch_from": "predefined-model",
        "model_properties": {},
        "deprecated": False,
        "parameter_rules": [],
        "pricing": None,
    }


_LATER: Final = ("retriever_resources", "heartbeat")
"""Message types without meaning for nodes."""


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
    """Convert a plugin's message, or return ``None`` if nodes ignore it. Raises ``PluginFailure`` if its shape is
    wrong."""
    try:
        return _tool_message(sent.type, sent.message, sent.meta or {})
    except msgspec.ValidationError as error:
        raise PluginFailure("PluginProtocol", f"The plugin sends a wrong message {sent.type[:40]!r}: {error}") from None


def _tool_message(kind: str, body: Any, meta: Mapping[str, Any]) -> ToolMessage | None:
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
    """Convert a tool's message for the calling plugin, or return ``None`` if the SDK does not know its type.

    Files are links: the SDK expects no content here. Source: agent plugins, which pass links on.
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
