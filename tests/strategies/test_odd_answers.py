"""Agents with odd answers of models and tools, or with a node that needs more than text."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from jikko.events import StepRecorded
from jikko.runs.runs import StartRequest
from jikko.values import Json
from tests.outbound.clients import LOOPBACK
from tests.outbound.server import answer, serving
from tests.providers.fake_model import delta
from tests.providers.workflows import begun, finished, workflow
from tests.strategies.agents import agent, calls, constant, cut_off, gone_on, holding, says, tool, used
from tests.strategies.test_agents import OUTPUTS, WEEKDAY, world

pytestmark = pytest.mark.anyio


def piece(id: str | int | None, name: str | None, arguments: str, **place: Json) -> dict[str, Any]:
    """A piece of a call, as servers send it that number calls in ways of their own."""
    call: dict[str, Any] = {**place, "type": "function", "function": {"name": name, "arguments": arguments}}
    return delta(tool_calls=[call if id is None else {**call, "id": id}])


def day(number: int) -> str:
    return json.dumps({"year": 2024, "month": 3, "day": number})


@pytest.mark.parametrize(
    "pieces",
    [
        [piece("a", "weekday", day(1), index=0), piece("b", "weekday", day(2), index=0)],
        [piece("a", "weekday", day(1)), piece("b", "weekday", day(2))],
        [piece(None, "weekday", day(1), index=0), piece(None, "weekday", day(2), index=0)],
        [piece(7, "weekday", day(1), index="0"), piece(8, "weekday", day(2), index="1")],
        [
            piece("a", "weekday", '{"year": 2024, ', index=0),
            piece("a", "weekday", '"month": 3, "day": 1}', index=0),
            piece("b", "weekday", day(2), index=1),
        ],
        [
            piece(None, "weekday", "", index=0),
            piece(None, None, '{"year": 2024, "month"', index=0),
            piece(None, "weekday", ': 3, "day": 1}', index=0),
            piece(None, "weekday", day(2), index=1),
        ],
    ],
    ids=[
        "one number for all",
        "no numbers",
        "no ids",
        "ids and numbers the other way about",
        "id and name with each piece",
        "name with each piece",
    ],
)
async def test_calls_are_told_apart_however_a_server_numbers_them(tmp_path: Path, pieces: list[dict[str, Any]]) -> None:
    wanted = [*pieces, delta(finish="tool_calls"), used(10, 5)]
    async with world(tmp_path, wanted, says("done")) as (model, assembly):
        outcome = await finished(await begun(assembly, workflow(agent(tool("weekday")), OUTPUTS)))
    assert outcome.end.status == "succeeded", outcome.end.error
    asked, *answers = model.bodies[1]["messages"][2:]
    assert [answer["content"] for answer in answers] == ["March 1, 2024 is Friday.", "March 2, 2024 is Saturday."]
    ids = [call["id"] for call in asked["tool_calls"]]
    assert ids == [answer["tool_call_id"] for answer in answers]
    assert all(ids)
    assert len(set(ids)) == 2


DEEP = '{"year": ' + "[" * 900 + "]" * 900 + "}"
WIDE = '{"year": [' + "{}," * 110_000 + "{}]}"


@pytest.mark.parametrize("written", ['{"year": 20', "[1]", "null", "{" * 100_000, '{"year": NaN}', DEEP, WIDE])
async def test_a_model_is_shown_its_broken_arguments_as_an_object(tmp_path: Path, written: str) -> None:
    async with world(tmp_path, calls(("weekday", written)), says("sorry")) as (model, assembly):
        outcome = await finished(await begun(assembly, workflow(agent(tool("weekday")), OUTPUTS)))
    assert outcome.end.status == "succeeded", outcome.end.error
    asked, answer = model.bodies[1]["messages"][2:]
    assert json.loads(asked["tool_calls"][0]["function"]["arguments"]) == {"arguments": written}
    assert answer["content"] == "tool invoke error: the arguments of the call are not a JSON object"


async def test_a_call_without_arguments_has_an_empty_object(tmp_path: Path) -> None:
    async with world(tmp_path, calls(("current_time", "")), says("late")) as (model, assembly):
        await finished(await begun(assembly, workflow(agent(tool("current_time")), OUTPUTS)))
    assert model.bodies[1]["messages"][2]["tool_calls"][0]["function"]["arguments"] == "{}"


async def test_a_list_of_tools_that_names_none_is_told(tmp_path: Path) -> None:
    async with world(tmp_path, says("x")) as (model, assembly):
        outcome = await finished(await begun(assembly, workflow(agent(tool("", provider="")), OUTPUTS)))
    assert "an entry of the list of tools names no tool" in str(outcome.end.error)
    assert model.bodies == []


async def test_an_answer_without_a_word_is_an_empty_text(tmp_path: Path) -> None:
    async with world(tmp_path, [delta(finish="stop"), used(3, 0)]) as (_, assembly):
        outcome = await finished(await begun(assembly, workflow(agent(tool("weekday")), OUTPUTS)))
    assert outcome.end.status == "succeeded", outcome.end.error
    assert outcome.end.outputs["text"] == ""


async def test_a_tool_that_says_too_much_is_told_to_the_model_as_a_failure(tmp_path: Path) -> None:
    code = "print('長' * 5_000)"
    wanted = calls(("simple_code", {"language": "python3", "code": code}))
    entry = tool("simple_code", provider="code")
    async with world(tmp_path, wanted, says("sorry"), tool_max_text=1000) as (model, assembly):
        outcome = await finished(await begun(assembly, workflow(agent(entry), OUTPUTS)))
    assert outcome.end.status == "succeeded", outcome.end.error
    content = model.bodies[1]["messages"][-1]["content"]
    assert content.startswith("tool invoke error: it said more than 1000 characters"), content[:200]


async def test_what_a_tool_said_of_its_failure_is_not_asked_for_again_after_a_crash(tmp_path: Path) -> None:
    failing = calls(("weekday", {"year": 2024}))
    async with world(tmp_path, failing, says("x"), in_memory=False) as (model, assembly):
        held = holding(model)
        run = await cut_off(assembly, await begun(assembly, workflow(agent(tool("weekday")), OUTPUTS)), held)
        before = model.bodies[1]["messages"]
    async with world(tmp_path, says("sorry"), in_memory=False) as (model, assembly):
        outcome = await gone_on(assembly, run)
        [body] = model.bodies
    assert outcome.end.status == "succeeded", outcome.end.error
    assert body["messages"] == before
    kinds = [event.kind for event in outcome.events if isinstance(event, StepRecorded)]
    assert kinds == ["model", "tool", "model"]


@pytest.mark.parametrize("allowed", ["weekday", '["weekday"]', ["weekday", " "], [" weekday "]])
async def test_tools_that_are_not_allowed_are_not_offered_however_the_list_is_written(
    tmp_path: Path, allowed: Json
) -> None:
    data = agent(tool("weekday"), tool("current_time"), allowed_tools=constant(allowed))
    async with world(tmp_path, says("hi")) as (model, assembly):
        await finished(await begun(assembly, workflow(data, OUTPUTS)))
    assert [entry["function"]["name"] for entry in model.bodies[0]["tools"]] == ["weekday"]


@pytest.mark.parametrize(("given", "rounds"), [(10**30, 4), (-3, 1), (2.9, 2), ("", 3)])
async def test_any_number_of_iterations_is_one_that_can_be_counted(tmp_path: Path, given: Json, rounds: int) -> None:
    data = agent(tool("weekday"), maximum_iterations=constant(given))
    answers = [calls(WEEKDAY)] * 3 + [says("done")]
    async with world(tmp_path, *answers) as (model, assembly):
        outcome = await finished(await begun(assembly, workflow(data, OUTPUTS)))
    assert outcome.end.status == "succeeded", outcome.end.error
    assert len(model.bodies) == rounds


@pytest.mark.parametrize("abilities", [{}, {"vision": False}], ids=["sees", "does not see"])
async def test_pictures_are_shown_to_a_model_that_sees_in_its_first_round(
    tmp_path: Path, abilities: Mapping[str, Json]
) -> None:
    data = agent(tool("weekday"), files={"type": "variable", "value": ["sys", "files"]})
    features = {"file_upload": {"enabled": True, "allowed_file_types": ["image"], "number_limits": 3}}

    async def picture(writer: asyncio.StreamWriter, _: Any) -> None:
        writer.write(answer(b"", Content_Type="image/png"))
        await writer.drain()

    async with (
        serving({"/cat.png": picture}) as server,
        world(tmp_path, calls(WEEKDAY), says("a cat"), entry=abilities, http_allow=LOOPBACK) as (model, assembly),
    ):
        url = server.url("/cat.png")
        published = await assembly.apps.publish(workflow(data, OUTPUTS, features=features), source="test")
        file: Json = {"type": "image", "transfer_method": "remote_url", "url": url}
        request = StartRequest(inputs={"s": "何?"}, user="tester", files=[file])
        outcome = await finished(await assembly.runs.start(published.app, request))
    assert outcome.end.status == "succeeded", outcome.end.error
    first, second = (body["messages"][1]["content"] for body in model.bodies)
    shown = [{"type": "image_url", "image_url": {"url": url, "detail": "low"}}, {"type": "text", "text": "何?"}]
    assert first == ("[image]\n何?" if abilities else shown)
    assert second == "[image]\n何?"
