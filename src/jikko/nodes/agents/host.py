"""Host of an agent: calls models and tools, records their answers, and enforces limits."""

import asyncio
import hashlib
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec.structs import asdict, fields

from jikko.errors import JikkoError
from jikko.events import Usage
from jikko.nodes.contract import AgentContext, total
from jikko.nodes.tools.conversion import NotConvertible, converted
from jikko.nodes.tools.tool_outputs import ToolBounds, stored_blob, tool_call
from jikko.ports.agents import AgentLimits, LimitReached
from jikko.ports.models import Chunk, Completion, FunctionCall, ModelRequest, ModelUsage
from jikko.ports.tools import (
    BlobMessage,
    Emit,
    FileMessage,
    ImageMessage,
    JsonMessage,
    LinkMessage,
    LogMessage,
    TextMessage,
    ToolFailure,
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
"""Recorded message types. Files are recorded once stored."""
_NAMES: Final = {cls: name for name, cls in _KINDS.items()}
_UNREQUESTED: Final = frozenset({"key", "run_id", "app_id", "stream", "joined"})
"""Fields of a request that do not affect its answer."""
_PRICES: Final = frozenset({"prompt_unit_price", "completion_unit_price", "prompt_price", "completion_price"})


def model_digest(request: ModelRequest) -> str:
    asked = {entry.name: getattr(request, entry.name) for entry in fields(request) if entry.name not in _UNREQUESTED}
    return _digest("model", asked)


def _digest(kind: str, asked: Any) -> str:
    plain = msgspec.to_builtins(asked, enc_hook=str)
    return hashlib.sha256(encode_json([kind, plain])).hexdigest()


def kept_completion(completion: Completion) -> dict[str, Json]:
    """Encode a model's answer for the log, without pictures, which strategies do not use."""
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
    """Decode an answer of ``kept_completion``."""
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
    """Encode a tool's messages for the log."""
    return [[_NAMES[type(message)], asdict(message)] for message in messages if type(message) in _NAMES]


def messages_of(kept: Iterable[Any]) -> list[ToolMessage]:
    """Decode messages of ``kept_messages``."""
    return [_KINDS[kind](**given) for kind, given in kept]


_FAILED: Final = "failed"
"""Key of a tool's failure in the log."""


class NodeHost:
    """``AgentHost`` for one execution of an agent node."""

    def __init__(self, ctx: AgentContext, flush: Callable[[], None] = lambda: None) -> None:
        """``flush``: Shows pending output: otherwise it would wait until a recorded answer is durable."""
        self._ctx = ctx
        self._flush = flush
        self._limits: AgentLimits = ctx.ports.agent_limits
        self._kept: dict[str, deque[Json]] = defaultdict(deque)
        for step in ctx.steps:
            self._kept[step.request].append(step.answer)
        self._asking = self._calling = 0
        """Running calls; the totals include them once answered."""
        self.usage: Usage | None = None
        """Total usage of this execution."""

    async def complete(self, request: ModelRequest, emit: Callable[[Chunk], None] | None = None) -> Completion:
        digest = model_digest(request)
        kept = self._taken(digest)
        if kept is not None:
            completion = completion_of(kept)
            if emit is not None and completion.text:
                emit(Chunk(completion.text, ""))
        else:
            self._check("model_calls", self._ctx.agents.model_calls + self._asking, self._limits.model_calls)
            self._check_usage()
            await self._durability_barrier()
            self._asking += 1
            try:
                completion = await self._ctx.ports.models.complete(request, emit)
            finally:
                self._asking -= 1
            self._flush()
            self._ctx.record_step("model", digest, kept_completion(completion), usage=completion.usage.as_usage())
        self.usage = total((self.usage, completion.usage.as_usage()))
        return completion

    async def call_tool(self, name: ToolName, parameters: Mapping[str, Json], emit: Emit) -> None:
        digest = _digest("tool", [name.provider_type, name.provider, name.tool, dict(parameters)])
        kept = self._taken(digest)
        if kept is None:
            self._check("tool_calls", self._ctx.agents.tool_calls + self._calling, self._limits.tool_calls)
            self._check_usage()
            await self._durability_barrier()
            self._calling += 1
            try:
                messages, usage = await self._called(name, parameters)
            except ToolFailure as failure:
                # A failure is an answer, too: the model sees it, and decides what next.
                self._ctx.record_step("tool", digest, {_FAILED: str(failure)}, usage=failure.usage)
                self.usage = total((self.usage, failure.usage)) if failure.usage is not None else self.usage
                raise
            finally:
                self._calling -= 1
            self._ctx.record_step(
                "tool", digest, [kept_messages(messages), _usage_json(usage)], usage=usage
            )  # fmt: skip
        elif isinstance(kept, dict):
            raise ToolFailure(str(kept[_FAILED]))
        else:
            messages, usage = messages_of(kept[0]), None if kept[1] is None else Usage(*kept[1])
        if usage is not None:
            self.usage = total((self.usage, usage))
        for message in messages:
            emit(message)

    async def _called(self, name: ToolName, parameters: Mapping[str, Json]) -> tuple[list[ToolMessage], Usage | None]:
        ctx = self._ctx
        tools = ctx.ports.tools
        tool = tools.known(name, app_id=ctx.run.app_id) or await tools.find(name, app_id=ctx.run.app_id)
        given = dict(parameters)
        for parameter in tool.parameters:
            if parameter.name in given:
                try:
                    given[parameter.name] = converted(given[parameter.name], parameter)
                except NotConvertible as problem:
                    raise ToolFailure(str(problem)) from None
            elif parameter.default is not None:
                given[parameter.name] = parameter.default
        messages: list[ToolMessage] = []
        bounds = ToolBounds(ctx.ports.limits)

        def take(message: ToolMessage) -> None:
            bounds.take(message)
            messages.append(message)

        began = asyncio.get_running_loop().time()
        usage = await tools.call(tool_call(ctx, tool, given), take)
        async with bounds.time_for_files(began):
            return [await self._stored(message) for message in messages], usage

    async def _stored(self, message: ToolMessage) -> ToolMessage:
        """Store a file at once, so that the log refers to it instead of holding its content."""
        return FileMessage(await stored_blob(self._ctx, message)) if isinstance(message, BlobMessage) else message

    def _taken(self, digest: str) -> Json | None:
        """Take a recorded answer from before a crash, each once."""
        answers = self._kept.get(digest)
        return answers.popleft() if answers else None

    async def _durability_barrier(self) -> None:
        try:
            await self._ctx.durability_barrier()
        except JikkoError as error:
            # Another process owns the run, and continues it.
            raise LimitReached(str(error)) from None

    def _check(self, what: str, count: int, most: int) -> None:
        if most and count >= most:
            raise LimitReached(
                f"The agents of this run have made {count} {what.replace('_', ' ')}; no more are allowed (the limit is "
                f"set by JIKKO_AGENT_{what.upper()})."
            )

    def _check_usage(self) -> None:
        used = self._ctx.agents.usage
        if used is None:
            return
        if self._limits.tokens and used.total_tokens >= self._limits.tokens:
            raise LimitReached(
                f"The agents of this run have used {used.total_tokens} tokens; {self._limits.tokens} are allowed (the "
                "limit is set by JIKKO_AGENT_TOKENS)."
            )
        if self._limits.price and Decimal(used.total_price) >= Decimal(str(self._limits.price)):
            raise LimitReached(
                f"The agents of this run have cost {used.total_price} {used.currency}; {self._limits.price:g} is "
                "allowed (the limit is set by JIKKO_AGENT_PRICE)."
            )


def _usage_json(usage: Usage | None) -> Json:
    if usage is None:
        return None
    return [usage.total_tokens, usage.prompt_tokens, usage.completion_tokens, usage.total_price, usage.currency]
