"""Anthropic's models, by Anthropic's SDK: at Anthropic, on Bedrock and on Vertex AI.

Needs the extra ``anthropic``; Bedrock and Vertex need that SDK's extras ``bedrock`` and ``vertex``.
"""

import asyncio
import base64
import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Final

from jikko.ports.models import FunctionCall, Media, ModelFailure, ModelRequest, PromptMessage, ToolChoice
from jikko.providers.config import ProviderConfig
from jikko.providers.progress import AnswerCollector, without_progress
from jikko.providers.provider_connections import missing_library
from jikko.providers.sdk_errors import MakeClient, SdkClient, client_options, failing_as_models_do
from jikko.values import json_value

_MAX_TOKENS: Final = 8192
"""Default of the limit that the protocol requires."""
_PIECE_BYTES: Final = 1024
"""Bytes of a stream that are taken at once: some events."""
_RENAMED: Final = {"stop": "stop_sequences", "max_completion_tokens": "max_tokens"}
_OURS: Final = frozenset(
    {"model", "messages", "stream", "system", "tools", "tool_choice", "response_format", "json_schema"}
)
_CHOICES: Final[dict[ToolChoice, str]] = {"auto": "auto", "required": "any", "none": "none"}
_FINISHED: Final = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}


class AnthropicMessages:
    """Backend of one provider. The SDK is imported with the first request. Implements ``Backend``."""

    def __init__(self, config: ProviderConfig, make_client: MakeClient | None = None) -> None:
        """Raises ``ModelFailure`` if the SDK is not installed."""
        if make_client is None and importlib.util.find_spec("anthropic") is None:
            raise missing_library(config.type, "anthropic")
        self._config = config
        self._client = SdkClient(make_client or _client, config)

    async def complete(self, request: ModelRequest, progress: AnswerCollector) -> None:
        client = await self._connected()
        progress.sent()
        with failing_as_models_do():
            # Always streamed: the SDK limits long answers that are not.
            events = await self._answered(client.messages.create(**_arguments(request)))
            # The SDK skips what is no event, such as pings, without giving way.
            events.response.aiter_bytes = partial(_paced, events.response.aiter_bytes, progress)
            try:
                async for event in events:
                    _take(event, progress)
            finally:
                await events.close()
        if progress.finish_reason is None:
            raise ModelFailure("The provider's answer stopped in the middle.", kind="InvokeConnectionError")

    async def models(self) -> list[str]:
        client = await self._connected()
        with failing_as_models_do():
            page = await self._answered(client.models.list())
            return [model.id for model in page.data]

    async def close(self) -> None:
        await self._client.close()

    async def _answered(self, request: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(self._config.patience) as deadline:
                return await request
        except TimeoutError:
            if deadline.expired():
                raise without_progress(self._config.patience) from None
            raise

    async def _connected(self) -> Any:
        try:
            return await self._client.get()
        except ImportError as error:
            raise ModelFailure(
                f"The provider type {self._config.type!r} needs another library: "
                f"pip install 'anthropic[{self._config.type}]' ({error})",
                kind="ModelNotExistError",
            ) from None


async def _paced(read: Callable[[], AsyncIterator[bytes]], progress: AnswerCollector) -> AsyncIterator[bytes]:
    async for received in read():
        for begin in range(0, len(received), _PIECE_BYTES):
            piece = received[begin : begin + _PIECE_BYTES]
            progress.took(1, len(piece))
            yield piece
            if progress.is_due or len(received) > _PIECE_BYTES:
                await progress.give_way()


def _client(config: ProviderConfig) -> Any:
    import aiohttp
    import anthropic

    from jikko.concurrency.bounded_connections import ConnectionPool

    options = client_options()
    http = anthropic.DefaultAioHttpClient(**options)
    # Its transport opens sessions, too, but with connections that bound nothing.
    http._transport.client = lambda: aiohttp.ClientSession(connector=ConnectionPool(ssl=options["verify"]))
    common: dict[str, Any] = {
        "max_retries": 0,
        "timeout": anthropic.Timeout(config.timeout, connect=config.connect_timeout, pool=None),
        "default_headers": dict(config.headers),
        "http_client": http,
    }
    if config.base_url:
        common["base_url"] = config.base_url
    region = config.options.get("region")
    match config.type:
        case "bedrock":
            return anthropic.AsyncAnthropicBedrock(aws_region=region, **common)
        case "vertex":
            project = str(config.options.get("project", ""))
            return anthropic.AsyncAnthropicVertex(region=str(region or "global"), project_id=project, **common)
        case _:
            common.setdefault("base_url", "https://api.anthropic.com")
            client = anthropic.AsyncAnthropic(api_key=config.api_key or "none", webhook_key="", **common)
            # ANTHROPIC_CUSTOM_HEADERS is read whatever is given.
            client._custom_headers = dict(config.headers)
            return client


def _arguments(request: ModelRequest) -> dict[str, Any]:
    messages = _messages(request.messages)
    system = "\n\n".join(message.text for message in request.messages if message.role == "system")
    body: dict[str, Any] = {}
    if not messages:
        # A prompt of system messages only is allowed elsewhere.
        messages, system = [{"role": "user", "content": system}], ""
    if system:
        body["system"] = system
    for name, value in request.parameters.items():
        name = _RENAMED.get(name, name)
        if value is None or name in _OURS:
            continue
        body[name] = [value] if name == "stop_sequences" and isinstance(value, str) else value
    if request.tools:
        body["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)}
            for tool in request.tools
        ]
        body["tool_choice"] = {"type": _CHOICES[request.tool_choice]}
    max_tokens = body.pop("max_tokens", _MAX_TOKENS)
    # Beyond what every version of the SDK asks for, all goes into the body as it is: signatures change.
    return {"model": request.model, "messages": messages, "max_tokens": max_tokens, "stream": True, "extra_body": body}


def _messages(messages: Iterable[PromptMessage]) -> list[dict[str, Any]]:
    """The messages without their system texts. Answers of tools are parts of the user's turn, all of one turn together;
    pictures of system messages are, too, as the protocol knows no others."""
    listed: list[dict[str, Any]] = []
    for message in messages:
        match message.role:
            case "system":
                content = [_part(part) for part in message.parts if isinstance(part, Media)]
                role = "user"
            case "tool":
                parts = [_part(part) for part in message.parts if part]
                content = [{"type": "tool_result", "tool_use_id": message.tool_call_id, "content": parts}]
                role = "user"
            case role:
                content = [_part(part) for part in message.parts if part]
                content += [_call(call) for call in message.tool_calls]
        if not content:
            continue
        if role == "user" and listed and listed[-1]["role"] == "user":
            listed[-1]["content"] += content
        else:
            listed.append({"role": role, "content": content})
    return listed


def _call(call: FunctionCall) -> dict[str, Any]:
    arguments = json_value(call.arguments or "{}")
    # The protocol has objects alone; what the model wrote instead is handed back as what it is.
    given = arguments if isinstance(arguments, dict) else {"arguments": call.arguments}
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": given}


def _part(part: str | Media) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if part.kind not in ("image", "document"):
        raise ModelFailure(f"Anthropic's models read no {part.kind} files.")
    if part.url:
        return {"type": part.kind, "source": {"type": "url", "url": part.url}}
    data = base64.b64encode(part.data).decode()
    return {"type": part.kind, "source": {"type": "base64", "media_type": part.mime_type, "data": data}}


def _take(event: Any, progress: AnswerCollector) -> None:
    match event.type:
        case "message_start":
            usage = event.message.usage
            cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
            progress.count(usage.input_tokens + cached, None)
        case "content_block_start" if event.content_block.type == "tool_use":
            progress.call(event.index, event.content_block.id, event.content_block.name, "")
        case "content_block_delta":
            delta = event.delta
            match delta.type:
                case "text_delta":
                    progress.add(delta.text)
                case "thinking_delta":
                    progress.add("", delta.thinking)
                case "input_json_delta":
                    progress.call(event.index, "", "", delta.partial_json)
        case "message_delta":
            progress.count(None, event.usage.output_tokens)
            reason = event.delta.stop_reason
            if reason:
                progress.finish_reason = _FINISHED.get(reason, reason)
