"""Good and bad responses of speech models, over a real socket."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jikko.ports.models import ModelFailure
from jikko.ports.other_models import Recording, Script
from jikko.providers.backends import BACKENDS
from jikko.providers.openai import compatible
from jikko.providers.other_models import ProviderSpeech, pieces_of
from jikko.providers.provider_models import ProviderModels
from jikko.providers.providers_file import parse_providers
from tests.providers.calling import KEY, served
from tests.providers.fake_model import Answer, Exchange, refusal, silence

pytestmark = pytest.mark.anyio

RECORDING = Recording(provider="openai", model="whisper-1", data=b"RIFF sound", filename="a.wav", mime_type="audio/wav")


def script(text: str, **fields: Any) -> Script:
    return Script(provider="openai", model="tts-1", text=text, **fields)


async def respond(exchange: Exchange) -> None:
    await exchange.head(200, "Content-Type: audio/mpeg", "Transfer-Encoding: chunked")
    for piece in (b"\xff\xfb", b"audio"):
        await exchange.raw(piece)
    await exchange.send(b"0\r\n\r\n")


def telling(text: Any) -> Answer:
    async def answer(exchange: Exchange) -> None:
        await exchange.json(text)

    return answer


async def test_a_recording_is_sent_as_a_form() -> None:
    async with served(telling({"text": "こんにちは"}), models={"whisper-1": "mine"}) as (fake, models):
        text = await ProviderSpeech(models.connections).transcribe(RECORDING)

    [exchange] = fake.exchanges
    assert text == "こんにちは"
    assert exchange.path == "/v1/audio/transcriptions"
    assert exchange.headers["authorization"] == f"Bearer {KEY}"
    assert exchange.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="model"' in exchange.content
    assert b"\r\n\r\nmine\r\n" in exchange.content
    assert b'name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\nRIFF sound\r\n' in exchange.content


async def test_a_text_is_spoken_piece_by_piece_by_the_voice_that_is_named() -> None:
    pieces: list[bytes] = []
    async with served(respond) as (fake, models):
        await ProviderSpeech(models.connections).speak(script("Hello.", voice="nova"), pieces.append)

    assert b"".join(pieces) == b"\xff\xfbaudio"
    assert fake.exchanges[0].path == "/v1/audio/speech"
    assert fake.bodies == [{"model": "tts-1", "input": "Hello.", "voice": "nova", "response_format": "mp3"}]


@pytest.mark.parametrize(("traits", "voice"), [({}, "alloy"), ({"voice": "echo"}, "echo")])
async def test_without_a_voice_it_is_that_of_the_model(traits: dict[str, str], voice: str) -> None:
    async with served(respond, models={"tts-1": traits}) as (fake, models):
        await ProviderSpeech(models.connections).speak(script("Hello."), lambda piece: None)

    assert fake.bodies[0]["voice"] == voice


async def test_a_long_text_is_sent_in_pieces_that_end_with_sentences() -> None:
    text = "This is a sentence. " * 450
    async with served(respond) as (fake, models):
        await ProviderSpeech(models.connections).speak(script(text), lambda piece: None)

    sent = [body["input"] for body in fake.bodies]
    assert len(sent) == 3
    assert all(len(piece) <= 4000 and piece.endswith("sentence.") for piece in sent)


@pytest.mark.parametrize(
    ("text", "most", "pieces"),
    [
        ("a. bb. c.", 6, ["a. bb.", "c."]),
        ("a. bb. c.", 5, ["a.", "bb.", "c."]),
        ("今日は。明日は。", 9, ["今日は。 明日は。"]),
        ("今日は。明日は。", 8, ["今日は。", "明日は。"]),
        ("one two three", 8, ["one two", "three"]),
        ("a. one two three", 8, ["a.", "one two", "three"]),
        ("onetwothree", 4, ["onet", "woth", "ree"]),
    ],
)
def test_pieces_are_as_long_as_they_may_be(text: str, most: int, pieces: list[str]) -> None:
    assert list(pieces_of(text, most)) == pieces


@given(st.text(alphabet=st.sampled_from("ab .!?。\n🎉日"), max_size=200), st.integers(1, 30))
def test_pieces_lose_nothing_but_blanks_and_are_no_longer_than_they_may_be(text: str, most: int) -> None:
    pieces = list(pieces_of(text, most))

    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(0 < len(piece) <= most for piece in pieces)


@pytest.mark.parametrize("body", [{}, [], {"text": None}, "text"])
async def test_an_answer_without_a_text_is_a_failure(body: Any) -> None:
    async with served(telling(body)) as (_, models):
        with pytest.raises(ModelFailure) as caught:
            await ProviderSpeech(models.connections).transcribe(RECORDING)

    assert caught.value.kind == "InvokeBadRequestError"


async def test_audio_that_breaks_off_is_a_failure() -> None:
    async def cut(exchange: Exchange) -> None:
        await exchange.head(200, "Content-Type: audio/mpeg", "Transfer-Encoding: chunked")
        await exchange.raw(b"\xff\xfb")
        exchange.cut()

    async with served(cut) as (_, models):
        with pytest.raises(ModelFailure) as caught:
            await ProviderSpeech(models.connections).speak(script("Hello."), lambda piece: None)

    assert caught.value.kind == "InvokeConnectionError"


async def test_audio_without_end_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compatible, "MAX_AUDIO_BYTES", 1_000_000)

    async def endless(exchange: Exchange) -> None:
        await exchange.head(200, "Content-Type: audio/mpeg", "Transfer-Encoding: chunked")
        while True:
            await exchange.raw(bytes(65_536))

    async with served(endless) as (_, models):
        with pytest.raises(ModelFailure, match="more than 1000000 bytes"):
            await ProviderSpeech(models.connections).speak(script("Hello."), lambda piece: None)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, "InvokeAuthorizationError"), (429, "InvokeRateLimitError"), (503, "InvokeServerUnavailableError")],
)
async def test_a_refusal_is_a_failure_of_its_kind_and_shows_no_key(status: int, kind: str) -> None:
    async with served(refusal(status, f"not with {KEY}")) as (_, models):
        speech = ProviderSpeech(models.connections)
        with pytest.raises(ModelFailure) as hearing:
            await speech.transcribe(RECORDING)
        with pytest.raises(ModelFailure) as spoken:
            await speech.speak(script("Hello."), lambda piece: None)

    assert hearing.value.kind == spoken.value.kind == kind
    assert KEY not in f"{hearing.value} {spoken.value}"


async def test_cancelling_closes_the_connection() -> None:
    async with served(silence) as (fake, models):
        task = asyncio.create_task(ProviderSpeech(models.connections).speak(script("x"), lambda piece: None))
        await fake.requests(1)
        task.cancel()
        await asyncio.wait([task])
        await fake.exchanges[0].gone.wait()

    assert task.cancelled()


async def test_a_provider_without_speech_says_so() -> None:
    models = ProviderModels(parse_providers('providers: {openai: {type: anthropic, api_key: "k"}}', {}), BACKENDS)

    with pytest.raises(ModelFailure, match="no models that hear or speak"):
        await ProviderSpeech(models.connections).transcribe(RECORDING)
