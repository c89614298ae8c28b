"""A model request as the body of OpenAI's protocol."""

import base64
from collections.abc import Iterable
from typing import Any

from jikko.ports.models import Media, ModelRequest, PromptMessage


def chat_body(request: ModelRequest, parameters: dict[str, Any]) -> dict[str, Any]:
    """The body of ``/chat/completions``."""
    body: dict[str, Any] = {"model": request.model, "messages": _messages(request.messages)}
    body |= parameters
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": dict(tool.parameters),
                },
            }
            for tool in request.tools
        ]
        # Not by its name: fewer servers understand that.
        body["tool_choice"] = request.tool_choice
    if request.schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": dict(request.schema)},
        }
    return _streaming(request, body)


def completion_body(request: ModelRequest, parameters: dict[str, Any]) -> dict[str, Any]:
    """The body of ``/completions``."""
    prompt = "\n".join(entry.text for entry in request.messages)
    return _streaming(request, {"model": request.model, "prompt": prompt, **parameters})


def _streaming(request: ModelRequest, body: dict[str, Any]) -> dict[str, Any]:
    if request.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return body


def _messages(messages: Iterable[PromptMessage]) -> list[dict[str, Any]]:
    """The messages; pictures of answers of tools in a user message behind these, since the protocol has no others."""
    listed: list[dict[str, Any]] = []
    pictures: list[Media] = []
    for message in messages:
        if message.role == "tool":
            pictures += [part for part in message.parts if isinstance(part, Media)]
            listed.append({"role": "tool", "tool_call_id": message.tool_call_id, "content": message.text})
            continue
        if pictures:
            listed.append(_message(PromptMessage("user", tuple(pictures))))
            pictures = []
        listed.append(_message(message))
    if pictures:
        listed.append(_message(PromptMessage("user", tuple(pictures))))
    return listed


def _message(message: PromptMessage) -> dict[str, Any]:
    if message.tool_calls:
        return {
            "role": message.role,
            "content": message.text or None,
            "tool_calls": [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in message.tool_calls
            ],
        }
    if len(message.parts) == 1 and isinstance(message.parts[0], str):
        return {"role": message.role, "content": message.parts[0]}
    return {"role": message.role, "content": [_part(part) for part in message.parts]}


def _part(part: str | Media) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    match part.kind:
        case "image":
            return {"type": "image_url", "image_url": {"url": part.url or data_url(part), "detail": part.detail}}
        case "video":
            return {"type": "video_url", "video_url": {"url": part.url or data_url(part)}}
        case "audio":
            kind = part.mime_type.rpartition("/")[2].removeprefix("x-")
            data = base64.b64encode(part.data).decode() if part.data else part.url
            format_ = "mp3" if kind in ("mpeg", "mp3") else kind
            return {"type": "input_audio", "input_audio": {"data": data, "format": format_}}
        case "document":
            return {"type": "file", "file": {"filename": part.filename, "file_data": part.url or data_url(part)}}


def data_url(media: Media) -> str:
    """The content as a ``data:`` URL."""
    return f"data:{media.mime_type};base64,{base64.b64encode(media.data).decode()}"
