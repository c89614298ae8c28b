"""The built-in tools that speak and hear: in runs, over the fake and over a server of ``/audio/…`` on a real socket."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from jikko.assemble.assembly import Assembly
from jikko.providers.other_models import SILENCE
from jikko.values import Json
from tests.acceptance.workflows import Node, app, end, python, start
from tests.forecast.running import foretold, here
from tests.providers.fake_model import Exchange, FakeModel
from tests.strategies.agents import agent, calls, says
from tests.strategies.agents import tool as listed
from tests.tools.running import installation, outer, publish, ran, tool

pytestmark = pytest.mark.anyio

SOUND = b"\xff\xfb\x90\x64" + "🔊声".encode()
SPEECH = "langgenius/openai/openai#tts-1"
HEARING = "langgenius/openai/openai#whisper-1"


def constant(value: Json) -> dict[str, Json]:
    return {"type": "constant", "value": value}


def audio(node_id: str, name: str, given: Mapping[str, str], **settings: Json) -> Node:
    made = tool(node_id, "builtin", "audio", name, given=dict(given))
    made["data"]["tool_configurations"] = {key: constant(value) for key, value in settings.items()}
    return made


def spoken_and_heard(**voice: Json) -> str:
    """Speaks the input ``q``, and has the sound transcribed."""
    speak = audio("speak", "tts", {"text": "start.q"}, model=SPEECH, **voice)
    hear = audio("hear", "asr", {"audio_file": "speak.files"}, model=HEARING)
    outputs = end(text="hear.text", said="speak.text", sound="speak.files")
    return app("Outer", [start("q"), speak, hear, outputs], "start>speak speak>hear hear>end")


async def respond(exchange: Exchange) -> None:
    match exchange.path:
        case "/v1/audio/speech":
            await exchange.head(200, "Content-Type: audio/mpeg", f"Content-Length: {len(SOUND)}")
            await exchange.send(SOUND)
        case "/v1/audio/transcriptions":
            await exchange.json({"text": "聞こえました 🎧" if SOUND in exchange.content else "?"})
        case path:
            await exchange.json({"error": {"message": path}}, 404)


@asynccontextmanager
async def speaking(folder: Path, **more: Any) -> AsyncIterator[tuple[FakeModel, Assembly]]:
    async with FakeModel(respond) as server:
        file = folder / "providers.yml"
        entry = {"type": "openai", "base_url": server.url, "api_key": "key"}
        file.write_text(yaml.safe_dump({"providers": {"openai": entry}, **more}))
        async with installation(folder, {}, providers=file) as assembly:
            yield server, assembly


async def content(assembly: Assembly, file: Any) -> bytes:
    download = await assembly.files.preview(file["related_id"], as_attachment=False)
    return b"".join([piece async for piece in download.chunks])


async def test_a_text_becomes_a_file_which_becomes_a_text(tmp_path: Path) -> None:
    async with speaking(tmp_path) as (server, assembly):
        await publish(assembly, spoken_and_heard())
        ended = await ran(assembly, "Outer", q="こんにちは 🗓")
        assert ended.status == "succeeded", ended.error
        [sound] = ended.outputs["sound"]
        stored = await content(assembly, sound)

    assert ended.outputs["text"] == "聞こえました 🎧"
    assert ended.outputs["said"] == "Audio generated successfully"
    assert (sound["type"], sound["mime_type"], sound["extension"]) == ("audio", "audio/mpeg", ".mp3")
    assert stored == SOUND
    spoken = server.bodies[0]
    assert spoken == {"model": "tts-1", "input": "こんにちは 🗓", "voice": "alloy", "response_format": "mp3"}


async def test_the_voice_is_that_of_the_setting_of_the_chosen_model(tmp_path: Path) -> None:
    voices = {f"voice#{SPEECH}": "nova", "voice#langgenius/other/other#x": "echo"}
    async with speaking(tmp_path) as (server, assembly):
        await publish(assembly, spoken_and_heard(**voices))
        ended = await ran(assembly, "Outer", q="a")

    assert ended.status == "succeeded", ended.error
    assert server.bodies[0]["voice"] == "nova"


async def test_without_a_chosen_model_the_default_one_speaks(tmp_path: Path) -> None:
    usual = {"defaults": {"text_to_speech": {"provider": "openai", "model": "mine"}}}
    speak = audio("tool", "tts", {"text": "start.q"})
    async with speaking(tmp_path, **usual) as (server, assembly):
        await publish(assembly, outer(speak))
        ended = await ran(assembly, "Outer", q="a")

    assert ended.status == "succeeded", ended.error
    assert server.bodies[0]["model"] == "mine"


async def test_with_fake_models_nothing_needs_a_provider(tmp_path: Path) -> None:
    async with installation(tmp_path, {}, fake_models=True) as assembly:
        await publish(assembly, spoken_and_heard())
        ended = await ran(assembly, "Outer", q="one two three")
        assert ended.status == "succeeded", ended.error
        stored = await content(assembly, ended.outputs["sound"][0])

    assert stored == SILENCE * 3
    assert "of audio/mpeg" in str(ended.outputs["text"])


@pytest.mark.parametrize("status", [401, 404, 429])
async def test_a_refusal_of_the_provider_fails_the_node_with_its_reason(status: int, tmp_path: Path) -> None:
    async def refuse(exchange: Exchange) -> None:
        await exchange.json({"error": {"message": "not with this key"}}, status)

    async with speaking(tmp_path) as (server, assembly):
        server.answer = refuse
        await publish(assembly, spoken_and_heard())
        ended = await ran(assembly, "Outer", q="a")

    assert ended.status == "failed"
    assert "Failed to invoke tool audio: " in str(ended.error)
    assert "not with this key" in str(ended.error)


async def test_a_text_without_words_fails(tmp_path: Path) -> None:
    async with speaking(tmp_path) as (_, assembly):
        await publish(assembly, spoken_and_heard())
        ended = await ran(assembly, "Outer", q=" ")

    assert "the text has nothing to say" in str(ended.error)


async def test_a_file_that_is_not_audio_is_answered_with_a_sentence(tmp_path: Path) -> None:
    make = python(
        "make",
        'def main():\n    return {"f": {"name": "a.txt", "content": "x", "mime_type": "text/plain"}}',
        {"f": "file"},
    )
    hear = audio("hear", "asr", {"audio_file": "make.f"}, model=HEARING)
    text = app("Outer", [start("q"), make, hear, end(text="hear.text")], "start>make make>hear hear>end")
    async with speaking(tmp_path) as (_, assembly):
        await publish(assembly, text)
        ended = await ran(assembly, "Outer", q="a")

    assert ended.outputs == {"text": "not a valid audio file"}, ended.error


async def test_an_agent_speaks_with_its_settings(tmp_path: Path) -> None:
    turns = [calls(("tts", {"text": "はい"})), says("Done")]

    async def answer(exchange: Exchange) -> None:
        if not exchange.path.endswith("/chat/completions"):
            await respond(exchange)
            return
        await exchange.begin_stream()
        for event in turns.pop(0):
            await exchange.event(event)
        await exchange.end_stream()

    settings = {"model": constant(SPEECH), f"voice#{SPEECH}": constant("nova")}
    data = agent(listed("tts", provider="audio", settings=settings), query=constant("{{#start.q#}}"))
    middle: Node = {"id": "m", "data": data}
    async with speaking(tmp_path) as (server, assembly):
        server.answer = answer
        await publish(assembly, outer(middle, files="m.files", text="m.text"))
        ended = await ran(assembly, "Outer", q="speak")

    assert ended.status == "succeeded", ended.error
    [spoken] = [body for body in server.bodies if "voice" in body]
    assert (spoken["input"], spoken["voice"]) == ("はい", "nova")
    assert [file["mime_type"] for file in ended.outputs["files"]] == ["audio/mpeg"]


def test_check_knows_that_no_provider_speaks(tmp_path: Path) -> None:
    providers = tmp_path / "providers.yml"
    providers.write_text("providers: {anthropic: {type: anthropic, api_key: k}}")

    found = foretold(spoken_and_heard(), here(providers)).findings
    unset = foretold(outer(audio("tool", "tts", {"text": "start.q"})), here(providers)).findings

    assert [(each.code, each.node) for each in found] == [("model.provider", "speak"), ("model.provider", "hear")]
    assert [(each.code, each.severity) for each in unset] == [("model.default", "will_fail")]
    assert "text_to_speech" in unset[0].advice()


def test_check_has_nothing_to_say_of_a_voice(tmp_path: Path) -> None:
    providers = tmp_path / "providers.yml"
    providers.write_text("providers: {openai: {type: openai, api_key: k}}")

    assert foretold(spoken_and_heard(**{f"voice#{SPEECH}": "nova"}), here(providers)).findings == ()
