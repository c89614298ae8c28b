"""Answers of models and tools, as the log keeps them, and as they were."""

import hashlib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec.structs import asdict, fields

from jikko.ports.models import Completion, FunctionCall, ModelRequest, ModelUsage
from jikko.ports.tools import (
    FileMessage,
    ImageMessage,
    JsonMessage,
    LinkMessage,
    LogMessage,
    TextMessage,
    ToolMessage,
    ToolName,
    VariableMessage,
)
from jikko.values import Json, encode_json

_KINDS: Final[Mapping[str, Any]] = {
    "text": TextMessage,
    "link": LinkMessage,
    "json": JsonMessage,
    "variable": VariableMessage,
    "image": ImageMessage,
    "file": FileMessage,
    "log": LogMessage,
}
"""Messages that are kept. Files are, once they are stored."""
_NAMES: Final = {cls: name for name, cls in _KINDS.items()}
_NOT_ASKED: Final = frozenset({"key", "run_id", "app_id", "stream", "joined"})
"""What of a request does not change its answer."""
_PRICES: Final = frozenset({"prompt_unit_price", "completion_unit_price", "prompt_price", "completion_price"})


def model_digest(request: ModelRequest) -> str:
    """What tells two questions to models apart."""
    asked = {entry.name: getattr(request, entry.name) for entry in fields(request) if entry.name not in _NOT_ASKED}
    return _digest("model", asked)


def tool_digest(name: ToolName, parameters: Mapping[str, Json]) -> str:
    """What tells two calls of tools apart."""
    return _digest("tool", [name.provider_type, name.provider, name.tool, dict(parameters)])


def _digest(kind: str, asked: Any) -> str:
    plain = msgspec.to_builtins(asked, enc_hook=str)
    return hashlib.sha256(encode_json([kind, plain])).hexdigest()


def kept_completion(completion: Completion) -> dict[str, Json]:
    """A model's answer, for the log. Pictures that it made are left out: strategies do not take them."""
    usage = {name: str(value) if name in _PRICES else value for name, value in asdict(completion.usage).items()}
    return {
        "text": completion.text,
        "reasoning": completion.reasoning,
        "tool_calls": [[call.id, call.name, call.arguments] for call in completion.tool_calls],
        "finish_reason": completion.finish_reason,
        "is_fake": completion.is_fake,
        "usage": usage,
    }


def completion_of(kept: Mapping[str, Any]) -> Completion:
    """The answer that ``kept_completion`` was given."""
    usage: dict[str, Any] = {
        name: Decimal(value) if name in _PRICES else value for name, value in kept["usage"].items()
    }
    return Completion(
        text=kept["text"],
        reasoning=kept["reasoning"],
        tool_calls=tuple(FunctionCall(*call) for call in kept["tool_calls"]),
        finish_reason=kept["finish_reason"],
        is_fake=kept["is_fake"],
        usage=ModelUsage(**usage),
    )


def kept_messages(messages: Iterable[ToolMessage]) -> list[Json]:
    """What a tool said, for the log."""
    return [[_NAMES[type(message)], asdict(message)] for message in messages if type(message) in _NAMES]


def messages_of(kept: Iterable[Any]) -> list[ToolMessage]:
    """What ``kept_messages`` was given."""
    return [_KINDS[kind](**given) for kind, given in kept]
