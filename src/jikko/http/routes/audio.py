"""Speech to text and text to speech. Source: Dify 1.15, openapi_service (Audio)."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated, Any

from msgspec import Meta, Struct

from jikko.apps.end_users import ANONYMOUS, end_user
from jikko.apps.speech import MAX_AUDIO_BYTES, too_large
from jikko.errors import InvalidParam, NotFound, UploadRefused
from jikko.http.bodies.multipart_forms import read_form
from jikko.http.operation import AppRoute
from jikko.http.request_fields import must, user_named
from jikko.http.requests import Request
from jikko.http.responses import SendableResponse, StreamResponse
from jikko.ids import is_uuid
from jikko.repositories.app_store import App


class AudioForm(Struct):
    file: Annotated[Any, Meta(extra_json_schema={"type": "string", "format": "binary"})]
    user: Annotated[str, Meta(extra_json_schema={"maxLength": 255})] = ""


class Transcript(Struct):
    """Text of a recording."""

    text: str


class SpeechRequest(Struct):
    """Input of speech: the answer of a message, or a text."""

    message_id: Annotated[str | None, Meta(extra=must("must be a string"))] = None
    text: Annotated[str | None, Meta(extra=must("must be a string"))] = None
    user: Annotated[Any, Meta(description="Owner of the message.")] = None
    voice: Annotated[str | None, Meta(extra=must("must be a string"))] = None
    streaming: Annotated[Any, Meta(description="No effect: the audio is always streamed.")] = None


@AppRoute("POST", "/v1/audio-to-text", (429,), tag="Audio", body=AudioForm, body_media_type="multipart/form-data")
async def audio_to_text(request: Request, app: App) -> Transcript:
    """Transcribe a recording.

    A form with ``file`` and ``user``.
    """
    api = request.api
    async with read_form(request, MAX_AUDIO_BYTES, too_large(), in_memory=True) as form:
        part = next((part for name, part in form.files if name == "file"), None) if form else None
        if part is None:
            raise UploadRefused(
                "Send the recording as a form: multipart/form-data with the field 'file'.", code="bad_request_key_error"
            )
        await api.chat.speech.check_hearing(app)
        if not part.filename:
            raise UploadRefused("Please upload your audio.", code="no_audio_uploaded")
        if (part.size or 0) > MAX_AUDIO_BYTES:
            raise too_large()
        mime_type = (part.content_type or "").split(";")[0].strip().lower()
        text = await api.chat.speech.transcribe(app, await part.read(), part.filename, mime_type)
    return Transcript(text)


@AppRoute("POST", "/v1/text-to-audio", (404, 429), tag="Audio", answers={200: "audio/mpeg"})
async def text_to_audio(request: Request, app: App, body: SpeechRequest) -> SendableResponse:
    """Speak a text, or the answer of a message.

    The audio is streamed as MP3, and cancelled when the client disconnects.
    """
    api = request.api
    user = user_named(body.user) or ANONYMOUS
    text = body.text or ""
    if body.message_id:
        if not is_uuid(body.message_id):
            raise InvalidParam("message_id: must be a UUID")
        message = await api.conversations.message(app.id, end_user(app.id, user), body.message_id)
        if message is None:
            raise NotFound("Message Not Exists.")
        text = message.answer.text
    if not text:
        raise InvalidParam("Text is required")
    stack = AsyncExitStack()
    try:
        pieces = await stack.enter_async_context(
            api.chat.speech.speaking(app, text.replace("\x00", ""), body.voice or "")
        )
    except BaseException:
        await stack.aclose()
        raise
    return StreamResponse(_closing(stack, pieces), [(b"content-type", b"audio/mpeg")])


async def _closing(stack: AsyncExitStack, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async with stack:
        async for piece in pieces:
            yield piece
