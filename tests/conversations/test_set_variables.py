"""Conversation variables set by clients: values of each type, and type errors."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.acceptance.workflows import node, start
from tests.runs.world import World

from .chats import Chat, chat_app, chat_with

pytestmark = pytest.mark.anyio
VALUES: dict[str, Any] = {"string": "s", "number": 1, "object": {"a": 1}, "array[string]": ["a"]}


@pytest.fixture
async def chat() -> AsyncIterator[Chat]:
    world = World()
    variables = [
        {"id": f"0199a1b2-0000-7000-8000-00000000000{at}", "name": f"v{at}", "value_type": kind, "value": value}
        for at, (kind, value) in enumerate(VALUES.items())
    ]
    nodes = [start(), node("reply", "answer", answer="{{#conversation.v0#}} {{#conversation.v1#}}")]
    app = await chat_app(world, nodes, "start>reply", conversation_variables=variables)
    async with chat_with(world, app) as chat:
        await chat.ask("hi")
        yield chat
    await world.close()


async def put(chat: Chat, kind: str, value: Any) -> Any:
    at = list(VALUES).index(kind)
    found = await chat.client.get(
        f"/v1/conversations/{chat.conversation_id}/variables", params={"user": chat.user, "variable_name": f"v{at}"}
    )
    [variable] = found.json()["data"]
    path = f"/v1/conversations/{chat.conversation_id}/variables/{variable['id']}"
    return await chat.client.put(path, json={"user": chat.user, "value": value})


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("string", "猫 🐈 \ue000", "猫 🐈 \ue000"),
        ("number", 7, "7"),
        ("number", True, "1"),
        ("number", False, "0"),
        ("object", {}, "{}"),
        ("array[string]", [], "[]"),
    ],
)
async def test_a_value_of_the_type_is_taken_and_the_next_turn_sees_it(
    chat: Chat, kind: str, value: Any, shown: str
) -> None:
    answer = await put(chat, kind, value)

    assert (answer.status_code, answer.json()["value"]) == (200, shown), answer.text
    reply = (await chat.ask("again")).json()["answer"]
    if kind in ("string", "number"):
        assert shown in reply


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", 7),
        ("string", None),
        ("number", "7"),
        ("number", 1.5),
        ("object", []),
        ("array[string]", [1]),
        ("array[string]", "a"),
    ],
)
async def test_another_value_is_refused_and_nothing_changes(chat: Chat, kind: str, value: Any) -> None:
    before = await chat.variables()

    answer = await put(chat, kind, value)

    assert answer.status_code == 400, answer.text
    assert await chat.variables() == before
