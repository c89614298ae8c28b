"""Chats with a corrupt log of a turn: it ends as failed with a message, and the conversation continues."""

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.workflows import node, start
from tests.runs.damage import WAYS, Damage, damage
from tests.runs.world import World, until

from .chats import Chat, chat_app, chat_with
from .test_pauses import form, submit

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("world", ["disk"], indirect=True)]


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def way(request: pytest.FixtureRequest) -> Damage:
    found: Damage = request.param
    return found


ECHO = [start(), node("work", "code", value="仕事"), node("reply", "answer", answer="{{#sys.query#}} {{#work.value#}}")]
ASKS = [start(), form("ask"), node("reply", "answer", answer="{{#ask.word#}}")]


async def goes_on(world: World, chat: Chat, run: str) -> None:
    """The turn has failed, and its message tells it; the next one is answered; the run is repeated and removed."""
    record = await world.ended(run)
    assert (record.status, "its log is damaged" in str(record.error)) == ("failed", True)
    [failed] = await chat.messages()
    assert failed["status"] == "error"
    assert "its log is damaged" in failed["error"]
    shown = (await chat.client.get(f"/v1/workflows/run/{run}")).json()
    assert (shown["status"], shown["error"]) == ("failed", record.error)
    answer = await chat.ask("次 🌊", response_mode="blocking")
    assert answer.status_code == 200, answer.text
    retry = await chat.client.post(f"/v1/workflows/run/{run}/retry", json={"user": chat.user, "response_mode": "async"})
    assert retry.status_code == 202, retry.text
    await world.until(retry.json()["workflow_run_id"], lambda record: record.status in ("succeeded", "paused"))
    assert len(await chat.messages()) == 2
    await world.store.prune(world.now + 1)
    assert await world.store.record(run) is None


async def test_one_that_was_under_way_fails_at_the_next_start(world: World, tmp_path: Path, way: Damage) -> None:
    app, process = await chat_app(world, ECHO, "start>work>reply"), world.process()
    async with chat_with(world, app, process) as chat:
        world.script.held.add("work")
        run = (await chat.ask("山", response_mode="async")).json()
        await until(lambda: world.script.ran["work"] == 1)
        await process.die()
    damage(tmp_path, run["workflow_run_id"], way)
    world.script.release("work")
    after = world.process()
    await after.runs.control.take_over()

    async with chat_with(world, app, after) as again:
        again.conversation_id = run["conversation_id"]
        await goes_on(world, again, run["workflow_run_id"])


async def test_one_that_waits_for_a_form_fails_when_that_is_filled_in(
    world: World, tmp_path: Path, way: Damage
) -> None:
    app = await chat_app(world, ASKS, "start>ask ask:ok>reply ask:no>reply")
    async with chat_with(world, app) as chat:
        paused = (await chat.ask("山", response_mode="blocking")).json()
        damage(tmp_path, paused["workflow_run_id"], way)
        token = paused["data"]["reasons"][0]["form_token"]

        read = await chat.client.get(f"/v1/form/human_input/{token}")
        refused = await submit(chat, token, word="x")

        for answer in (read, refused):
            assert (answer.status_code, "is damaged" in answer.json()["message"]) == (503, True), answer.text
            assert str(tmp_path) not in answer.text, "where the database is concerns no client"
        await goes_on(world, chat, paused["workflow_run_id"])


async def test_one_that_was_answered_stays_answered(world: World, tmp_path: Path, way: Damage) -> None:
    app = await chat_app(world, ECHO, "start>work>reply")
    async with chat_with(world, app) as chat:
        answer: dict[str, Any] = (await chat.ask("山 🗻", response_mode="blocking")).json()
        [record] = await world.store.scan()
        await world.ended(record.identity.run_id)
        damage(tmp_path, record.identity.run_id, way)

        [message] = await chat.messages()
        assert (message["status"], message["answer"]) == ("normal", answer["answer"])
        assert (await chat.ask("川")).json()["answer"] == "川 仕事"
        assert [one["query"] for one in await chat.messages()] == ["山 🗻", "川"]
