"""Inputs that servers of the operator's give to apps without a workflow."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jikko.conversations.extension_calls import ExtensionCalls
from jikko.conversations.external_data import ExternalData
from jikko.conversations.hooks import HookReply, Hooks, UserQuery
from jikko.ports.extensions import Extension
from jikko.ports.http import HttpFailure
from tests.conversations.chats import Chat, chat_with
from tests.conversations.test_moderation import Server
from tests.runs.world import World

pytestmark = pytest.mark.anyio
FORM = [{"text-input": {"label": "City", "variable": "city"}}, {"text-input": {"label": "W", "variable": "weather"}}]


def app(**tool: Any) -> bytes:
    given = {"variable": "weather", "type": "api", "enabled": True, "config": {"api_based_extension_id": "sky"}}
    config = {
        "model": {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}},
        "pre_prompt": "{{city}}: {{weather}}",
        "user_input_form": FORM,
        "external_data_tools": [{**given, **tool}],
    }
    return json.dumps({"app": {"name": "Sky", "mode": "chat"}, "model_config": config}).encode()


class Seen:
    """The last policy: keeps what the run would be given, and answers in its place."""

    def __init__(self) -> None:
        self.inputs: list[dict[str, Any]] = []

    async def consider(self, asked: UserQuery) -> HookReply:
        self.inputs.append(dict(asked.inputs))
        return HookReply(text="見た")


@asynccontextmanager
async def talking(world: World, server: Server, seen: Seen | None = None, **tool: Any) -> AsyncIterator[Chat]:
    calls = ExtensionCalls({"sky": Extension("http://sky.test/hook", "key")}, server)
    process = world.process(hooks=Hooks(policies=(ExternalData(calls), *([seen] if seen is not None else []))))
    published = await world.apps.publish(app(**tool), source="Sky")
    async with chat_with(world, published.app, process) as chat:
        yield chat


async def test_a_variable_has_what_its_server_answers_for_the_question(world: World) -> None:
    server, seen = Server({"result": "晴れ ☀"}), Seen()
    async with talking(world, server, seen) as chat:
        await chat.stream("今日は?", inputs={"city": "札幌"})

    assert seen.inputs == [{"city": "札幌", "weather": "晴れ ☀"}]
    [body] = server.bodies
    assert body["point"] == "app.external_data_tool.query"
    assert body["params"] | {"app_id": ""} == {
        "app_id": "",
        "tool_variable": "weather",
        "inputs": {"city": "札幌"},
        "query": "今日は?",
    }


@pytest.mark.parametrize("server", [Server({}), Server({"result": 5}), Server(HttpFailure("refused", kind="connect"))])
async def test_a_server_that_fails_is_400_and_the_message_says_so(world: World, server: Server) -> None:
    async with talking(world, server) as chat:
        answer = await chat.ask("今日は?", inputs={"city": "札幌"})
        [conversation] = await chat.conversations()
        chat.conversation_id = conversation["id"]
        [message] = await chat.messages()

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param")
    assert "'sky' that gives this app its variable 'weather'" in answer.json()["message"]
    assert (message["status"], message["answer"], message["error"]) == ("error", "", answer.json()["message"])


async def test_in_a_stream_the_failure_is_an_event_and_the_last_one(world: World) -> None:
    async with talking(world, Server({}, status=500)) as chat:
        [event] = await chat.stream("今日は?")

    assert (event["event"], event["code"], event["status"]) == ("error", "invalid_param", 400)
    assert "task_id" not in event


async def test_what_this_version_cannot_ask_is_named(world: World) -> None:
    async with talking(world, Server({}), type="weather_service") as chat:
        answer = await chat.ask("今日は?")

    assert answer.status_code == 400
    assert "'weather_service'" in answer.json()["message"]
