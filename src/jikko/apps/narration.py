"""Speaking an answer while it comes. Source: docs/dify-behaviour.md, “Messages of a stream” (``tts_message``)."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from typing import Final

from jikko.ports.models import ModelFailure
from jikko.ports.speech import Script, Speech

log = logging.getLogger(__name__)

_END: Final = re.compile(r"[.!?;](?=\s)|[。！？；\n]")
_MIN_CHARACTERS: Final = 60
"""Characters that are spoken together at least, but for the last ones: each request has its price."""
_TIMEOUT_SECONDS: Final = 60.0
"""Seconds that the model may be silent once the answer has ended."""


class Narration:
    """Takes the text of one answer as it comes, and has its sentences spoken, one request after the other."""

    def __init__(self, speech: Speech, script: Callable[[str], Script]) -> None:
        """``script``: makes what a model is given to say."""
        self._speech = speech
        self._script = script
        self._text = ""
        """What came and is not spoken yet."""
        self._texts: asyncio.Queue[str | None] = asyncio.Queue()
        self._audio: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def add(self, text: str) -> None:
        """Take the next piece of text."""
        self._text += text
        ends = [match.end() for match in _END.finditer(self._text)]
        if ends and ends[-1] >= _MIN_CHARACTERS:
            self._say(self._text[: ends[-1]])
            self._text = self._text[ends[-1] :]

    def replace(self, text: str) -> None:
        """The text so far was taken back: what is not spoken yet is not spoken, but this is."""
        while not self._texts.empty():
            self._texts.get_nowait()
        self._text = text

    def ready(self) -> list[bytes]:
        """The audio that has come since the last time."""
        pieces = []
        while not self._audio.empty():
            if (piece := self._audio.get_nowait()) is not None:
                pieces.append(piece)
        return pieces

    async def rest(self) -> AsyncIterator[bytes]:
        """The answer has ended: the audio that is still to come, to its end. What fails is logged, and ends it."""
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
        """No client listens any more."""
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
