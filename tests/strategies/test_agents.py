"""Agent nodes with Jikko's own function calling: a model over a real socket, tools of this installation."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from jikko.assemble import Assembly
from jikko.dify.dify_events import event_message
from jikko.events import AgentLogged, StepRecorded
from jikko.values import Json
from tests.effort import PATIENCE
from tests.providers.fake_model import Exchange, FakeModel
from tests.providers.workflows import Outcome, assembled, begun, finished, workflow
from tests.strategies.agents import MODEL, agent, calls, constant, cut_off, gone_on, holding, says, script, tool

pytestmark = pytest.mark.anyio
OUTPUTS = {"text": "text", "json": "json", "usage": "usage", "files": "files"}
WEEKDAY = ("weekday", {"year": 2024, "month": 2, "day": 29})


@asynccontextmanager
async def world(
    folder: Path,
    *answers: Sequence[dict[str, Any]],
    environment: Mapping[str, str] | None = None,
    entry: Mapping[str, Json] | None = None,
    **settings: Any,
) -> AsyncIterator[tuple[FakeModel, Assembly]]:
    async with FakeModel(script(answers)) as model:
        price = {"prompt": 1, "completion": 2}
        known = {"type": "openai", "base_url": model.url, "api_key": "key", "price": price, **(entry or {})}
        async with assembled(folder, known, environment=environment, **settings) as assembly:
            yield model, assembly


async def ran(folder: Path, data: Mapping[str, Json], *answers: Sequence[dict[str, Any]], **settings: Any) -> Outcome:
    async with world(folder, *answers, **settings) as (_, assembly):
        return await finished(await begun(assembly, workflow(data, OUTPUTS), "何曜日? 🗓"))


async def test_an_agent_calls_a_tool_and_answers(tmp_path: Path) -> None:
    async with world(tmp_path, calls(WEEKDAY, text="Let me see."), says("It is ", "木曜日.")) as (model, assembly):
        outcome = await finished(await begun(assembly, workflow(agent(tool("weekday")), OUTPUTS), "何曜日? 🗓"))
    assert outcome.end.status == "succeeded", outcome.end.error
    assert outcome.end.outputs["text"] == "Let me see.\nIt is 木曜日."
    first, second = model.bodies
    assert first["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "何曜日? 🗓"},
    ]
    [function] = [entry["function"] for entry in first["tools"]]
    assert function["name"] == "weekday"
    assert set(function["parameters"]["properties"]) == {"year", "month", "day"}
    assert first["tool_choice"] == "auto"
    assert second["messages"][2]["tool_calls"][0]["function"]["name"] == "weekday"
    assert second["messages"][3] == {
        "role": "tool",
        "tool_call_id": "call-0",
        "content": "February 29, 2024 is Thursday.",
    }


async def test_its_log_is_live_and_in_the_record(tmp_path: Path) -> None:
    outcome = await ran(tmp_path, agent(tool("weekday")), calls(WEEKDAY), says("Thursday"))
    logged = [event for event in outcome.events if isinstance(event, AgentLogged)]
    ended = [(event.label, event.status) for event in logged]
    assert ended == [
        ("ROUND 1", "start"),
        ("gpt-4o Thought", "start"),
        ("gpt-4o Thought", "success"),
        ("CALL weekday", "start"),
        ("CALL weekday", "success"),
        ("ROUND 1", "success"),
        ("ROUND 2", "start"),
        ("gpt-4o Thought", "start"),
        ("gpt-4o Thought", "success"),
        ("ROUND 2", "success"),
    ]
    rounds = {event.entry_id for event in logged if event.label == "ROUND 1"}
    assert {event.parent_id for event in logged if event.label == "CALL weekday"} == rounds
    record = outcome.node.metadata["agent_log"]
    assert [entry["label"] for entry in record] == [
        "ROUND 1", "gpt-4o Thought", "CALL weekday", "ROUND 2", "gpt-4o Thought",
    ]  # fmt: skip
    called = record[2]["data"]["output"]
    assert called["tool_call_input"] == WEEKDAY[1]
    assert called["tool_response"] == "February 29, 2024 is Thursday."
    assert record[1]["data"]["tool_input"] == [{"name": "weekday", "args": WEEKDAY[1]}]
    assert record[0]["metadata"]["total_tokens"] == 15
    assert [entry["id"] for entry in outcome.node.outputs["json"][:-1]] == [entry["id"] for entry in record]
    assert outcome.node.outputs["json"][-1] == {"data": []}


async def test_entries_of_the_log_are_messages_of_the_stream(tmp_path: Path) -> None:
    async with world(tmp_path, says("hi")) as (_, assembly):
        live = await begun(assembly, workflow(agent(), OUTPUTS))
        outcome = await finished(live)
        [first, *_] = [event for event in outcome.events if isinstance(event, AgentLogged)]
        message = event_message(live.record, first)
    assert message is not None
    assert message.event == "agent_log"
    data: Any = message.data
    assert (data["label"], data["status"], data["node_id"], data["node_execution_id"]) == ("ROUND 1", "start", "m", "m")


async def test_usage_of_all_rounds_is_the_nodes_and_the_runs(tmp_path: Path) -> None:
    outcome = await ran(tmp_path, agent(tool("weekday")), calls(WEEKDAY), says("Thursday"))
    assert outcome.node.usage is not None
    assert outcome.node.usage.total_tokens == 15 + 23 == outcome.end.total_tokens
    assert float(outcome.node.usage.total_price) == pytest.approx((30 * 1 + 8 * 2) / 1_000_000)
    assert outcome.node.outputs["usage"]["total_tokens"] == 38
    assert outcome.node.metadata["tool_info"] == {"icon": None, "agent_strategy": "function_calling"}


async def test_several_calls_of_one_answer_are_all_made_and_answered_in_order(tmp_path: Path) -> None:
    wanted = calls(WEEKDAY, ("weekday", {"year": 2024, "month": 3, "day": 1}), ("nothing", {}), ("weekday", "no json"))
    async with world(tmp_path, wanted, says("done")) as (model, assembly):
        await finished(await begun(assembly, workflow(agent(tool("weekday")), OUTPUTS)))
    contents = [message["content"] for message in model.bodies[1]["messages"] if message["role"] == "tool"]
    assert contents == [
        "February 29, 2024 is Thursday.",
        "March 1, 2024 is Friday.",
        "there is not a tool named nothing",
        "tool invoke error: the arguments of the call are not a JSON object",
    ]


async def test_a_tool_that_fails_is_told_to_the_model(tmp_path: Path) -> None:
    async with world(tmp_path, calls(("weekday", {"year": 2024})), says("sorry")) as (model, assembly):
        outcome = await finished(await begun(assembly, workflow(agent(tool("weekday")), OUTPUTS)))
    assert outcome.end.status == "succeeded"
    assert model.bodies[1]["messages"][-1]["content"].startswith("tool invoke error: Month is required")


async def test_values_that_are_fixed_are_not_the_models_to_choose(tmp_path: Path) -> None:
    fixed = {"year": {"auto": 0, "value": constant(2024)}, "month": {"auto": 1, "value": None}}
    entry = tool("weekday", parameters=fixed)
    async with world(tmp_path, calls(("weekday", {"month": 2, "day": 29})), says("ok")) as (model, assembly):
        await finished(await begun(assembly, workflow(agent(entry), OUTPUTS)))
    properties = model.bodies[0]["tools"][0]["function"]["parameters"]["properties"]
    assert set(properties) == {"month", "day"}
    assert model.bodies[1]["messages"][-1]["content"] == "February 29, 2024 is Thursday."


async def test_tools_that_are_switched_off_are_not_offered(tmp_path: Path) -> None:
    entries = (tool("weekday", enabled=False), tool("current_time", settings={"timezone": {"value": "UTC"}}))
    async with world(tmp_path, says("ok")) as (model, assembly):
        await finished(await begun(assembly, workflow(agent(*entries), OUTPUTS)))
    assert [entry["function"]["name"] for entry in model.bodies[0]["tools"]] == ["current_time"]


async def test_at_the_last_round_no_tool_is_called(tmp_path: Path) -> None:
    outcome = await ran(tmp_path, agent(tool("weekday"), maximum_iterations=constant(2)), calls(WEEKDAY))
    responses = [
        event.data["output"]["tool_response"]
        for event in outcome.events
        if isinstance(event, AgentLogged) and event.label == "CALL weekday" and event.status == "success"
    ]
    assert responses[0] == "February 29, 2024 is Thursday."
    assert responses[1].startswith("Maximum iteration limit (2) reached.")
    assert outcome.end.status == "succeeded"


async def test_with_one_round_what_tools_say_is_the_answer(tmp_path: Path) -> None:
    outcome = await ran(tmp_path, agent(tool("weekday"), maximum_iterations=constant(1)), calls(WEEKDAY))
    assert outcome.end.outputs["text"] == "\nFebruary 29, 2024 is Thursday."


async def test_a_model_that_fails_fails_the_node_with_what_was_used(tmp_path: Path) -> None:
    async def overloaded(exchange: Exchange) -> None:
        await exchange.json({"error": {"message": "busy"}}, 429)

    async with world(tmp_path, calls(WEEKDAY)) as (model, assembly):
        first = model.answer

        async def answer(exchange: Exchange) -> None:
            await (first if len(model.bodies) == 1 else overloaded)(exchange)

        model.answer = answer
        outcome = await finished(await begun(assembly, workflow(agent(tool("weekday")), OUTPUTS)))
    assert outcome.end.status == "failed"
    assert outcome.node.error is not None
    assert outcome.node.error.startswith("Failed to invoke agent: InvokeRateLimitError: ")
    assert outcome.node.usage is not None
    assert outcome.node.usage.total_tokens == 15
    assert outcome.node.metadata["agent_log"][-1]["status"] == "error"


@pytest.mark.parametrize(("data", "expected_error"), [
    (agent(strategy="ReAct"), "Failed to get agent strategy: "),
    (agent(tool("nothing", provider="langgenius/none/none")), "Failed to get tool runtime: "),
    (agent(query=None), "Failed to invoke agent: the parameter query is required"),
    (agent(query={"type": "variable", "value": ["start", "none"]}), "Variable start.none does not exist"),
    (agent(model=constant({})), "No model is chosen"),
    (agent(model=constant({**MODEL, "provider": "a/b/c"})), "The provider 'a/b/c' of the model"),
    ({**agent(), "version": "2", "agent_node_kind": "dify_agent"}, "This agent cannot be run by Jikko"),
])  # fmt: skip
async def test_what_is_missing_fails_the_node_and_is_named(
    tmp_path: Path, data: dict[str, Json], expected_error: str
) -> None:
    outcome = await ran(tmp_path, data, says("hi"))
    assert outcome.end.status == "failed"
    assert expected_error in (outcome.node.error or "")


async def test_an_agent_without_tools_is_a_question_to_the_model(tmp_path: Path) -> None:
    outcome = await ran(tmp_path, agent(), says("日", "本\ue000"))
    assert outcome.end.outputs["text"] == "日本\ue000"
    assert outcome.shown[:2] == ["日", "本\ue000"]


@pytest.mark.parametrize(("limit", "value", "expected_error"), [
    ("agent_model_calls", 2, "have made 2 model calls"),
    ("agent_tool_calls", 1, "have made 1 tool calls"),
    ("agent_tokens", 15, "have used 15 tokens"),
    ("agent_price", 0.00001, "have cost 0.00002 USD"),
])  # fmt: skip
async def test_an_agent_ends_at_the_limits_of_its_run(
    tmp_path: Path, limit: str, value: float, expected_error: str
) -> None:
    outcome = await ran(tmp_path, agent(tool("weekday")), calls(WEEKDAY), **{limit: value})
    assert outcome.end.status == "failed"
    assert expected_error in (outcome.node.error or "")
    assert f"JIKKO_{limit.upper()}" in (outcome.node.error or "")


async def test_a_run_that_is_stopped_ends_the_call_of_the_model_at_once(tmp_path: Path) -> None:
    held = asyncio.Event()

    async def silent(exchange: Exchange) -> None:
        held.set()
        await exchange.gone.wait()

    async with world(tmp_path, says("x")) as (model, assembly):
        model.answer = silent
        live = await begun(assembly, workflow(agent(), OUTPUTS))
        await asyncio.wait_for(held.wait(), PATIENCE)
        owner = live.record.identity
        assert await assembly.runs.control.stop(owner.app_id, owner.task_id, owner.user)
        outcome = await finished(live)
    assert outcome.end.status == "stopped"


async def test_an_agent_goes_on_where_it_was_and_asks_nothing_twice(tmp_path: Path) -> None:
    source = workflow(agent(tool("weekday")), OUTPUTS)
    async with world(tmp_path, calls(WEEKDAY, text="Let me see."), says("x"), in_memory=False) as (model, assembly):
        held = holding(model)
        run = await cut_off(assembly, await begun(assembly, source), held)
        assert len(model.bodies) == 2
    async with world(tmp_path, says("It is Thursday."), in_memory=False) as (model, assembly):
        outcome = await gone_on(assembly, run)
        [body] = model.bodies
    assert outcome.end.status == "succeeded", outcome.end.error
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "tool"]
    assert outcome.end.outputs["text"] == "Let me see.\nIt is Thursday."
    assert outcome.end.total_tokens == 38
    kinds = [event.kind for event in outcome.events if isinstance(event, StepRecorded)]
    assert kinds == ["model", "tool", "model"]
    labels = [entry["label"] for entry in outcome.node.metadata["agent_log"]]
    assert labels == ["ROUND 1", "gpt-4o Thought", "CALL weekday", "ROUND 2", "gpt-4o Thought"]


async def test_an_agent_calls_a_workflow_like_any_other_tool(tmp_path: Path) -> None:
    named = [{"variable": "s", "value_selector": ["start", "s"]}]
    inner = workflow({"type": "template-transform", "template": "«{{ s }}»", "variables": named}, {"r": "output"})
    file = tmp_path / "tools.yml"
    listed = "{type: workflow, name: shout, label: Shout, app: models, parameters: [{name: s, form: llm}]}"
    file.write_text(f"tools: {{shout: {listed}}}")
    entry = tool("shout", provider="shout", kind="workflow", provider_id="shout")
    async with world(tmp_path, calls(("shout", {"s": "日本"})), says("done"), tools=file) as (model, assembly):
        await assembly.apps.publish(inner, source="inner")
        outer = workflow(agent(entry), OUTPUTS).replace(b"name: models", b"name: outer")
        outcome = await finished(await begun(assembly, outer))
    assert outcome.end.status == "succeeded", outcome.end.error
    assert model.bodies[1]["messages"][-1]["content"] == '{"r": "«日本»"}'
