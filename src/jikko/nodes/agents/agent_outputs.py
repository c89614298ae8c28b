"""Outputs of an agent node, collected from its messages. Source: docs/dify-behaviour.md, “Agent”."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Self
from uuid import UUID, uuid5

from msgspec import Struct
from msgspec.structs import asdict, replace

from jikko.events import Usage
from jikko.nodes.contract import AgentContext, Context
from jikko.nodes.node_variables import contains_secret
from jikko.nodes.tools.tool_outputs import ToolOutputs
from jikko.ports.models import ModelUsage
from jikko.ports.tools import JsonMessage, LogMessage, ToolFailure, ToolMessage, ToolName
from jikko.values import Json, Selector, is_too_deep

_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
_PRICES = ("prompt_unit_price", "prompt_price", "completion_unit_price", "completion_price")
_METADATA = "execution_metadata"
_MAX_LOGS = 10_000
_IDS = UUID("5be7d1f0-3c52-5a8e-9d0c-7f1b6e2a4c93")
"""Ids of omitted tools derive from the node execution: after a crash they are the same."""
NOT_KEPT: Final = "(names a secret that the node gave, and is not kept)"
"""Replaces a text of the agent that contains a secret."""


class Masks:
    """Masking of an agent's records, since agents pass their parameters to tools, and log them.

    A text that the node rendered is recorded in its masked form. Any other text is the agent's, and is never altered:
    one that contains a secret is omitted.
    """

    def __init__(self, rendered: Mapping[str, str], secrets: Iterable[str] = ()) -> None:
        """``rendered``: Masked forms of texts that the node gave. ``secrets``: The secrets in them."""
        self._rendered = rendered
        self._secrets = tuple(secrets)

    @classmethod
    def of(cls, ctx: Context, values: Iterable[tuple[Json, Json]], selectors: Iterable[Selector]) -> Self:
        """Make the masks for ``values``, pairs of a value and its recorded form. ``selectors``: Their sources."""
        if ctx.recorded is ctx.variables:
            return cls({})
        read = [(ctx.variables.get(selector), ctx.recorded.get(selector)) for selector in selectors]
        secrets = {used for used, shown in read if isinstance(used, str) and used and used != shown}
        return cls(dict(pair for value in [*read, *values] for pair in _texts(*value)), secrets)

    def masked(self, value: Any) -> Any:
        """Return the value with its texts masked; itself without secrets. The depth is bounded."""
        if not self._secrets:
            return value
        match value:
            case str():
                if value in self._rendered:
                    return self._rendered[value]
                return NOT_KEPT if contains_secret(value, self._secrets) else value
            case Mapping():
                return {self.name(key): self.masked(each) for key, each in value.items()}
            case list() | tuple():
                return [self.masked(each) for each in value]
            case _:
                return value

    def name(self, text: str) -> str:
        """Mask a label or a key, the agent's own word, only if it equals a given text."""
        return self._rendered.get(text, text)


def _texts(used: Any, shown: Any) -> Iterator[tuple[str, str]]:
    match used, shown:
        case (str(), str()):
            if used != shown:
                yield used, shown
        case (Mapping(), Mapping()):
            for key in used.keys() & shown.keys():
                yield from _texts(used[key], shown[key])
        case (list(), list()):
            for one, other in zip(used, shown, strict=False):
                yield from _texts(one, other)


class ReportedUsage(Struct, frozen=True):
    output: dict[str, Json]
    """The output ``usage``."""
    recorded: Usage


