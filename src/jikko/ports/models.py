"""Language models, as called by nodes."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias, get_args

from msgspec import Struct, field

from jikko.events import Usage
from jikko.values import Json

ModelPurpose: TypeAlias = Literal["llm", "embedding", "rerank", "speech_to_text", "text_to_speech", "moderation"]
PURPOSES: tuple[ModelPurpose, ...] = get_args(ModelPurpose)


class ModelName(NamedTuple):
    provider: str
    """Name in the DSL."""
    model: str


DefaultModels: TypeAlias = Mapping[ModelPurpose, ModelName]
"""Default model by purpose; purposes may be missing. Dify keeps defaults per workspace, Jikko in the providers file
(``defaults``)."""


Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
Mode: TypeAlias = Literal["chat", "completion"]
ToolChoice: TypeAlias = Literal["auto", "required", "none"]
"""Whether the model may, must or must not call tools."""
MediaKind: TypeAlias = Literal["image", "audio", "video", "document"]
FailureKind: TypeAlias = Literal[
    "InvokeRateLimitError",
    "InvokeConnectionError",
    "InvokeServerUnavailableError",
    "InvokeAuthorizationError",
    "InvokeBadRequestError",
    "ModelNotExistError",
]
"""``error_type`` of a node whose model call failed. Source: docs/dify-behaviour.md, “LLM”.

``InvokeConnectionError``: no connection, a timeout, or a truncated answer. ``InvokeServerUnavailableError``: provider
error (5xx). ``InvokeBadRequestError``: the provider refused the request, or its answer is unusable.
``ModelNotExistError``: the model is not configured.
"""

PRICE_UNIT: Final = Decimal("0.000001")
"""Unit of prices: per million tokens."""


class Media(Struct, frozen=True):
    """A file in a prompt, by URL or with its content."""

    kind: MediaKind
    mime_type: str
    url: str = ""
    """URL from which the provider fetches it; ``""`` if the content is in ``data``."""
    data: bytes = b""
    filename: str = ""
    detail: str = "high"
    """Image resolution for the model: ``high`` or ``low``."""


class FunctionCall(Struct, frozen=True):
    id: str
    name: str
    arguments: str
    """JSON as the model wrote it, possibly invalid."""


class PromptMessage(Struct, frozen=True):
    role: Role
    parts: tuple[str | Media, ...]
    """Texts and files in reading order."""
    tool_calls: tuple[FunctionCall, ...] = ()
    """Calls of an assistant message, each answered by a following ``tool`` message."""
    tool_call_id: str = ""
    """For a ``tool`` message: the call it answers."""

    @property
    def text(self) -> str:
        """All texts, joined."""
        return "".join(part for part in self.parts if isinstance(part, str))


class FunctionTool(Struct, frozen=True):
    name: str
    description: str
    parameters: Mapping[str, Json]
    """JSON Schema of an object."""


class Abilities(Struct, frozen=True, kw_only=True):
    """Abilities of a model beyond text."""

    tools: bool = True
    structured_output: bool = False
    """True if the model follows a JSON schema natively."""
    media: frozenset[MediaKind] = frozenset({"image"})


class ProviderRequest(Struct, frozen=True, kw_only=True):
    """Request to a model of any kind."""

    provider: str
    """Name in the DSL: ``openai`` and ``langgenius/openai/openai`` are the same."""
    model: str
    app_id: str = ""
    run_id: str = ""
    """Requests waiting for a provider's rate limit take turns by app, and by run within it."""


class ModelRequest(ProviderRequest, frozen=True, kw_only=True):
    mode: Mode = "chat"
    messages: tuple[PromptMessage, ...]
    """Exactly one in mode ``completion``."""
    parameters: Mapping[str, Json] = field(default_factory=dict)
    """Completion parameters by name, including ``stop``. Unknown ones are passed on."""
    tools: tuple[FunctionTool, ...] = ()
    tool_choice: ToolChoice = "required"
    """Ignored without ``tools``."""
    schema: Mapping[str, Json] | None = None
    """JSON Schema of the answer, only for models that support it. Its name is ``answer``."""
    stream: bool = True
    joined: bool = True
    """Merge texts that arrive together into one event, which is cheaper under load."""
    key: str = ""
    """The same in all attempts of a node execution; a retry honours the provider's ``Retry-After``."""


class Chunk(Struct, frozen=True, gc=False):
    """A chunk of an answer."""

    text: str
    reasoning: str


