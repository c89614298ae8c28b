"""Which version of an app answers in a conversation that began before it was published anew."""

import json
from collections.abc import AsyncIterator

import pytest

from jikko.conversations.hooks import Asked, Hooks, Reply
from tests.conversations.chats import chat_with
from tests.runs.world import World

pytestmark = pytest.mark.anyio


class Told:
    """A policy that answers with the prompt of the version that is asked."""

    async def consider(self, asked: Asked) -> Reply:
        return Reply(text=str(asked.workflow.document.features["pre_prompt"]))


def app(prompt: str) -> bytes:
    model = {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
    config = {"model": model, "pre_prompt": prompt}
    return json.dumps({"app": {"name": "P", "mode": "chat"}, "model_config": config}).encode()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.close()


async def test_an_old_conversation_goes_on_as_it_began_and_a_new_one_takes_the_new_version(world: World) -> None:
    published = await world.apps.publish(app("古い"), source="P")
    process = world.process(hooks=Hooks(policies=(Told(),)))
    async with chat_with(world, published.app, process) as chat:
        first = (await chat.ask("?")).json()["answer"]
        world.now += 10
        await world.apps.publish(app("新しい"), source="P")
        world.now += 10
        again = (await chat.ask("?")).json()["answer"]
        chat.conversation_id = ""
        new = (await chat.ask("?")).json()["answer"]

    assert (first, again, new) == ("古い", "古い", "新しい")
