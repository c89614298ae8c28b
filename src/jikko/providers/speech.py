"""Hears and speaks by the models of all providers: the implementation of ``ports.other_models.Speech``."""

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Final, Protocol, runtime_checkable

from jikko.ports.other_models import Recording, Script, Speech
from jikko.providers.config import ModelTraits, ProviderConfig
from jikko.providers.provider_connections import ProviderBackends, unable


@runtime_checkable
class SpeechBackend(Protocol):
    """A ``Backend`` whose protocol has speech, too."""

    async def transcribe(self, model: str, data: bytes, filename: str, mime_type: str) -> str:
        """Send a recording. ``model``: What the provider calls it. Raises ``ModelFailure``: no usable answer."""

    async def speak(self, model: str, text: str, voice: str, emit: Callable[[bytes], None]) -> None:
        """Send one text, tell the MP3 as it comes. Raises ``ModelFailure`` if there is no usable, whole answer."""


_VOICE: Final = "alloy"
_MAX_LENGTH: Final = 4000
"""Characters of one request. OpenAI takes 4,096."""
_END: Final = re.compile(r"(?<=[.!?;])\s+|(?<=[。！？；\n])")


class ProviderSpeech:
    """Finds the provider of a request, waits for its limits, and sends it. Implements ``Speech``."""

    def __init__(self, connections: ProviderBackends) -> None:
        """``connections``: those of the language models. They are closed with these."""
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
    """A text in pieces of at most ``most`` characters, which end where sentences do, if these are not longer."""
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
    """What hears and speaks. ``connections``: ``None`` if models are fake."""
    return FakeSpeech() if connections is None else ProviderSpeech(connections)


SILENCE: Final = bytes.fromhex("fffb9064") + bytes(413)
"""A frame of MP3 in which nothing is to be heard: 26 ms."""


class FakeSpeech:
    """A ``Speech`` for which every model is set up. It says nothing, and says what it was given to hear."""

    async def transcribe(self, recording: Recording) -> str:
        return f"[fake transcript of {recording.filename}, {len(recording.data)} bytes of {recording.mime_type}]"

    async def speak(self, script: Script, emit: Callable[[bytes], None]) -> None:
        for _ in script.text.split():
            emit(SILENCE)
            await asyncio.sleep(0)
