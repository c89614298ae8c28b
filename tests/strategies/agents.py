"""Agents with a fake model, over a real socket."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from jikko.assemble import Assembly
from jikko.record import RunIdentity
from jikko.runs.run_log import RunLog
from jikko.values import Json
from tests.effort import PATIENCE
from tests.providers.fake_model import Answer, Exchange, FakeModel, delta, usage
from tests.providers.workflows import Outcome, finished

MODEL: dict[str, Json] = {
    "provider": "langgenius/openai/openai",
    "model": "gpt-4o",
    "mode": "chat",
    "model_type": "llm",
    "type": "model-selector",
    "completion_params": {"temperature": 0},
}


def constant(value: Json) -> dict[str, Json]:
    return {"type": "constant", "value": value}


def tool(name: str, *, provider: str = "time", kind: str = "builtin", **fields: Json) -> dict[str, Json]:
    """Return an entry of an agent's list of tools."""
    return {
        "enabled": True,
        "type": kind,
        "provider_name": provider,
        "tool_name": name,
        "tool_label": name,
        "parameters": {},
        "settings": {},
        "extra": {"description": ""},
        "schemas": [],
        **fields,
    }


def agent(*tools: Mapping[str, Json], strategy: str = "function_calling", **parameters: Json) -> dict[str, Any]:
    """Return the data of an agent node ``m`` with the input ``s``."""
    given = {
        "model": constant(MODEL),
        "tools": constant([dict(tool) for tool in tools]),
        "instruction": constant("Be brief."),
        "query": constant("{{#start.s#}}"),
        "maximum_iterations": constant(5),
        **parameters,
    }
    return {
        "type": "agent",
        "title": "Agent",
        "agent_strategy_provider_name": "langgenius/agent/agent",
        "agent_strategy_name": strategy,
        "agent_strategy_label": "FunctionCalling",
        "agent_parameters": {name: value for name, value in given.items() if value is not None},
        "tool_node_version": "2",
    }


def used(prompt: int, completion: int) -> dict[str, Any]:
    return {"choices": [], "usage": usage(prompt, completion)}


def calls(*wanted: tuple[str, Mapping[str, Json] | str], text: str = "") -> list[dict[str, Any]]:
    """Return the events of an answer that calls tools."""
    listed = [
        {
            "index": index,
            "id": f"call-{index}",
            "type": "function",
            "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
        }
        for index, (name, given) in enumerate(wanted)
    ]
    text_chunks = [delta(text)] if text else []
    return [*text_chunks, delta(tool_calls=listed), delta(finish="tool_calls"), used(10, 5)]


def says(*pieces: str) -> list[dict[str, Any]]:
    """Return the events of an answer in words."""
    return [*(delta(piece) for piece in pieces), delta(finish="stop"), used(20, 3)]


def script(answers: Sequence[Sequence[dict[str, Any]]]) -> Answer:
    """Answer with each in turn; the last one repeats."""
    given = iter(answers)
    last: list[Sequence[dict[str, Any]]] = [answers[-1]]

    async def answer(exchange: Exchange) -> None:
        events = next(given, last[0])
        await exchange.begin_stream()
        for event in events:
            await exchange.event(event)
        await exchange.end_stream()

    return answer


def holding(model: FakeModel, answered: int = 1) -> asyncio.Event:
    """Make a model answer ``answered`` requests and hold the next one, whose arrival sets the event."""
    held, first = asyncio.Event(), model.answer

    async def answer(exchange: Exchange) -> None:
        if len(model.bodies) <= answered:
            await first(exchange)
        else:
            held.set()
            await exchange.gone.wait()

    model.answer = answer
    return held


async def cut_off(assembly: Assembly, live: RunLog, held: asyncio.Event) -> RunIdentity:
    """End the process that runs it, once the model holds a request. Returns the run's identity."""
    await asyncio.wait_for(held.wait(), PATIENCE)
    await assembly.runs.close(0)
    return live.record.identity


async def gone_on(assembly: Assembly, run: RunIdentity) -> Outcome:
    """Return the end of a run that another process began."""
    await assembly.runs.control.take_over()
    record = await assembly.store.record(run.run_id, run.app_id)
    assert record is not None
    return await finished(assembly.runs.control.reader(record))
