"""Answers that are spoken while they come (``tts_message``)."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from jikko.ports.models import ModelFailure
from jikko.ports.other_models import Script
from jikko.providers.other_models import SILENCE, FakeSpeech
from tests.acceptance.workflows import app as app_file
from tests.acceptance.workflows import end, node, start
from tests.conversations.chats import Chat, chat_app, events_of
from tests.conversations.test_moderation import process_of
from tests.http.scene import body, client_of
from tests.runs.world import World

pytestmark = pytest.mark.anyio

LONG = "これは長い文です。" * 10
SPOKEN = {"text_to_speech": {"enabled": True, "voice": "nova", "autoPlay": "enabled"}}
NODES = [start(), node("first", "answer", answer=LONG), node("second", "answer", answer="The end")]


class Speaking(FakeSpeech):
    def __init__(self, failure: ModelFailure | None = None) -> None:
        self.scripts: list[Script] = []
        self.failure = failure

    async def speak(self, script: Script, emit: Callable[[bytes], None]) -> None:
        self.scripts.append(script)
        if self.failure is not None:
            raise self.failure
        await super().speak(script, emit)


async def streamed(world: World, features: dict[str, Any], speech: Speaking) -> list[dict[str, Any]]:
    app = await chat_app(world, NODES, "start>first first>second", features=features)
    async with client_of(world, app, speech=speech) as client:
        events = await Chat(client).stream("hi")
    await world.close()
    return events


async def test_sentences_are_spoken_and_their_audio_comes_with_the_answer() -> None:
    speech = Speaking()
    events = await streamed(World(), SPOKEN, speech)

    audio_events = [event for event in events if event["event"].startswith("tts_")]
    assert "".join(script.text for script in speech.scripts) == f"{LONG}The end"
    assert {script.voice for script in speech.scripts} == {"nova"}
    assert b"".join(base64.b64decode(event["audio"]) for event in audio_events).startswith(SILENCE)
    assert audio_events[-1] == {**audio_events[0], "event": "tts_message_end", "audio": ""}
    assert list(audio_events[0]) == ["event", "conversation_id", "message_id", "created_at", "task_id", "audio"]
    assert (events[-1]["event"], audio_events[0]["message_id"]) == ("tts_message_end", events[0]["message_id"])


@pytest.mark.parametrize(
    "feature", [{"enabled": True}, {"enabled": True, "autoPlay": "disabled"}, {"enabled": False, "autoPlay": "enabled"}]
)
async def test_nothing_is_spoken_where_it_is_not_switched_on(feature: dict[str, Any]) -> None:
    speech = Speaking()
    events = await streamed(World(), {"text_to_speech": feature}, speech)

    assert speech.scripts == []
    assert events[-1]["event"] == "workflow_finished"


async def test_a_model_that_fails_costs_no_text(caplog: pytest.LogCaptureFixture) -> None:
    speech = Speaking(ModelFailure("the voice is gone", kind="InvokeConnectionError"))
    events = await streamed(World(), SPOKEN, speech)

    assert "the voice is gone" in caplog.text
    assert [event["event"] for event in events[-2:]] == ["workflow_finished", "tts_message_end"]


async def test_what_is_taken_back_is_not_spoken_any_more() -> None:
    speech = Speaking()
    rules = {"keywords": "end", "outputs_config": {"enabled": True, "preset_response": "no comment"}}
    moderated = {"sensitive_word_avoidance": {"enabled": True, "type": "keywords", "config": rules}}
    world = World()
    app = await chat_app(world, NODES[::2], "start>second", features=SPOKEN | moderated)
    async with client_of(world, app, process_of(world), speech=speech) as client:
        await Chat(client).stream("hi")
    await world.close()

    assert [script.text for script in speech.scripts] == ["no comment"]


async def test_a_workflow_speaks_too() -> None:
    speech = Speaking()
    world = World()
    file = app_file("Voice", [start("q"), end(r="start.q")], "start>end", features=SPOKEN).encode()
    app = (await world.apps.publish(file, source="voice")).app
    async with client_of(world, app, speech=speech) as client:
        answer = await client.post("/v1/workflows/run", json=body("streaming", q="Hello there"))
    await world.close()

    audio_events = [event for event in events_of(answer.text) if event["event"] == "tts_message"]
    assert [script.text for script in speech.scripts] == ["Hello there"]
    assert list(audio_events[0]) == ["event", "workflow_run_id", "task_id", "audio"]
