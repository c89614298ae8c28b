"""Speech without a model: to try what needs it without keys, and in tests."""

import asyncio
from collections.abc import Callable
from typing import Final

from jikko.ports.speech import Recording, Script

SILENCE: Final = bytes.fromhex("fffb9064") + bytes(413)
"""A frame of MP3 in which nothing is to be heard: 26 ms."""


class FakeSpeech:
    """A ``Speech`` for which every model is set up. It says nothing, and says what it was given to hear."""

    async def transcribe(self, recording: Recording) -> str:
        """See ``Speech.transcribe``."""
        return f"[fake transcript of {recording.filename}, {len(recording.data)} bytes of {recording.mime_type}]"

    async def speak(self, script: Script, emit: Callable[[bytes], None]) -> None:
        """See ``Speech.speak``: one frame of silence for each word."""
        for _ in script.text.split():
            emit(SILENCE)
            await asyncio.sleep(0)
