"""Contract of speech recognition and synthesis. See ``jikko.ports.other_models``."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from jikko.assemble.build_models import make_speech
from jikko.ports.other_models import Recording, Script, Speech
from jikko.providers.fake import FakeModels
from jikko.providers.other_models import SILENCE
from tests.effort import PATIENCE
from tests.providers.calling import models_at
from tests.providers.fake_model import Exchange, FakeModel

pytestmark = pytest.mark.anyio

MODELS = {"provider": "openai", "model": "some"}


async def respond(exchange: Exchange) -> None:
    """A server of OpenAI's protocol: hears how much came, and says as many frames as there are words."""
    if exchange.path == "/v1/audio/transcriptions":
        await exchange.json({"text": f"{len(exchange.content)} bytes"})
        return
    await exchange.head(200, "Content-Type: audio/mpeg", "Transfer-Encoding: chunked")
    for _ in exchange.body["input"].split():
        await exchange.raw(SILENCE)
    await exchange.send(b"0\r\n\r\n")


@pytest.fixture(params=["fake", "openai"])
async def speech(request: pytest.FixtureRequest) -> AsyncIterator[Speech]:
    if request.param == "fake":
        yield make_speech(FakeModels())
        return
    async with FakeModel(respond) as server:
        models = models_at(server.url)
        yield make_speech(models)
        await models.close()


async def audio(speech: Speech, text: str) -> bytes:
    pieces: list[bytes] = []
    async with asyncio.timeout(PATIENCE):
        await speech.speak(Script(text=text, **MODELS), pieces.append)
    return b"".join(pieces)


async def test_a_recording_becomes_text(speech: Speech) -> None:
    recording = Recording(data=b"\x00\xff" * 1000, filename="声 🎤.mp3", mime_type="audio/mpeg", **MODELS)

    assert "bytes" in await speech.transcribe(recording)


async def test_a_text_becomes_mp3(speech: Speech) -> None:
    assert (await audio(speech, "one two three")).startswith(b"\xff\xfb")


@pytest.mark.parametrize("text", ["", "   ", "\n"])
async def test_there_is_nothing_to_hear_of_a_text_without_words(speech: Speech, text: str) -> None:
    assert await audio(speech, text) == b""


async def test_a_longer_text_is_heard_longer(speech: Speech) -> None:
    assert len(await audio(speech, "word. " * 5000)) > 1000 * len(await audio(speech, "word."))
