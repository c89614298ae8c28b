"""Isolation of conversations between apps with valid keys and equally named end users."""

import pytest

from jikko.http.operation import Operation, operations_in
from jikko.http.routes.conversations import conversations, message_routes, turn_routes
from tests.acceptance.workflows import node, start
from tests.runs.world import World

from .chats import NOTE, Chat, chat_app, chat_with

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("world", ["memory", "disk"], indirect=True)]

ECHO = [start(), node("reply", "answer", answer="{{#sys.query#}}")]
NAMED = [each for each in operations_in(turn_routes, message_routes, conversations) if each.ids]
BODIES = {
    "/v1/messages/{message_id}/feedbacks": {"rating": "dislike"},
    "/v1/conversations/{conversation_id}/name": {"name": "盗"},
    "/v1/conversations/{conversation_id}/variables/{variable_id}": {"value": "盗"},
}


@pytest.mark.parametrize("operation", NAMED, ids=lambda operation: f"{operation.method} {operation.path}")
async def test_an_address_of_another_app_names_nothing(world: World, operation: Operation) -> None:
    owner_app = await chat_app(world, ECHO, "start>reply", "Owner", conversation_variables=[NOTE])
    stranger_app = await chat_app(world, ECHO, "start>reply", "Stranger", conversation_variables=[NOTE])
    async with chat_with(world, owner_app) as owner, chat_with(world, stranger_app) as stranger:
        await stranger.ask("mine")
        message_id = (await owner.ask("秘密 🙂")).json()["id"]
        names = {"conversation_id": owner.conversation_id, "message_id": message_id, "variable_id": NOTE["id"]}
        before = await _all(owner)
        path = operation.path
        asked = {"user": owner.user, **BODIES.get(path, {})}
        answer = await stranger.client.request(
            operation.method,
            path.format(**names),
            params={"user": owner.user},
            json=None if operation.method == "GET" else asked,
        )

        assert answer.status_code == 404
        assert "秘密" not in answer.text
        assert await _all(owner) == before


async def test_nor_can_it_be_talked_on_with_or_listed(world: World) -> None:
    owner_app = await chat_app(world, ECHO, "start>reply", "Owner")
    stranger_app = await chat_app(world, ECHO, "start>reply", "Stranger")
    async with chat_with(world, owner_app) as owner, chat_with(world, stranger_app) as stranger:
        await owner.ask("秘密")
        stolen = Chat(stranger.client, owner.user)
        stolen.conversation_id = owner.conversation_id
        await stolen.ask("and?")

        assert stolen.conversation_id != owner.conversation_id
        assert [message["query"] for message in await owner.messages()] == ["秘密"]
        assert owner.conversation_id not in {one["id"] for one in await stranger.conversations()}
        listed = await stranger.client.get(
            "/v1/messages", params={"user": owner.user, "conversation_id": owner.conversation_id}
        )
        assert listed.status_code == 404


async def _all(chat: Chat) -> object:
    return await chat.conversations(), await chat.messages(), await chat.variables()
