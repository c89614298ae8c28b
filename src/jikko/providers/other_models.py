"""Speech, reranking and moderation by the models of all providers: implementations of ``ports.other_models``."""

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Final, Protocol, runtime_checkable

from jikko.ports.other_models import ModerationRequest, Moderator, Ranked, Recording, RerankRequest, Script, Speech
from jikko.providers.config import ModelTraits, ProviderConfig
from jikko.providers.provider_connections import ProviderBackends, unable


@runtime_checkable
class SpeechBackend(Protocol):
    async def transcribe(self, model: str, data: bytes, filename: str, mime_type: str) -> str:
        """Transcribe a recording. ``model``: The provider's name. Raises ``ModelFailure`` without a usable answer."""

    async def speak(self, model: str, text: str, voice: str, emit: Callable[[bytes], None]) -> None:
        """Speak one text, emitting MP3 as it arrives. Raises ``ModelFailure`` without a usable, complete answer."""


_VOICE: Final = "alloy"
_MAX_LENGTH: Final = 4000
"""Characters per request. OpenAI accepts 4,096."""
_END: Final = re.compile(r"(?<=[.!?;])\s+|(?<=[。！？；\n])")


class ProviderSpeech:
    """Routes requests to their provider, within its limits. Implements ``Speech``."""

    def __init__(self, connections: ProviderBackends) -> None:
        """``connections``: Those of the language models, which own them."""
        self._connections = connections

    async def transcribe(self, recording: Recording) -> str:
        config, backend = self._reached(recording.provider, recording.model)
        async with self._connections.calling(config, recording.app_id):
            return await backend.transcribe(
                config.model_name(recording.model), recording.data, recording.filename, recording.mime_type
            )

    async def speak(self, script: Script, emit: Callable[[bytes], None]) -> None:
        config, backend = self._reached(script.provider, script.model)
        usual = "" if config.type == "plugin" else _VOICE
        voice = script.voice or config.models.get(script.model, ModelTraits()).voice or usual
        for text in pieces_of(script.text, _MAX_LENGTH):
            async with self._connections.calling(config, script.app_id):
                await backend.speak(config.model_name(script.model), text, voice, emit)

    def _reached(self, provider: str, model: str) -> tuple[ProviderConfig, SpeechBackend]:
        config = self._connections.ready(provider, model)
        backend = self._connections.backend(config)
        if not isinstance(backend, SpeechBackend):
            raise unable(config, "has no models that hear or speak")
        return config, backend


def pieces_of(text: str, most: int) -> Iterator[str]:
    """Split a text into pieces of at most ``most`` characters, at the ends of sentences where possible."""
    piece = ""
    for sentence in _END.split(text):
        while len(sentence) > most:
            if piece:
                yield piece
                piece = ""
            at = sentence.rfind(" ", 1, most) if " " in sentence[1:most] else most
            yield sentence[:at]
            sentence = sentence[at:].lstrip()
        if piece and len(piece) + 1 + len(sentence) > most:
            yield piece
            piece = ""
        piece = f"{piece} {sentence}" if piece and sentence.strip() else piece or sentence
    if piece.strip():
        yield piece


def speech_over(connections: ProviderBackends | None) -> Speech:
    """Return the speech implementation. ``connections``: ``None`` for fake models."""
    return FakeSpeech() if connections is None else ProviderSpeech(connections)


SILENCE: Final = bytes.fromhex("fffb9064") + bytes(413)
"""A silent frame of MP3: 26 ms."""


class FakeSpeech:
    """Fake ``Speech`` with every model: speaks silence, and transcribes text content."""

    async def transcribe(self, recording: Recording) -> str:
        return f"[fake transcript of {recording.filename}, {len(recording.data)} bytes of {recording.mime_type}]"

    async def speak(self, script: Script, emit: Callable[[bytes], None]) -> None:
        for _ in script.text.split():
            emit(SILENCE)
            await asyncio.sleep(0)


FLAGGED: Final = "[flag me]"
"""Marks a text that the fake moderator flags."""


class FakeModerator:
    async def flags(self, request: ModerationRequest) -> bool:
        return FLAGGED in request.text


@runtime_checkable
class Moderating(Protocol):
    async def flags(self, model: str, text: str) -> bool:
        """See ``Moderator.flags``; ``model`` is the provider's name."""


class ProviderModerators:
    """Routes requests to their provider, within its limits. Implements ``Moderator``."""

    def __init__(self, connections: ProviderBackends) -> None:
        self._connections = connections

    async def flags(self, request: ModerationRequest) -> bool:
        if not request.text.strip():
            return False
        config = self._connections.ready(request.provider, request.model)
        backend = self._connections.backend(config)
        if not isinstance(backend, Moderating):
            raise unable(config, "moderates nothing: use type openai")
        async with self._connections.calling(config, request.app_id):
            return await backend.flags(config.model_name(request.model), request.text)


def moderator_over(connections: ProviderBackends | None) -> Moderator:
    """Return the moderator. ``connections``: ``None`` for fake models."""
    return FakeModerator() if connections is None else ProviderModerators(connections)


@runtime_checkable
class Ranking(Protocol):
    """Backend with reranking."""

    async def rerank(self, request: RerankRequest) -> list[Ranked]:
        """See ``Reranker.rerank``; ``model`` is the provider's name."""


class ProviderRerankers:
    """Routes requests to their provider, within its limits. Implements ``Reranker``."""

    def __init__(self, connections: ProviderBackends) -> None:
        self._connections = connections

    def is_ready(self, provider: str) -> bool:
        config = self._connections.config(provider, "*")
        self._backend(config)
        return not config.unset

    async def rerank(self, request: RerankRequest) -> list[Ranked]:
        config = self._connections.ready(request.provider, request.model)
        backend = self._backend(config)
        async with self._connections.calling(config, request.app_id, request.run_id):
            return await backend.rerank(request)

    def _backend(self, config: ProviderConfig) -> Ranking:
        backend = self._connections.backend(config)
        if not isinstance(backend, Ranking):
            raise unable(config, "ranks nothing: use one of type jina, cohere, openai or plugin")
        return backend
