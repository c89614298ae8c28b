"""Speech of apps: transcription and synthesis, within their features. Source: Dify 1.15, openapi_service (Audio)."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Final

from msgspec import Struct

from jikko.apps.versions import Workflows
from jikko.errors import (
    InvalidDocument,
    InvalidParam,
    JikkoError,
    NotFound,
    PayloadTooLarge,
    SpeechFailed,
    UnsupportedMediaType,
    WrongAppMode,
)
from jikko.ports.models import DefaultModels, ModelFailure
from jikko.ports.other_models import Recording, Script, Speech
from jikko.repositories.app_store import App

log = logging.getLogger(__name__)

_END: Final = re.compile(r"[.!?;](?=\s)|[。！？；\n]")
_MIN_CHARACTERS: Final = 60
"""Minimum characters per speech request, except for the last: each request has its price."""
_TIMEOUT_SECONDS: Final = 60.0
"""Timeout of the model's silence once the answer has ended."""


class Narration:
    """Speaks an answer as its text arrives, one sentence request after the other."""

    def __init__(self, speech: Speech, script: Callable[[str], Script]) -> None:
        """``script``: Makes the model's input."""
        self._speech = speech
        self._script = script
        self._text = ""
        """Text not spoken yet."""
        self._texts: asyncio.Queue[str | None] = asyncio.Queue()
        self._audio: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def add(self, text: str) -> None:
        self._text += text
        ends = [match.end() for match in _END.finditer(self._text)]
        if ends and ends[-1] >= _MIN_CHARACTERS:
            self._say(self._text[: ends[-1]])
            self._text = self._text[ends[-1] :]

    def replace(self, text: str) -> None:
        """Replace the text so far: what is not spoken yet is dropped."""
        while not self._texts.empty():
            self._texts.get_nowait()
        self._text = text

    def ready(self) -> list[bytes]:
        """Return the audio since the last call."""
        pieces = []
        while not self._audio.empty():
            if (piece := self._audio.get_nowait()) is not None:
                pieces.append(piece)
        return pieces

    async def rest(self) -> AsyncIterator[bytes]:
        """Yield the remaining audio, after the answer has ended. A failure is logged, and ends it."""
        if self._text.strip():
            self._say(self._text)
            self._text = ""
        if self._task is None:
            return
        self._texts.put_nowait(None)
        try:
            while True:
                async with asyncio.timeout(_TIMEOUT_SECONDS):
                    piece = await self._audio.get()
                if piece is None:
                    return
                yield piece
        except TimeoutError:
            log.warning("an answer is not spoken to its end: the model was silent for %.0f s", _TIMEOUT_SECONDS)

    def close(self) -> None:
        """Stop: no client listens."""
        if self._task is not None:
            self._task.cancel()

    def _say(self, text: str) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._speak())
        self._texts.put_nowait(text)

    async def _speak(self) -> None:
        try:
            while (text := await self._texts.get()) is not None:
                await self._speech.speak(self._script(text), self._audio.put_nowait)
        except ModelFailure as failure:
            log.warning("an answer is not spoken to its end: %s", failure)
        finally:
            self._audio.put_nowait(None)


MAX_AUDIO_BYTES: Final = 31_457_280
"""Maximum size of a recording."""
_TYPES: Final = frozenset(f"audio/{kind}" for kind in ("mp3", "m4a", "wav", "amr", "mpga"))


