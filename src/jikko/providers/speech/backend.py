"""What a backend that hears and speaks is to the rest of the providers."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable


@runtime_checkable
class SpeechBackend(Protocol):
    """A ``Backend`` whose protocol has speech, too."""

    async def transcribe(self, model: str, data: bytes, filename: str, mime_type: str) -> str:
        """Send a recording.

        Args:
            model: What the provider calls it.

        Raises:
            ModelFailure: There is no usable answer.
        """
        ...

    async def speak(self, model: str, text: str, voice: str, emit: Callable[[bytes], None]) -> None:
        """Send one text and tell the MP3 as it comes.

        Raises:
            ModelFailure: There is no usable answer, or not all of it.
        """
        ...
