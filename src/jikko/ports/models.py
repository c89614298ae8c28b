"""Language models, as nodes call them."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias, get_args

from msgspec import Struct, field

from jikko.events import Usage
from jikko.values import Json

ModelPurpose: TypeAlias = Literal["llm", "embedding", "rerank", "speech_to_text", "text_to_speech", "moderation"]
PURPOSES: tuple[ModelPurpose, ...] = get_args(ModelPurpose)


class ModelName(NamedTuple):
    """One model of one provider."""

    provider: str
    """As the DSL names it."""
    model: str


DefaultModels: TypeAlias = Mapping[ModelPurpose, ModelName]
"""By what they are for; a purpose without a model is missing. Dify keeps them for each workspace, Jikko in the
providers file (``defaults``)."""


Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
Mode: TypeAlias = Literal["chat", "completion"]
ToolChoice: TypeAlias = Literal["auto", "required", "none"]
"""Whether the model may call tools, must call one, or must not."""
MediaKind: TypeAlias = Literal["image", "audio", "video", "document"]
FailureKind: TypeAlias = Literal[
    "InvokeRateLimitError",
    "InvokeConnectionError",
    "InvokeServerUnavailableError",
    "InvokeAuthorizationError",
    "InvokeBadRequestError",
    "ModelNotExistError",
]
"""The ``error_type`` of a node whose model call failed. Source: docs/dify-behaviour.md, “LLM”.

``InvokeConnectionError``: no connection, silence for too long, or an answer that stopped in the middle.
``InvokeServerUnavailableError``: the provider has a fault (5xx). ``InvokeBadRequestError``: it refused the request, or
its answer cannot be used. ``ModelNotExistError``: nothing says how to reach the model."""

PRICE_UNIT: Final = Decimal("0.000001")
"""Unit prices are per million tokens."""


class Media(Struct, frozen=True):
    """A file in a prompt: by its address, or with its content."""

    kind: MediaKind
    mime_type: str
    url: str = ""
    """Where the provider can fetch it; ``""`` if ``data`` has the content."""
    data: bytes = b""
    filename: str = ""
    detail: str = "high"
    """Images: how closely the model looks, ``high`` or ``low``."""


class FunctionCall(Struct, frozen=True):
    """A call that the model made."""

    id: str
    name: str
    arguments: str
    """JSON, as the model wrote it: may be no JSON at all."""


class PromptMessage(Struct, frozen=True):
    """One message of a prompt."""

    role: Role
    parts: tuple[str | Media, ...]
    """Texts and files in the order in which the model reads them."""
    tool_calls: tuple[FunctionCall, ...] = ()
    """Of an assistant: the calls that it made. Each is answered by a ``tool`` message right behind."""
    tool_call_id: str = ""
    """Of a ``tool`` message: the call that it answers."""

    @property
    def text(self) -> str:
        """All texts, joined."""
        return "".join(part for part in self.parts if isinstance(part, str))


class FunctionTool(Struct, frozen=True):
    """A function that the model may call."""

    name: str
    description: str
    parameters: Mapping[str, Json]
    """JSON Schema of an object."""


class Abilities(Struct, frozen=True, kw_only=True):
    """What a model can do beyond text."""

    tools: bool = True
    structured_output: bool = False
    """Whether it keeps to a JSON schema by itself."""
    media: frozenset[MediaKind] = frozenset({"image"})


class ModelRequest(Struct, frozen=True, kw_only=True):
    """One call of a model."""

    provider: str
    """As the DSL names it: ``openai`` and ``langgenius/openai/openai`` are the same."""
    model: str
    mode: Mode = "chat"
    messages: tuple[PromptMessage, ...]
    """In mode ``completion`` one message."""
    parameters: Mapping[str, Json] = field(default_factory=dict)
    """Completion parameters by their names, ``stop`` included. Unknown ones are passed on."""
    tools: tuple[FunctionTool, ...] = ()
    tool_choice: ToolChoice = "required"
    """What the model does with ``tools``, if there are any."""
    schema: Mapping[str, Json] | None = None
    """JSON Schema that the answer must fit; only for models that can. Its name is ``answer``."""
    stream: bool = True
    joined: bool = True
    """Whether texts that came together may be one event: cheaper when there is much to do."""
    app_id: str = ""
    run_id: str = ""
    """Requests that wait for a limit of the provider take turns by app, and by run within it."""
    key: str = ""
    """The same in all attempts of one node execution; a further attempt keeps the provider's ``Retry-After``."""


