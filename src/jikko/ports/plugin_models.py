"""Models of plugins, as providers call them."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct, field

from jikko.ports.models import Abilities, FunctionCall, Media, Mode, ModelRequest
from jikko.ports.other_models import Ranked, Vector
from jikko.values import Json

PluginModelKind: TypeAlias = Literal["llm", "text-embedding", "rerank", "speech2text", "tts"]
"""As packages name kinds of models. They may have others, which are not called."""


class PluginModel(Struct, frozen=True, kw_only=True):
    """A model, how it is reached, and for whom."""

    plugin: str
    """``author/name``, or ``author/name/provider`` of a plugin that has several."""
    name: str = ""
    """What the plugin calls the model."""
    credentials: Mapping[str, Json] = field(default_factory=dict)
    seconds: float
    """How long the plugin may be silent."""
    app_id: str = ""
    run_id: str = ""
    key: str = ""


class KnownModel(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model that a package lists."""

    name: str
    kind: str
    """A ``PluginModelKind``, or another one."""
    mode: Mode | None = None
    abilities: Abilities = Abilities()
    context_size: int = 0
    """Tokens of prompt and answer together; 0 where it says nothing."""
    price: tuple[Decimal, Decimal, str] | None = None
    """Of a million tokens of prompt and completion, and the currency."""
    voice: str = ""
    """The one that a model speaks with, if none is named."""


class AnswerPiece(Struct, frozen=True, kw_only=True):
    """A piece of an answer."""

    text: str = ""
    calls: tuple[FunctionCall, ...] = ()
    """Calls or pieces of such: what has no name goes on with the call of its id, and without an id with the last."""
    media: tuple[Media, ...] = ()
    finish_reason: str | None = None
    tokens: tuple[float, float] | None = None
    """Of prompt and completion, as the plugin counted."""


class PluginModels(Protocol):
    """Calls models of plugins. Failures are ``ModelFailure``, whose text has no secret credential."""

    def known(self, plugin: str) -> tuple[KnownModel, ...]:
        """What the package of a plugin lists: the same object until plugins are installed. Starts nothing.
        Raises ``ModelFailure``: it is not installed, or has no models."""

    def require(self, model: PluginModel) -> None:
        """Raises ``ToolNotFound``: the plugin is not installed, or a credential is missing. Starts nothing."""

    async def check(self, model: PluginModel) -> None:
        """Have the plugin try its credentials."""

    async def complete(self, model: PluginModel, request: ModelRequest, take: Callable[[AnswerPiece], None]) -> None:
        """Have a prompt answered. Returns when all of the answer was told; what ``take`` raises ends the call."""

    async def embed(self, model: PluginModel, texts: Sequence[str]) -> tuple[list[Vector], int | None]:
        """The vectors of texts in their order, as long as the model made them, and the tokens that it counted."""

    async def rerank(self, model: PluginModel, query: str, texts: Sequence[str], top_n: int) -> list[Ranked]:
        """The texts that fit best, best first; each at most once."""

    async def transcribe(self, model: PluginModel, data: bytes) -> str:
        """What is said in a recording."""

    async def speak(self, model: PluginModel, text: str, voice: str, emit: Callable[[bytes], None]) -> None:
        """Have a text spoken, and tell the sound as it comes."""
