"""Agents of apps without a workflow: a model over a real socket, tools of this installation."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from jikko.assemble import Assembly
from jikko.conversations.turns import TurnRequest
from jikko.events import AgentLogged, NodeFinished, RunFinished, StepRecorded, TextChunk
from jikko.ports.stores.messages import Message
from jikko.runs.run_log import RunLog
from jikko.values import Json
from tests.providers.fake_model import Exchange, FakeModel
from tests.providers.workflows import Outcome, assembled, finished
from tests.strategies.agents import calls, cut_off, gone_on, holding, says, script

pytestmark = pytest.mark.anyio
WEEKDAY = ("weekday", {"year": 2024, "month": 2, "day": 29})
TOOL = {
    "enabled": True,
    "provider_type": "builtin",
    "provider_id": "time",
    "provider_name": "time",
    "tool_name": "weekday",
    "tool_parameters": {},
}


def app(**agent_mode: Any) -> bytes:
    config = {
        "model": {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}},
        "pre_prompt": "あなたは{{who}}です",
        "user_input_form": [{"text-input": {"label": "Who", "variable": "who"}}],
        "agent_mode": {"enabled": True, "strategy": "function_call", "tools": [TOOL], **agent_mode},
    }
    return json.dumps({"app": {"name": "Agent", "mode": "agent-chat"}, "model_config": config}).encode()


@asynccontextmanager
async def world(
    folder: Path, *answers: Sequence[dict[str, Any]], abilities: Mapping[str, Json] | None = None, **settings: Any
) -> AsyncIterator[tuple[FakeModel, Assembly]]:
    async with FakeModel(script(answers)) as model:
        known: dict[str, Any] = {"type": "openai", "base_url": model.url, "api_key": "key"}
        if abilities is not None:
            known["models"] = {"gpt-4o": abilities}
        async with assembled(folder, known, **settings) as assembly:
            yield model, assembly


async def asked(assembly: Assembly, source: bytes, query: str = "何曜日? 🗓", **more: Any) -> RunLog:
    published = await assembly.apps.publish(source, source="test")
    turn = TurnRequest(query=query, inputs={"who": "曜日係"}, user="anna", streamed=True, name_wanted=False, **more)
    begun = await assembly.chat.turns.begin(published.app, turn)
    assert not isinstance(begun, Message)
    assert isinstance(begun.run, RunLog)
    return begun.run


def thoughts(outcome: Outcome) -> list[dict[str, Json]]:
    """The rounds, as they were told last."""
    told = {event.entry_id: event.data for event in outcome.events if isinstance(event, AgentLogged)}
    return list(told.values())


def node_outputs(outcome: Outcome) -> dict[str, Json]:
    [end] = [each for each in outcome.events if isinstance(each, NodeFinished) and each.node_type == "agent"]
    return end.outputs


async def test_rounds_are_told_one_by_one_and_the_texts_of_all_are_the_answer(tmp_path: Path) -> None:
    async with world(tmp_path, calls(WEEKDAY, text="Let me see."), says("木", "曜日.")) as (model, assembly):
        outcome = await finished(await asked(assembly, app()))

    assert outcome.end.status == "succeeded", outcome.end.error
    assert [(each["position"], each["thought"], each["tool"]) for each in thoughts(outcome)] == [
        (1, "Let me see.", "weekday"),
        (2, "木曜日.", ""),
    ]
    assert json.loads(str(thoughts(outcome)[0]["observation"])) == {"weekday": "February 29, 2024 is Thursday."}
    assert node_outputs(outcome)["answer"] == "Let me see.\n木曜日."
    assert model.bodies[0]["messages"][0] == {"role": "system", "content": "あなたは曜日係です\n"}


async def test_text_is_shown_before_the_answer_that_it_is_of_is_recorded(tmp_path: Path) -> None:
    """What tells a result is shown once it is durable, with all behind it."""

    async def at_once(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.raw(b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in says("木", "曜日🗓")))
        await exchange.end_stream()

    async with world(tmp_path, says("")) as (model, assembly):
        model.answer = at_once
        outcome = await finished(await asked(assembly, app()))

    [recorded] = [at for at, event in enumerate(outcome.events) if isinstance(event, StepRecorded)]
    assert "".join(event.text for event in outcome.events[:recorded] if isinstance(event, TextChunk)) == "木曜日🗓"


async def test_the_last_round_offers_no_tool_and_a_call_in_it_fails(tmp_path: Path) -> None:
    async with world(tmp_path, calls(WEEKDAY)) as (model, assembly):
        outcome = await finished(await asked(assembly, app(max_iteration=2)))

    assert [bool(body.get("tools")) for body in model.bodies] == [True, True, False]
    assert outcome.end.status == "failed"
    assert outcome.end.error is not None
    assert "2 rounds with tools" in outcome.end.error


@pytest.mark.parametrize("arguments", ["{no json", "[1]", '"text"'])
async def test_arguments_that_are_no_object_end_the_turn_and_say_so(tmp_path: Path, arguments: str) -> None:
    async with world(tmp_path, calls(("weekday", arguments)), says("never")) as (model, assembly):
        outcome = await finished(await asked(assembly, app()))

    assert len(model.bodies) == 1
    assert outcome.end.status == "failed"
    assert "'weekday' with arguments that are not a JSON" in str(outcome.end.error)


async def test_many_calls_at_once_end_at_the_limit_of_the_run(tmp_path: Path) -> None:
    many = calls(*[("weekday", {"year": 2024, "month": 2, "day": 1 + number % 28}) for number in range(100)])
    async with world(tmp_path, many, says("never"), agent_tool_calls=50) as (_, assembly):
        outcome = await finished(await asked(assembly, app()))

    assert outcome.end.status == "failed"
    assert "have made 50 tool calls" in str(outcome.end.error)
    assert [event.kind for event in outcome.events if isinstance(event, StepRecorded)].count("tool") == 50


async def test_a_model_without_calls_thinks_in_text(tmp_path: Path) -> None:
    call = json.dumps({"action": WEEKDAY[0], "action_input": WEEKDAY[1]})
    act = f"Thought: I look\nAction:\n```\n{call}\n```"
    final = 'Thought: I know\nAction: {"action": "Final Answer", "action_input": "木曜日."}'
    async with world(tmp_path, says(*act), says(*final), abilities={"tools": False}) as (model, assembly):
        outcome = await finished(await asked(assembly, app(strategy="react")))

    assert outcome.end.status == "succeeded", outcome.end.error
    assert node_outputs(outcome)["answer"] == "木曜日."
    assert [each["thought"] for each in thoughts(outcome)] == ["I look", "I know木曜日."]
    first, second = model.bodies
    assert "tools" not in first
    assert first["stop"] == ["Observation"]
    assert [message["role"] for message in second["messages"]] == ["system", "user", "assistant", "user"]
    assert "Observation: February 29, 2024 is Thursday." in second["messages"][2]["content"]


async def test_a_tool_that_is_not_there_is_left_out_and_the_log_of_the_agent_says_so(tmp_path: Path) -> None:
    gone = {**TOOL, "provider_type": "api", "provider_id": "天気", "provider_name": "天気", "tool_name": "now"}
    async with world(tmp_path, says("Hello.")) as (model, assembly):
        outcome = await finished(await asked(assembly, app(tools=[gone, TOOL])))
        [message] = await assembly.conversations.messages(_conversation(outcome)) or []

    assert outcome.end.status == "succeeded", outcome.end.error
    assert [tool["function"]["name"] for tool in model.bodies[0]["tools"]] == ["weekday"]
    [told, *_] = [event for event in outcome.events if isinstance(event, AgentLogged)]
    assert (told.label, told.status) == ("LEFT OUT 天気/now", "error")
    assert "天気" in str(told.error)
    assert [thought.thought for thought in message.answer.thoughts] == ["Hello."]


async def test_what_the_operator_has_set_for_a_tool_wins_over_what_the_model_gives(tmp_path: Path) -> None:
    zone = {**TOOL, "tool_name": "current_time", "tool_parameters": {"timezone": "Asia/Tokyo", "format": "%z"}}
    given = ("current_time", {"timezone": "America/New_York", "format": "%Y"})
    async with world(tmp_path, calls(given), says("はい")) as (model, assembly):
        outcome = await finished(await asked(assembly, app(tools=[zone])))

    assert outcome.end.status == "succeeded", outcome.end.error
    assert json.loads(str(thoughts(outcome)[0]["observation"])) == {"current_time": "+0900"}
    [offered] = model.bodies[0]["tools"]
    assert offered["function"]["parameters"]["properties"] == {}


async def test_an_agent_goes_on_behind_its_finished_steps_under_the_same_ids(tmp_path: Path) -> None:
    async with world(tmp_path, calls(WEEKDAY, text="見ます."), says("x"), in_memory=False) as (model, assembly):
        held = holding(model)
        run = await cut_off(assembly, await asked(assembly, app()), held)
    async with world(tmp_path, says("木曜日."), in_memory=False) as (model, assembly):
        outcome = await gone_on(assembly, run)
        [message] = await assembly.conversations.messages(_conversation(outcome)) or []
        [body] = model.bodies

    assert isinstance(outcome.events[-1], RunFinished)
    assert outcome.end.status == "succeeded", outcome.end.error
    assert [each["role"] for each in body["messages"]] == ["system", "user", "assistant", "tool"]
    assert [event.kind for event in outcome.events if isinstance(event, StepRecorded)] == ["model", "tool", "model"]
    assert message.answer.text == "見ます.\n木曜日."
    assert [(each.position, each.thought, each.tool) for each in message.answer.thoughts] == [
        (1, "見ます.", "weekday"),
        (2, "木曜日.", ""),
    ]


def _conversation(outcome: Outcome) -> str:
    turn = getattr(outcome.events[0], "turn", None)
    assert turn is not None
    return str(turn.conversation_id)