class Chunk(Struct, frozen=True, gc=False):
    """A piece of an answer."""

    text: str
    reasoning: str


class ModelUsage(Struct, frozen=True, kw_only=True):
    """What one call used. Counted by the provider; estimated if it does not count."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    prompt_unit_price: Decimal = Decimal(0)
    """Per million tokens; so is that of the completion."""
    completion_unit_price: Decimal = Decimal(0)
    prompt_price: Decimal = Decimal(0)
    completion_price: Decimal = Decimal(0)
    currency: str = "USD"
    latency: float = 0.0
    """Seconds from the request to the end of the answer, without waiting for limits."""
    time_to_first_token: float | None = None
    """Seconds until the first text. ``None`` if the answer was not streamed or has no text."""
    time_to_generate: float | None = None
    """Seconds from the first text to the end."""

    @property
    def total_price(self) -> Decimal:
        return self.prompt_price + self.completion_price

    def as_usage(self) -> Usage:
        """As the run's record adds it up."""
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
        """The ``usage`` output. Source: docs/dify-behaviour.md, “LLM”."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "prompt_unit_price": plain(self.prompt_unit_price),
            "prompt_price_unit": plain(PRICE_UNIT),
            "prompt_price": plain(self.prompt_price),
            "completion_tokens": self.completion_tokens,
            "completion_unit_price": plain(self.completion_unit_price),
            "completion_price_unit": plain(PRICE_UNIT),
            "completion_price": plain(self.completion_price),
            "total_tokens": self.total_tokens,
            "total_price": plain(self.total_price),
            "currency": self.currency,
            "latency": self.latency,
            "time_to_first_token": self.time_to_first_token,
            "time_to_generate": self.time_to_generate,
        }


class Completion(Struct, frozen=True, kw_only=True):
    """A whole answer."""

    text: str
    reasoning: str = ""
    """What the model thought, where the provider tells it apart from the text."""
    tool_calls: tuple[FunctionCall, ...] = ()
    media: tuple[Media, ...] = ()
    """Pictures that the model made, with their content or by their address."""
    finish_reason: str | None = None
    usage: ModelUsage = field(default_factory=ModelUsage)
    is_fake: bool = False


class ModelFailure(Exception):
    """A model call failed. The message is for the user to read and holds no secret."""

    def __init__(
        self,
        message: str,
        *,
        kind: FailureKind,
        usage: ModelUsage | None = None,
        unsupported: Literal["", "tools", "structured_output"] = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind: FailureKind = kind
        self.usage = usage
        """What was used all the same: of an answer that broke off."""
        self.unsupported = unsupported
        """What the model turned out not to be able to; ``abilities`` no longer has it."""
        self.retry_after = retry_after
        """Seconds after which the provider asks to try again."""


class Models(Protocol):
    """Calls models. What an implementation must do is in ``tests/providers``."""

    def abilities(self, provider: str, model: str) -> Abilities:
        """What a model can do, as far as is known. Raises ``ModelFailure``: nothing says how to reach the provider."""

    async def context_size(self, provider: str, model: str) -> int | None:
        """How many tokens prompt and answer of a model may have together; ``None`` if it is not known."""

    async def complete(self, request: ModelRequest, emit: Callable[[Chunk], None] | None = None) -> Completion:
        """Call a model and wait for its whole answer. Cancelling ends the request at the provider at once.

        Args:
            emit: Called with each piece as it comes, if the request is a streaming one. A callback and not an
                iterator, so that a token costs no task switch and nothing is left behind that must be closed. What it
                raises ends the call.

        Raises:
            ModelFailure: There is no usable answer.
        """

    async def close(self) -> None:
        """Close all connections and stop local models. May be called twice."""


def plain(number: Decimal) -> str:
    """A decimal number without exponent and trailing zeros, but one decimal place at least: ``0.0000015``, ``2.0``."""
    text = f"{number:f}"
    if "." not in text:
        return f"{text}.0"
    text = text.rstrip("0")
    return f"{text}0" if text.endswith(".") else text
