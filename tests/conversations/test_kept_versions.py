"""Which version of an app answers in a conversation that began before the current version changed."""

import json
from pathlib import Path

import pytest

from jikko.assemble import Assembly
from jikko.conversations.hooks import HookReply, Hooks, UserQuery
from jikko.conversations.turns import TurnRequest
from jikko.repositories.app_store import App
from jikko.runs.run_log import RunLog
from jikko.runs.runs import StartOutcome
from jikko.values import Json
from tests.conversations.chats import chat_with
from tests.providers.fake_model import FakeModel, streamed
from tests.providers.workflows import assembled, finished
from tests.runs.world import World

pytestmark = pytest.mark.anyio


class Told:
    """A policy that answers with the prompt of the version that is asked."""

    async def consider(self, asked: UserQuery) -> HookReply:
        return HookReply(text=str(asked.workflow.document.features["pre_prompt"]))


def app(prompt: str) -> bytes:
    model = {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
    config = {"model": model, "pre_prompt": prompt}
    return json.dumps({"app": {"name": "P", "mode": "chat"}, "model_config": config}).encode()


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


async def test_an_old_conversation_keeps_its_version_when_the_app_goes_back_to_an_older_one(tmp_path: Path) -> None:
    async with FakeModel(streamed("はい")) as model, assembled(tmp_path, openai(model)) as assembly:
        old = await assembly.apps.publish(app("古い"), source="P")
        new = await assembly.apps.publish(app("新しい"), source="P")
        conversation_id = await asked(assembly, new.app)
        back = await assembly.apps.use(new.app, old.version)
        await asked(assembly, back, conversation_id)
        await asked(assembly, back, conversation_id)
        await asked(assembly, back)

    prompts = [body["messages"][0]["content"].strip() for body in model.bodies]
    assert prompts == ["新しい", "新しい", "新しい", "古い"]


def openai(model: FakeModel) -> dict[str, Json]:
    return {"type": "openai", "base_url": model.url, "api_key": "key"}


async def asked(assembly: Assembly, of: App, conversation_id: str = "") -> str:
    """Ask, and wait for the end of the answer. Returns the conversation."""
    turn = TurnRequest(query="?", inputs={}, user="anna", conversation_id=conversation_id, name_wanted=False)
    begun = await assembly.chat.turns.begin(of, turn)
    assert isinstance(begun, StartOutcome)
    assert isinstance(begun.run, RunLog)
    await finished(begun.run)
    message = await assembly.conversations.message_of_run(begun.run.record.identity.run_id)
    assert message is not None
    return message.conversation_id
