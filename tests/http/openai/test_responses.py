"""Apps by OpenAI's Responses API."""

import json
from typing import Any

import httpx
import pytest

from jikko.repositories.app_store import App
from tests.acceptance.workflows import end, node, start
from tests.conversations.chats import chat_app
from tests.http.scene import client_of
from tests.runs.world import World

pytestmark = pytest.mark.anyio

ECHO = [
    start(),
    node("a", "code", value="x"),
    node("reply", "answer", answer="{{#sys.dialogue_count#}}: {{#sys.query#}}"),
]


@pytest.fixture
async def app(world: World) -> App:
    return await chat_app(world, ECHO, "start>a>reply", name="Echo")


async def respond(client: httpx.AsyncClient, given: Any, status: int = 200, **more: Any) -> Any:
    answer = await client.post("/v1/responses", json={"model": "echo", "input": given, "user": "anna", **more})
    assert answer.status_code == status, answer.text
    return answer.json()


def text_of(response: Any) -> str:
    [message] = response["output"]
    text: str = message["content"][0]["text"]
    return text


async def test_an_answer_can_be_read_again_and_gone_on_with(client: httpx.AsyncClient) -> None:
    first = await respond(client, "一", instructions="Be kind.")
    second = await respond(client, [{"role": "user", "content": "二"}], previous_response_id=first["id"])

    assert (first["status"], text_of(first), text_of(second)) == ("completed", "2: 一", "3: 二")
    assert second["conversation_id"] == first["conversation_id"]
    read = (await client.get(f"/v1/responses/{first['id']}")).json()
    assert read == first | {"instructions": None}


async def test_the_events_of_a_stream_tell_the_whole_answer(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/responses", json={"model": "echo", "input": "hi", "stream": True})

    frames = [frame.split("\n") for frame in answer.text.split("\n\n") if frame and not frame.startswith(":")]
    events = [json.loads(data.removeprefix("data: ")) for _, data in frames]
    assert [name.removeprefix("event: ") for name, _ in frames] == [event["type"] for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = [event["type"].removeprefix("response.") for event in events]
    assert [kind for kind in kinds if kind != "output_text.delta"] == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *("output_text.done", "content_part.done", "output_item.done", "completed"),
    ]
    assert "".join(event["delta"] for event in events if event["type"].endswith("delta")) == "1: hi"
    assert text_of(events[-1]["response"]) == "1: hi"


async def test_an_answer_in_the_background_is_read_later_or_cancelled(client: httpx.AsyncClient, world: World) -> None:
    world.script.held.add("a")
    begun = await respond(client, "hi", background=True)
    going = (await client.get(f"/v1/responses/{begun['id']}")).json()
    cancelled = (await client.post(f"/v1/responses/{begun['id']}/cancel")).json()
    read = (await client.get(f"/v1/responses/{begun['id']}")).json()

    assert (begun["status"], begun["output"], going["status"]) == ("in_progress", [], "in_progress")
    assert "cancelled" in (cancelled["status"], read["status"])
    assert (await world.ended(begun["workflow_run_id"])).status == "stopped"


async def test_a_failed_run_has_its_error(client: httpx.AsyncClient, world: World) -> None:
    world.script.failing.add("a")
    refused = await respond(client, "hi", status=400)
    streamed = await client.post("/v1/responses", json={"model": "echo", "input": "hi", "stream": True})

    last = json.loads(streamed.text.rstrip().rpartition("data: ")[2])
    assert last["type"] == "response.failed"
    assert (last["response"]["status"], last["response"]["error"]) == ("failed", refused["error"])
    read = (await client.get(f"/v1/responses/{last['response']['id']}")).json()
    assert (read["status"], read["error"]["message"]) == ("failed", "a broke")


@pytest.mark.parametrize(
    "wrong",
    [
        {"input": [{"type": "function_call_output", "call_id": "1", "output": "x"}]},
        {"input": []},
        {"text": {"format": {"type": "json_schema"}}},
        {"tool_choice": {"type": "file_search"}},
        {"background": True, "stream": True},
    ],
)
async def test_what_cannot_be_answered_as_asked_is_refused(client: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    given: Any = {"input": "hi"} | wrong
    refused = await respond(client, given.pop("input"), 400, **given)

    assert refused["error"]["type"] == "invalid_request_error"
    assert refused["error"]["param"] is not None


async def test_another_apps_and_users_answers_are_none(client: httpx.AsyncClient, world: World) -> None:
    own = await respond(client, "mine", user="ben")
    other = await world.app("Other", [start("q"), end(out="start.q")], "start>end")
    async with client_of(world, other) as stranger:
        read = await stranger.get(f"/v1/responses/{own['id']}")
        cancelled = await stranger.post(f"/v1/responses/{own['id']}/cancel")

    assert (read.status_code, cancelled.status_code) == (404, 404)
    await respond(client, "hi", status=404, previous_response_id=own["id"])
    await respond(client, "hi", status=404, previous_response_id="resp_none")
    assert (await client.get("/v1/responses/none")).status_code == 404