class AppSpeech(Struct, eq=False):
    """Use cases of speech. The app's current version decides on each feature."""

    workflows: Workflows
    speech: Speech
    defaults: DefaultModels
    """Calls its ``speech_to_text`` and ``text_to_speech``."""

    async def check_hearing(self, app: App) -> None:
        """Require that the app transcribes. Raises ``InvalidParam``; ``WrongAppMode``: its workflow is unusable."""
        if not await self._feature(app, "speech_to_text"):
            raise InvalidParam("Speech to text is not enabled")

    async def transcribe(self, app: App, data: bytes, filename: str, mime_type: str) -> str:
        """Transcribe a recording.

        Raises:
            UnsupportedMediaType: A type that Dify does not accept. [QUIRK: nor ``audio/mpeg``]
            PayloadTooLarge: Larger than 30 MiB.
            WrongAppMode: See ``check_hearing``; or there is no model for it.
            SpeechFailed: The model gave no answer.
        """
        await self.check_hearing(app)
        if mime_type not in _TYPES:
            raise UnsupportedMediaType("Audio type not allowed.", code="unsupported_audio_type")
        if len(data) > MAX_AUDIO_BYTES:
            raise too_large()
        model = self.defaults.get("speech_to_text")
        if model is None:
            raise WrongAppMode(
                "Provider not support speech to text. (The providers file names no model for it: defaults: "
                "{speech_to_text: {provider: …, model: …}})",
                code="provider_not_support_speech_to_text",
            )
        try:
            return await self.speech.transcribe(
                Recording(
                    provider=model.provider,
                    model=model.model,
                    data=data,
                    filename=filename,
                    mime_type=mime_type,
                    app_id=app.id,
                )
            )
        except ModelFailure as failure:
            raise _failed(failure) from None

    @asynccontextmanager
    async def speaking(self, app: App, text: str, voice: str = "") -> AsyncIterator[AsyncIterator[bytes]]:
        """Yield the audio of a text, as chunks of MP3, for the block. Leaving the block cancels the request.

        Args:
            voice: ``""``: the voice of the app's feature, or the model's.

        Raises:
            InvalidParam: The app does not speak.
            WrongAppMode: Its workflow is unusable, or there is no model for it.
            SpeechFailed: The model failed, before the first chunk or later.
        """
        feature = await self._feature(app, "text_to_speech")
        if not feature:
            raise InvalidParam("TTS is not enabled")
        script = self.script(app, feature, text, voice)
        pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        task = asyncio.get_running_loop().create_task(self.speech.speak(script, pieces.put_nowait))
        task.add_done_callback(lambda _: pieces.put_nowait(None))

        async def audio(first: bytes | None) -> AsyncIterator[bytes]:
            piece = first
            while piece is not None:
                yield piece
                piece = await pieces.get()
            _check(task)

        try:
            # An error before the first audio becomes the status.
            first = await pieces.get()
            if first is None:
                _check(task)
            yield audio(first)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, ModelFailure):
                await task

    async def narration(self, app: App, workflow_id: str) -> Narration | None:
        """Return the narration of an answer; ``None`` if the version does not autoplay, or no model speaks.
        ``workflow_id``: The version."""
        current = workflow_id.lower() == app.workflow_id.lower()
        workflow = await self.workflows.get(app, None if current else workflow_id)
        feature = workflow.document.feature("text_to_speech")
        if feature.get("autoPlay") != "enabled" or "text_to_speech" not in self.defaults:
            return None
        return Narration(self.speech, partial(self.script, app, feature))

    def script(self, app: App, feature: Mapping[str, Any], text: str, voice: str = "") -> Script:
        """Return the model's input. ``feature``: The app's ``text_to_speech``. Raises ``WrongAppMode``: no model."""
        model = self.defaults.get("text_to_speech")
        if model is None:
            raise WrongAppMode(
                "No model speaks: the providers file names none (defaults: {text_to_speech: {provider: …, model: …}}).",
                code="provider_not_initialize",
            )
        named = voice or str(feature.get("voice") or "")
        return Script(provider=model.provider, model=model.model, text=text, voice=named, app_id=app.id)

    async def _feature(self, app: App, name: str) -> Mapping[str, Any]:
        try:
            workflow = await self.workflows.get(app)
        except (NotFound, InvalidDocument):
            message = "App unavailable, please check your app configurations."
            raise WrongAppMode(message, code="app_unavailable") from None
        return workflow.document.feature(name)


def too_large() -> PayloadTooLarge:
    return PayloadTooLarge("Audio size larger than 30 mb", code="audio_too_large")


def _check(task: "asyncio.Task[None]") -> None:
    error = task.exception()
    if isinstance(error, ModelFailure):
        raise _failed(error)
    if error is not None:
        raise error


def _failed(failure: ModelFailure) -> JikkoError:
    if failure.kind in ("ModelNotExistError", "InvokeAuthorizationError"):
        return SpeechFailed(str(failure), code="provider_not_initialize")
    if failure.kind == "InvokeRateLimitError":
        return SpeechFailed(str(failure), code="rate_limit_error", status=429)
    return SpeechFailed(str(failure), code="completion_request_error")
