"""Models of plugins, as called by providers."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct, field

from jikko.ports.models import Abilities, FunctionCall, Media, Mode, ModelRequest
from jikko.ports.other_models import Ranked, Vector
from jikko.values import Json

PluginModelKind: TypeAlias = Literal["llm", "text-embedding", "rerank", "speech2text", "tts"]
"""Kinds of models in packages. Others are not supported."""


class PluginModel(Struct, frozen=True, kw_only=True):
    """A model with its access settings and owner."""

    plugin: str
    """``author/name``, or ``author/name/provider`` for a plugin with several providers."""
    name: str = ""
    credentials: Mapping[str, Json] = field(default_factory=dict)
    seconds: float
    """Idle timeout."""
    app_id: str = ""
    run_id: str = ""
    key: str = ""


class KnownModel(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model listed in a package."""

    name: str
    kind: str
    """A ``PluginModelKind``, or another kind."""
    mode: Mode | None = None
    abilities: Abilities = Abilities()
    context_size: int = 0
    """Tokens of prompt and answer together; 0 if unknown."""
    price: tuple[Decimal, Decimal, str] | None = None
    """Prices per million tokens of prompt and completion, and the currency."""
    voice: str = ""
    """Default voice."""


class AnswerPiece(Struct, frozen=True, kw_only=True):
    """A chunk of an answer."""

    text: str = ""
    calls: tuple[FunctionCall, ...] = ()
    """Calls or parts of calls: a part without a name continues the call of its id, or the last call if it has no id."""
    media: tuple[Media, ...] = ()
    finish_reason: str | None = None
    tokens: tuple[float, float] | None = None
    """Prompt and completion tokens, as counted by the plugin."""


class PluginModels(Protocol):
    """Calls models of plugins. Failures are ``ModelFailure``, with credentials masked."""

    def known(self, plugin: str) -> tuple[KnownModel, ...]:
        """List a package's models: the same object until plugins are installed. Starts no process.
        Raises ``ModelFailure``: not installed, or without models."""

    def require(self, model: PluginModel) -> None:
        """Raises ``ToolNotFound`` if the plugin is not installed, or a credential is missing. Starts no process."""

    async def check(self, model: PluginModel) -> None:
        """Have the plugin validate its credentials."""

    async def complete(self, model: PluginModel, request: ModelRequest, take: Callable[[AnswerPiece], None]) -> None:
        """Complete a prompt. Returns at the end of the answer; an exception of ``take`` ends the call."""

    async def embed(self, model: PluginModel, texts: Sequence[str]) -> tuple[list[Vector], int | None]:
        """Return the vectors of texts, in order and not normalised, and the model's token count."""

    async def rerank(self, model: PluginModel, query: str, texts: Sequence[str], top_n: int) -> list[Ranked]:
        """Return the best texts, best first, each at most once."""

    async def transcribe(self, model: PluginModel, data: bytes) -> str:
        """Transcribe a recording."""

    async def speak(self, model: PluginModel, text: str, voice: str, emit: Callable[[bytes], None]) -> None:
        """Speak a text, emitting chunks of audio."""
