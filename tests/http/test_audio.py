"""Speech over the API."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from jikko.ports.models import ModelFailure
from jikko.ports.other_models import Recording, Script
from jikko.providers.other_models import SILENCE, FakeSpeech
from tests.acceptance.workflows import app as app_file
from tests.acceptance.workflows import end, node, start
from tests.http.scene import client_of
from tests.runs.world import World

pytestmark = pytest.mark.anyio

ON = {"speech_to_text": {"enabled": True}, "text_to_speech": {"enabled": True, "voice": "nova", "language": "ja"}}
HEAR, SPEAK = "/v1/audio-to-text", "/v1/text-to-audio"


class Speaking(FakeSpeech):
    """Notes what it is to say, and fails when it is to."""

    def __init__(self, failure: ModelFailure | None = None, *, after: int = 0) -> None:
        self.scripts: list[Script] = []
        self.failure = failure
        self.after = after

    async def transcribe(self, recording: Recording) -> str:
        if self.failure is not None:
            raise self.failure
        return await super().transcribe(recording)

    async def speak(self, script: Script, emit: Callable[[bytes], None]) -> None:
        self.scripts.append(script)
        for _ in range(self.after):
            emit(SILENCE)
        if self.failure is not None:
            raise self.failure
        await super().speak(script, emit)


@asynccontextmanager
async def talking(
    world: World, features: dict[str, Any] = ON, mode: str = "workflow", speech: FakeSpeech | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    last = end(r="start.q") if mode == "workflow" else node("end", "answer", answer="hello")
    file = app_file("Voice", [start(), last], "start>end", mode=mode, features=features).encode()
    app = (await world.apps.publish(file, source="voice")).app
    async with client_of(world, app, speech=speech) as client:
        yield client


def recording(content: bytes = b"RIFF", kind: str = "audio/wav", name: str = "声 🎤.wav") -> dict[str, Any]:
    return {"file": (name, content, kind)}


async def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("mode", ["workflow", "advanced-chat"])
async def test_a_recording_becomes_text_in_apps_of_every_mode(world: World, mode: str) -> None:
    async with talking(world, mode=mode) as client:
        answer = await client.post(HEAR, files=recording(), data={"user": "anna"})

    assert answer.status_code == 200
    assert answer.json() == {"text": "[fake transcript of 声 🎤.wav, 4 bytes of audio/wav]"}


async def test_a_text_becomes_audio_that_comes_in_pieces(world: World) -> None:
    speech = Speaking()
    async with talking(world, speech=speech) as client:
        answer = await client.post(SPEAK, json={"text": "One two 三\x00", "user": "anna", "streaming": False})

    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/mpeg")
    assert answer.content == 3 * SILENCE
    assert [(script.text, script.voice) for script in speech.scripts] == [("One two 三", "nova")]


async def test_the_answer_of_a_message_is_spoken_to_whom_it_was_given(world: World) -> None:
    speech = Speaking()
    async with talking(world, mode="advanced-chat", speech=speech) as client:
        asked = await client.post("/v1/chat-messages", json={"query": "hi", "inputs": {}, "user": "anna"})
        body = {"message_id": asked.json()["message_id"], "text": "ignored"}
        own = await client.post(SPEAK, json={**body, "user": "anna"})
        others = await client.post(SPEAK, json={**body, "user": "berta"})

    assert own.content == SILENCE
    assert [script.text for script in speech.scripts] == ["hello"]
    assert await refused(others) == (404, "not_found")


async def test_a_voice_may_be_named(world: World) -> None:
    speech = Speaking()
    async with talking(world, speech=speech) as client:
        await client.post(SPEAK, json={"text": "One", "voice": "echo"})

    assert [script.voice for script in speech.scripts] == ["echo"]


@pytest.mark.parametrize("features", [{}, {"speech_to_text": {"enabled": False}, "text_to_speech": {"voice": "x"}}])
async def test_apps_without_the_features_refuse(world: World, features: dict[str, Any]) -> None:
    async with talking(world, features) as client:
        assert await refused(await client.post(HEAR, files=recording())) == (400, "invalid_param")
        spoken = await client.post(SPEAK, json={"text": "One"})

    assert spoken.json() == {"code": "invalid_param", "message": "TTS is not enabled", "status": 400}


@pytest.mark.parametrize("kind", ["audio/mp3", "audio/m4a", "audio/wav", "audio/amr", "AUDIO/MPGA; x=y"])
async def test_recordings_of_these_types_are_taken(world: World, kind: str) -> None:
    async with talking(world) as client:
        assert (await client.post(HEAR, files=recording(kind=kind))).status_code == 200


@pytest.mark.parametrize("kind", ["audio/mpeg", "video/mp4", "text/plain"])
async def test_recordings_of_other_types_are_refused(world: World, kind: str) -> None:
    async with talking(world) as client:
        assert await refused(await client.post(HEAR, files=recording(kind=kind))) == (415, "unsupported_audio_type")


@pytest.mark.parametrize("more", [1, 3 << 20])
async def test_a_recording_that_is_too_large_is_refused(world: World, more: int) -> None:
    async with talking(world) as client:
        answer = await client.post(HEAR, files=recording(bytes((30 << 20) + more)))

    assert await refused(answer) == (413, "audio_too_large")


async def test_a_form_without_a_recording_is_refused(world: World) -> None:
    async with talking(world) as client:
        assert await refused(await client.post(HEAR, json={})) == (400, "bad_request_key_error")
        answer = await client.post(HEAR, files={"other": ("a.wav", b"x", "audio/wav")})
        assert await refused(answer) == (400, "bad_request_key_error")
    async with talking(world, {}) as client:
        assert await refused(await client.post(HEAR, json={})) == (400, "bad_request_key_error")
        answer = await client.post(HEAR, files={"other": ("a.wav", b"x", "audio/wav")})
        assert await refused(answer) == (400, "bad_request_key_error")


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": 5}, {"text": "x", "voice": 5}, {"message_id": "abc"}])
async def test_what_is_to_be_said_must_be_a_text(world: World, body: dict[str, Any]) -> None:
    async with talking(world) as client:
        assert await refused(await client.post(SPEAK, json=body)) == (400, "invalid_param")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("ModelNotExistError", (400, "provider_not_initialize")),
        ("InvokeAuthorizationError", (400, "provider_not_initialize")),
        ("InvokeRateLimitError", (429, "rate_limit_error")),
        ("InvokeServerUnavailableError", (400, "completion_request_error")),
    ],
)
async def test_models_that_fail_are_told_by_code(world: World, kind: Any, expected: tuple[int, str]) -> None:
    speech = Speaking(ModelFailure("the provider is gone", kind=kind))
    async with talking(world, speech=speech) as client:
        transcribed, spoken = await client.post(HEAR, files=recording()), await client.post(SPEAK, json={"text": "One"})

    assert await refused(transcribed) == await refused(spoken) == expected
    assert transcribed.json()["message"] == "the provider is gone"


async def test_audio_that_breaks_off_breaks_the_answer_off(world: World) -> None:
    speech = Speaking(ModelFailure("gone", kind="InvokeConnectionError"), after=1)
    async with talking(world, speech=speech) as client:
        with pytest.raises(Exception, match="gone"):
            await client.post(SPEAK, json={"text": "One"})
