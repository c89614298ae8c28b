"""Completion parameters of OpenAI's protocol, as written in workflows."""

import base64
import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

from jikko.ports.models import Media, ModelFailure, ModelRequest, PromptMessage
from jikko.values import Json

log = logging.getLogger(__name__)

KNOWN: Final = frozenset(
    """
    audio best_of echo frequency_penalty logit_bias logprobs max_completion_tokens max_tokens metadata modalities n
    parallel_tool_calls prediction presence_penalty prompt_cache_key reasoning_effort response_format safety_identifier
    seed service_tier stop store suffix temperature top_logprobs top_p user verbosity web_search_options
    """.split()
)
"""Parameters of the protocol. Others are passed on: compatible servers have many."""
_OURS: Final = frozenset({"model", "messages", "prompt", "stream", "stream_options", "tools", "tool_choice"})


class CompletionParameters:
    """Converts completion parameters to fields of the body, and remembers rejected ones.

    A parameter that is unknown to the protocol, or rejected, is logged once per model.
    """

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._logged: set[tuple[str, str]] = set()
        self._refused: dict[str, set[str]] = {}

    def fields(self, model: str, parameters: Mapping[str, Json]) -> dict[str, Any]:
        """Return the fields of the body, including rejected ones. Raises ``ModelFailure``: ``json_schema`` or a value
        is not JSON."""
        body: dict[str, Any] = {}
        for name, value in parameters.items():
            if value is None or name in _OURS or name == "json_schema":
                continue
            if name not in KNOWN:
                self._warn(model, name, "is not part of OpenAI's protocol; it is passed on as it is")
            if not isinstance(value, (str, int)):
                _check_numbers(name, value)
            body[name] = value
        if isinstance(body.get("response_format"), str):
            self._response_format(body, parameters.get("json_schema"))
        if body.get("stop") in ("", []):
            del body["stop"]
        return body

    def without_refused(self, model: str, body: dict[str, Any]) -> dict[str, Any]:
        refused = self._refused.get(model)
        if not refused:
            return body
        if "max_tokens" in refused and "max_tokens" in body and "max_completion_tokens" not in refused:
            body["max_completion_tokens"] = body["max_tokens"]
        return {name: value for name, value in body.items() if name not in refused}

    def refuse(self, model: str, name: str, message: str) -> None:
        """Omit a parameter from now on, since a model rejects it."""
        self._refused.setdefault(model, set()).add(name)
        self._warn(model, name, f"was refused and is left out: {message}")

    def _response_format(self, body: dict[str, Any], schema: Json) -> None:
        # Workflows have ``json_schema`` as a separate parameter, with the schema's text.
        kind = body["response_format"]
        if kind == "json_schema" and schema:
            try:
                body["response_format"] = {
                    "type": "json_schema",
                    "json_schema": json.loads(schema) if isinstance(schema, str) else schema,
                }
            except (ValueError, RecursionError):
                raise ModelFailure("The completion parameter json_schema is not JSON.") from None
        elif kind.lower() in ("json_object", "json"):
            body["response_format"] = {"type": "json_object"}
        elif kind.lower() in ("text", "", "json_schema"):
            del body["response_format"]
        else:
            body["response_format"] = {"type": kind}

    def _warn(self, model: str, name: str, what: str) -> None:
        if (model, name) not in self._logged:
            self._logged.add((model, name))
            log.warning("%s, model %s: the completion parameter %s %s", self._provider, model, name, what)


def _check_numbers(name: str, value: Json) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        raise ModelFailure(
            f"The completion parameter {name} has a number that JSON does not have: NaN or infinity."
        ) from None


def chat_body(request: ModelRequest, parameters: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {"model": request.model, "messages": _messages(request.messages)}
    body |= parameters
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)},
            }
            for tool in request.tools
        ]
        # Not by name: fewer servers support that.
        body["tool_choice"] = request.tool_choice
    if request.schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": dict(request.schema)},
        }
    return _streaming(request, body)


def completion_body(request: ModelRequest, parameters: dict[str, Any]) -> dict[str, Any]:
    prompt = "\n".join(entry.text for entry in request.messages)
    return _streaming(request, {"model": request.model, "prompt": prompt, **parameters})


def _streaming(request: ModelRequest, body: dict[str, Any]) -> dict[str, Any]:
    if request.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return body


def _messages(messages: Iterable[PromptMessage]) -> list[dict[str, Any]]:
    """Convert messages; pictures of tool answers follow in a user message, since the protocol has no others."""
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
    return f"data:{media.mime_type};base64,{base64.b64encode(media.data).decode()}"