class ModelUsage(Struct, frozen=True, kw_only=True):
    """Usage of a call, counted by the provider, else estimated."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    prompt_unit_price: Decimal = Decimal(0)
    """Per million tokens, as for the completion."""
    completion_unit_price: Decimal = Decimal(0)
    prompt_price: Decimal = Decimal(0)
    completion_price: Decimal = Decimal(0)
    currency: str = "USD"
    latency: float = 0.0
    """Seconds from the request to the end of the answer, without waiting for rate limits."""
    time_to_first_token: float | None = None
    """Seconds until the first text. ``None`` if the answer was not streamed or has no text."""
    time_to_generate: float | None = None
    """Seconds from the first text to the end."""

    @property
    def total_price(self) -> Decimal:
        return self.prompt_price + self.completion_price

    def as_usage(self) -> Usage:
        """Convert for the run's record, which adds it up."""
        return Usage(
            total_tokens=self.total_tokens,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            total_price=plain(self.total_price),
            currency=self.currency,
            prompt_price=plain(self.prompt_price),
            completion_price=plain(self.completion_price),
            prompt_unit_price=plain(self.prompt_unit_price),
            completion_unit_price=plain(self.completion_unit_price),
            latency=self.latency,
        )

    def as_json(self) -> dict[str, Json]:
        """Build the ``usage`` output. Source: docs/dify-behaviour.md, “LLM”."""
        times = {"time_to_first_token": self.time_to_first_token, "time_to_generate": self.time_to_generate}
        return usage_json(self.as_usage()) | times


def usage_json(usage: Usage, unit: str = "0.000001") -> dict[str, Json]:
    """Return usage as Dify and its plugins know it, with prices as decimal strings. ``unit``: See ``PRICE_UNIT``."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "prompt_unit_price": plain(Decimal(usage.prompt_unit_price)),
        "prompt_price_unit": unit,
        "prompt_price": plain(Decimal(usage.prompt_price)),
        "completion_tokens": usage.completion_tokens,
        "completion_unit_price": plain(Decimal(usage.completion_unit_price)),
        "completion_price_unit": unit,
        "completion_price": plain(Decimal(usage.completion_price)),
        "total_tokens": usage.total_tokens,
        "total_price": plain(Decimal(usage.total_price)),
        "currency": usage.currency,
        "latency": usage.latency,
    }


class Completion(Struct, frozen=True, kw_only=True):
    text: str
    reasoning: str = ""
    """Reasoning, if the provider separates it from the text."""
    tool_calls: tuple[FunctionCall, ...] = ()
    media: tuple[Media, ...] = ()
    """Generated images, as content or URL."""
    finish_reason: str | None = None
    usage: ModelUsage = field(default_factory=ModelUsage)
    is_fake: bool = False


class ModelFailure(Exception):
    """A model call failed. The message is for the user and contains no secret."""

    def __init__(
        self,
        message: str,
        *,
        kind: FailureKind = "InvokeBadRequestError",
        usage: ModelUsage | None = None,
        unsupported: Literal["", "tools", "structured_output"] = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind: FailureKind = kind
        self.usage = usage
        """Usage of an answer that broke off."""
        self.unsupported = unsupported
        """Ability that the model turned out to lack; ``abilities`` no longer includes it."""
        self.retry_after = retry_after
        """Retry delay in seconds requested by the provider."""


class UnknownProvider(ModelFailure):
    """The provider is neither configured nor in the catalogue."""


class Models(Protocol):
    """Calls models. Contract: ``tests/providers``."""

    def abilities(self, provider: str, model: str) -> Abilities:
        """Return the known abilities of a model. Raises ``ModelFailure`` if the provider is not configured."""

    async def context_size(self, provider: str, model: str) -> int | None:
        """Return a model's context size in tokens, prompt and answer together, or ``None`` if unknown."""

    async def complete(self, request: ModelRequest, emit: Callable[[Chunk], None] | None = None) -> Completion:
        """Call a model and wait for the complete answer. Cancelling ends the provider's request at once.

        Args:
            emit: Called with each chunk of a streaming request. It is a callback and not an iterator, so that a token
                costs no task switch and there is nothing to close. An exception from it ends the call.

        Raises:
            ModelFailure: There is no usable answer.
        """

    async def close(self) -> None:
        """Close every connection and stop local models. Idempotent."""


def plain(number: Decimal) -> str:
    """Format a decimal without exponent and trailing zeros, with at least one decimal place: ``0.0000015``, ``2.0``."""
    text = f"{number:f}"
    if "." not in text:
        return f"{text}.0"
    text = text.rstrip("0")
    return f"{text}0" if text.endswith(".") else text
