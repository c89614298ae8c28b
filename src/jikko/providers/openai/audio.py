"""Speech by OpenAI's protocol: the body of ``/audio/speech``, and the answer of ``/audio/transcriptions``."""

from typing import Any, Final

import msgspec

from jikko.ports.models import ModelFailure

MAX_TEXT_BYTES: Final = 4_194_304
"""Bytes of a transcript."""
MAX_AUDIO_BYTES: Final = 67_108_864
"""Bytes of the audio of one text: an hour at 128 kbit/s is less."""


class _Transcript(msgspec.Struct):
    text: str


_decode = msgspec.json.Decoder(_Transcript).decode


def speech_body(model: str, text: str, voice: str) -> dict[str, Any]:
    """The body of ``/audio/speech``."""
    return {"model": model, "input": text, "voice": voice, "response_format": "mp3"}


def transcript(body: bytes) -> str:
    """The text of an answer.

    Raises:
        ModelFailure: It is no answer of the protocol.
    """
    try:
        return _decode(body).text
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ModelFailure(
            f"The provider's answer holds no text of OpenAI's protocol: {body[:200].decode(errors='replace')!r}",
            kind="InvokeBadRequestError",
        ) from None
