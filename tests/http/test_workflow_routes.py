"""Chat apps on routes of workflow apps: refused routes, those that cannot start or stop it, and those that
serve both."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from jikko.nodes.contract import Context, Result
from tests.acceptance.workflows import app, node, start
from tests.http.scene import RUN, client_of
from tests.runs.world import World, until

pytestmark = pytest.mark.anyio

NOTHING = "0199a1b2-0000-4000-8000-000000000000"
REFUSAL = {
    "code": "not_workflow_app",
    "message": "Please check if your app mode matches the right API route.",
    "status": 400,
}
ASKED = {"query": "日本 🌸", "inputs": {}, "user": "anna", "response_mode": "streaming"}


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a chat app whose node ``a`` the test may hold."""
    nodes = [start(), node("a", "code", value="done"), node("said", "answer", answer="{{#a.value#}}")]
    text = app("Talks", nodes, "start>a a>said", mode="advanced-chat")
    published = await world.apps.publish(text.encode(), source="talks")
    async with client_of(world, published.app) as client:
        yield client


async def asked_and_held(client: httpx.AsyncClient, world: World) -> tuple["asyncio.Future[httpx.Response]", str]:
    """A turn whose node ``a`` is held: the answer to come, and the task id."""
    world.script.held = {"a"}
    begun: list[str] = []
    run = world.script.run

    async def noted(ctx: Context, value: Any) -> Result:
        begun.append(ctx.run.run_id)
        return await run(ctx, value)

    world.script.run = noted  # type: ignore[method-assign]
    asking = asyncio.ensure_future(client.post("/v1/chat-messages", json=ASKED))
    await until(lambda: bool(begun))
    return asking, (await world.until(begun[0], lambda record: True)).identity.task_id


STARTS: dict[str, str] = {"the current version": RUN, "a version": f"/v1/workflows/{NOTHING}/run"}
BODIES: dict[str, dict[str, Any]] = {
    "blocking": {"inputs": {}, "user": "anna", "response_mode": "blocking"},
    "streaming": {"inputs": {"q": "x"}, "user": "anna", "response_mode": "streaming"},
    "async": {"inputs": {}, "user": "anna", "response_mode": "async"},
    "of a chat": ASKED,
}


@pytest.mark.parametrize("where", STARTS)
@pytest.mark.parametrize("given", BODIES)
async def test_a_chat_app_is_no_workflow_app_and_nothing_is_begun(
    client: httpx.AsyncClient, world: World, where: str, given: str
) -> None:
    answer = await client.post(STARTS[where], json=BODIES[given])

    assert (answer.status_code, answer.json()) == (400, REFUSAL)
    assert not world.script.ran


@pytest.mark.parametrize("task", ["its own", NOTHING, "no id"])
async def test_its_turns_are_not_stopped_as_runs_of_a_workflow_app(
    client: httpx.AsyncClient, world: World, task: str
) -> None:
    asking, turn = await asked_and_held(client, world)

    refused = await client.post(
        f"/v1/workflows/tasks/{turn if task == 'its own' else task}/stop", json={"user": "anna"}
    )
    world.script.release("a")
    answer = await asking

    assert (refused.status_code, refused.json()) == (400, REFUSAL)
    assert '"status":"succeeded"' in answer.text


@pytest.mark.parametrize("who", ["anna", "somebody else"])
@pytest.mark.parametrize("twice", [False, True])
async def test_where_chats_are_stopped_any_user_stops_and_the_answer_tells_nothing_else(
    client: httpx.AsyncClient, world: World, who: str, twice: bool
) -> None:
    asking, turn = await asked_and_held(client, world)

    tasks = [NOTHING, "no id", turn, *([turn] if twice else [])]
    answers = [await client.post(f"/v1/chat-messages/{task}/stop", json={"user": who}) for task in tasks]

    assert {(answer.status_code, answer.content) for answer in answers} == {(200, b'{"result":"success"}')}
    assert '"status":"stopped"' in (await asking).text


async def test_its_runs_are_read_as_those_of_a_workflow_app_and_are_in_no_log(
    client: httpx.AsyncClient, world: World
) -> None:
    answer = await client.post("/v1/chat-messages", json=ASKED)
    run = answer.text.partition('"workflow_run_id":"')[2].partition('"')[0]

    detail = await client.get(f"{RUN}/{run}")
    logs = (await client.get("/v1/workflows/logs")).json()

    assert (detail.status_code, detail.json()["status"]) == (200, "succeeded")
    assert (logs["total"], logs["data"]) == (0, [])
