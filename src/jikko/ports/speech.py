"""Models that hear and speak."""

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct


class Recording(Struct, frozen=True, kw_only=True):
    """Speech that is to become text."""

    provider: str
    """As the DSL names it: ``openai`` and ``langgenius/openai/openai`` are the same."""
    model: str
    data: bytes
    filename: str
    """With an extension, by which providers tell formats apart."""
    mime_type: str
    app_id: str = ""
    """Requests that wait for a limit of the provider take turns by app."""


class Script(Struct, frozen=True, kw_only=True):
    """Text that is to be spoken."""

    provider: str
    model: str
    text: str
    """Of any length: it is sent in pieces that the provider takes, one after the other."""
    voice: str = ""
    """``""``: the one that the providers file names for the model, or the usual one of the protocol."""
    app_id: str = ""


class Speech(Protocol):
    """Hears and speaks. It shares connections and limits with ``Models`` of the same process, and ends with them.

    What an implementation must do is in ``tests/contract/test_speech.py``.
    """

    async def transcribe(self, recording: Recording) -> str:
        """What is said in a recording. Cancelling ends the request at the provider at once.
        Raises ``ModelFailure``: there is no usable answer."""

    async def speak(self, script: Script, emit: Callable[[bytes], None]) -> None:
        """Have a text spoken. Returns when all of it was told. Cancelling as for ``transcribe``.

        Args:
            emit: Called with each piece of the audio as it comes; together they are MP3 (``audio/mpeg``). What it
                raises ends the call. A text without anything to say has none.

        Raises:
            ModelFailure: The audio is not whole; what was told is its beginning.
        """