class AgentOutputs:
    """Collects the messages of one invocation. Texts and log entries are shown as they come."""

    def __init__(
        self, ctx: AgentContext, icon: Callable[[str], Json | None], masks: Masks, *, in_order: bool = False
    ) -> None:
        """``in_order``: Send texts before later log entries, at the cost of more events. ``icon``: Returns a provider's
        icon. ``masks``: For secrets in the log."""
        self._ctx = ctx
        self._icon = icon
        self._masks = masks
        self._in_order = in_order
        self._outputs = ToolOutputs(ctx)
        self._logs: dict[str, LogMessage] = {}
        self.usage: ReportedUsage | None = None

    def take(self, message: ToolMessage) -> None:
        """Add a message. Raises ``ToolFailure`` beyond the agent's limits."""
        match message:
            case LogMessage():
                self._log(message)
            case JsonMessage(value) if isinstance(value, Mapping) and isinstance(value.get(_METADATA), Mapping):
                self.usage = _reported(value[_METADATA])
                rest = {key: each for key, each in value.items() if key != _METADATA}
                if rest:
                    self._outputs.take(JsonMessage(rest))
            case _:
                self._outputs.take(message)

    def left_out(self, tool: ToolName, reason: str) -> None:
        """Log that a tool of the app is unavailable. As in Dify, clients do not see it."""
        id_ = str(uuid5(_IDS, f"{self._ctx.idempotency_key}/{tool.provider_type}/{tool.provider}/{tool.tool}"))
        self._log(LogMessage(id=id_, label=f"LEFT OUT {tool}", status="error", error=reason))

    def log(self) -> list[Json]:
        node_id = self._ctx.node_id
        return [{"node_execution_id": node_id, **_entry(entry, node_id)} for entry in self._logs.values()]

    def flush(self) -> None:
        self._outputs.flush()

    async def outputs(self) -> dict[str, Json]:
        """Store files, and return the outputs. Raises ``ToolFailure``: a file too large, or storing too slow."""
        made = await self._outputs.outputs(asyncio.get_running_loop().time())
        logs = [_entry(entry, self._ctx.node_id) for entry in self._logs.values()]
        text, files, json = made.pop("text"), made.pop("files"), made.pop("json")
        usage = self.usage.output if self.usage is not None else ModelUsage().as_json()
        listed = [*logs, *json] if isinstance(json, list) else json
        return {"text": text, "usage": usage, "files": files, "json": listed, **made}

    def _log(self, message: LogMessage) -> None:
        if is_too_deep(message.data) or is_too_deep(message.metadata):
            raise ToolFailure("it logs something that is nested too deeply")
        provider = message.metadata.get("provider")
        if isinstance(provider, str) and provider and (icon := self._icon(provider)) is not None:
            message = replace(message, metadata={**message.metadata, "icon": icon})
        if message.id not in self._logs and len(self._logs) >= _MAX_LOGS:
            raise ToolFailure(f"it has more than {_MAX_LOGS} entries in its log")
        masked = self._masks.masked
        error = None if message.error is None else masked(message.error)
        data, metadata = masked(message.data), masked(message.metadata)
        message = replace(message, label=self._masks.name(message.label), error=error, data=data, metadata=metadata)
        self._logs[message.id] = message
        if self._in_order:
            self._outputs.flush()
        self._ctx.log(message)


def _entry(entry: LogMessage, node_id: str) -> dict[str, Json]:
    return {**asdict(entry), "data": dict(entry.data), "metadata": dict(entry.metadata), "node_id": node_id}


def _reported(metadata: Mapping[str, Any]) -> ReportedUsage:
    counts: dict[str, Any] = {name: _whole(metadata.get(name)) for name in _COUNTS}
    prices: dict[str, Any] = {name: _decimal(metadata.get(name)) for name in _PRICES}
    latency = metadata.get("latency")
    usage = ModelUsage(
        **counts,
        **prices,
        currency=str(metadata.get("currency") or "USD"),
        latency=float(latency) if isinstance(latency, (int, float)) and not isinstance(latency, bool) else 0.0,
    )
    total = _decimal(metadata.get("total_price"))
    recorded = replace(usage.as_usage(), total_price=f"{total:f}")
    return ReportedUsage({**usage.as_json(), "total_price": recorded.total_price}, recorded)


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1 << 53 else 0


def _decimal(value: Any) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return Decimal(0)
    return number if number.is_finite() and 0 <= number < 1 << 53 else Decimal(0)
