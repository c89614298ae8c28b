"""The operations of speech."""

from typing import Final

from jikko.http.operation import Operation
from jikko.http.routes import audio

AUDIO_OPERATIONS: Final = (
    Operation(
        "POST",
        "/v1/audio-to-text",
        audio.audio_to_text,
        "Make text of a recording",
        {200: audio.Transcript},
        (400, 401, 413, 415, 429),
        tag="Audio",
        body=audio.AudioForm,
        body_media_type="multipart/form-data",
    ),
    Operation(
        "POST",
        "/v1/text-to-audio",
        audio.text_to_audio,
        "Have a text, or the answer of a message, spoken",
        {200: "audio/mpeg"},
        (400, 401, 404, 413, 415, 429),
        tag="Audio",
        body=audio.SpeechRequest,
    ),
)
"""See ``routes/audio.py``."""
