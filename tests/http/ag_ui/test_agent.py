"""App as an AG-UI agent. With its client: ``tests/acceptance/test_ag_ui_client.py``."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from jikko.repositories.app_store import App
from tests.acceptance.workflows import end, form, node, start
from tests.conversations.chats import NOTE, chat_app
from tests.http.scene import client_of
from tests.runs.world import PATIENCE, World, until

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("world", ["memory", "disk"], indirect=True)]

ECHO = [start(), node("reply", "answer", answer="{{#sys.dialogue_count#}}: {{#sys.query#}} 🙂 \ue000")]
OTHER = "0f0f0f0f-1111-4222-8333-444444444444"
ASKS = [start(), form("ask", "承認しますか？"), node("reply", "answer", answer="ok: {{#ask.comment#}}")]


@pytest.fixture
async def app(world: World) -> App:
    return await chat_app(world, ECHO, "start>reply", name="Echo 日本")


def body(*messages: Any, thread: str = "t", run: str = "r", user: str = "anna", **more: Any) -> dict[str, Any]:
    """A request; a text is a message of the user, a pair one of a role."""
    said = [
        {"id": str(number), "role": "user", "content": one}
        if isinstance(one, str)
        else {"id": str(number), "role": one[0], "content": one[1]}
        for number, one in enumerate(messages)
    ]
    props = {"user": user, **more.pop("props", {})}
    return {"threadId": thread, "runId": run, "messages": said, "tools": [], "forwardedProps": props, **more}


def events_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(part.removeprefix("data: ")) for part in text.split("\n\n") if part.startswith("data: ")]


async def run(client: httpx.AsyncClient, *messages: Any, app: str = "chat", **more: Any) -> list[dict[str, Any]]:
    answer = await client.post(f"/ag-ui/{app}", json=body(*messages, **more))
    assert answer.status_code == 200, answer.text
    return events_of(answer.text)


def said(events: list[dict[str, Any]]) -> str:
    return "".join(event["delta"] for event in events if event["type"] == "TEXT_MESSAGE_CONTENT")


async def refused(client: httpx.AsyncClient, given: Any, status: int, app: str = "echo-日本") -> str:
    answer = await client.post(f"/ag-ui/{app}", json=given)
    assert answer.status_code == status, answer.text
    message: str = answer.json()["message"]
    return message


def resumed(token: str, status: str = "resolved", **payload: Any) -> list[dict[str, Any]]:
    return [{"interruptId": token, "status": status, **({"payload": payload} if payload else {})}]


async def test_a_run_is_told_from_its_start_to_its_end(client: httpx.AsyncClient) -> None:
    events = await run(client, "赤 🟥", app="echo-日本")

    assert events[0] == {"type": "RUN_STARTED", "threadId": "t", "runId": "r", "protocolVersion": "1.0"}
    assert [event["stepName"] for event in events if event["type"] == "STEP_STARTED"] == ["start", "reply"]
    assert said(events) == "1: 赤 🟥 🙂 \ue000"
    end = events[-1]
    assert (end["type"], end["runId"], end["outcome"]) == ("RUN_FINISHED", "r", {"type": "success"})
    [started, *_] = [event for event in events if event["type"] == "TEXT_MESSAGE_START"]
    assert started["messageId"] == end["result"]["message_id"]
    opened, closed = ([event["stepName"] for event in events if event["type"] == kind] for kind in STEPS)
    assert sorted(opened) == sorted(closed)


STEPS = ("STEP_STARTED", "STEP_FINISHED")


async def test_a_thread_is_a_conversation_of_its_user(client: httpx.AsyncClient) -> None:
    first = await run(client, "一", app="echo-日本")
    second = await run(client, "一", ("assistant", "x"), "二", app="echo-日本", run="r2")
    others = await run(client, "三", app="echo-日本", user="bert")
    conversation = first[-1]["result"]["conversation_id"]
    by_id = await run(client, "四", app="echo-日本", thread=conversation.upper())
    by_id_of_another = await run(client, "五", app="echo-日本", thread=conversation, user="bert")

    assert [said(events)[0] for events in (first, second, by_id)] == ["1", "2", "3"]
    assert {events[-1]["result"]["conversation_id"] for events in (first, second, by_id)} == {conversation}
    assert [said(others)[0], said(by_id_of_another)[0]] == ["1", "1"]
    assert others[-1]["result"]["conversation_id"] != conversation
    assert by_id_of_another[-1]["result"]["conversation_id"] not in (
        conversation,
        others[-1]["result"]["conversation_id"],
    )


async def test_two_first_runs_of_a_thread_at_once_are_one_conversation(client: httpx.AsyncClient) -> None:
    found = await asyncio.gather(*(run(client, "同時", app="echo-日本", run=str(number)) for number in range(5)))

    assert {events[-1]["type"] for events in found} == {"RUN_FINISHED"}
    [conversation] = {events[-1]["result"]["conversation_id"] for events in found}
    kept = await client.get("/v1/messages", params={"user": "anna", "conversation_id": conversation})
    assert len(kept.json()["data"]) == 5


async def test_what_was_said_before_is_the_memory_of_a_new_conversation_only(client: httpx.AsyncClient) -> None:
    before = [("system", "Be kind."), "一", ("assistant", "ONE"), ("tool", "42"), ("reasoning", "hm"), "二"]

    events = await run(client, *before, app="echo-日本")

    assert said(events).startswith("3: 二")
    conversation = events[-1]["result"]["conversation_id"]
    kept = await client.get("/v1/messages", params={"user": "anna", "conversation_id": conversation})
    assert [one["query"] for one in kept.json()["data"]] == ["Be kind.", "一", "二"]


async def test_the_state_is_that_of_the_conversations_variables(world: World) -> None:
    item = {"variable_selector": ["conversation", "note"], "operation": "over-write", "input_type": "variable"}
    nodes = [
        start(),
        node("keep", "assigner", version="2", items=[{**item, "value": ["sys", "query"]}]),
        node("reply", "answer", answer="ok"),
    ]
    app = await chat_app(world, nodes, "start>keep>reply", conversation_variables=[NOTE])
    async with client_of(world, app) as client:
        first, second = await run(client, "赤 🟥"), await run(client, "青")

    told = [event for event in first if event["type"].startswith("STATE_")]
    assert told == [
        {"type": "STATE_SNAPSHOT", "snapshot": {"note": ""}},
        {"type": "STATE_DELTA", "delta": [{"op": "add", "path": "/note", "value": "赤 🟥"}]},
    ]
    assert {"type": "STATE_SNAPSHOT", "snapshot": {"note": "赤 🟥"}} in second


async def test_a_run_that_waits_for_a_human_is_interrupted_and_goes_on_with_the_answer(world: World) -> None:
    app = await chat_app(world, ASKS, "start>ask ask:yes>reply")
    async with client_of(world, app) as client:
        events = await run(client, "hi")
        waiting = await refused(client, body("again"), 409, app="chat")
        [interrupt] = events[-1]["outcome"]["interrupts"]
        given = body("hi", run="r2", resume=resumed(interrupt["id"], action="yes", inputs={"comment": "gut 👍"}))
        goes_on = events_of((await client.post("/ag-ui/chat", json=given)).text)
        again = events_of((await client.post("/ag-ui/chat", json=given)).text)

    assert (interrupt["reason"], interrupt["message"]) == ("human_input", "承認しますか？")
    schema = interrupt["responseSchema"]["properties"]
    assert schema["inputs"] == {
        "type": "object",
        "properties": {"comment": {"type": "string"}},
        "required": ["comment"],
    }
    assert [each["const"] for each in schema["action"]["oneOf"]] == ["yes", "no"]
    assert "form" in waiting
    assert (goes_on[0]["type"], goes_on[0]["runId"], said(goes_on)) == ("RUN_STARTED", "r2", "ok: gut 👍")
    assert goes_on[-1]["outcome"] == {"type": "success"}
    # The client of a connection that broke off asks once more.
    assert said(again) == said(goes_on)


async def test_an_interrupt_that_is_abandoned_ends_the_run(world: World) -> None:
    app = await chat_app(world, ASKS, "start>ask ask:yes>reply")
    async with client_of(world, app) as client:
        [interrupt] = (await run(client, "hi"))[-1]["outcome"]["interrupts"]
        found = [await run(client, "hi", resume=resumed(interrupt["id"], "cancelled")) for _ in range(2)]

    assert [events[-1]["outcome"] for events in found] == [{"type": "cancelled"}] * 2


async def test_two_forms_are_answered_together_or_one_by_one(world: World) -> None:
    nodes = [
        start(),
        form("one", "1?"),
        form("two", "2?"),
        node("reply", "answer", answer="{{#one.comment#}}{{#two.comment#}}"),
    ]
    app = await chat_app(world, nodes, "start>one start>two one:yes>reply two:yes>reply")
    async with client_of(world, app) as client:
        both, each = await run(client, "hi"), await run(client, "hi", thread="u")
        tokens = [[one["id"] for one in events[-1]["outcome"]["interrupts"]] for events in (both, each)]
        answers = [resumed(token, action="yes", inputs={"comment": "x"})[0] for token in tokens[0]]
        together = await run(client, "hi", resume=answers)
        halfway = await run(
            client, "hi", thread="u", resume=resumed(tokens[1][0], action="yes", inputs={"comment": "a"})
        )
        left = [one["id"] for one in halfway[-1]["outcome"]["interrupts"]]
        whole = await run(client, "hi", thread="u", resume=resumed(left[0], action="yes", inputs={"comment": "b"}))

    assert together[-1]["outcome"] == {"type": "success"}
    assert left == [tokens[1][1]]
    assert whole[-1]["outcome"] == {"type": "success"}


async def test_a_wrong_answer_to_an_interrupt_is_refused_and_the_form_stays_open(world: World) -> None:
    app = await chat_app(world, ASKS, "start>ask ask:yes>reply")
    other = await chat_app(world, ECHO, "start>reply", name="Other")
    async with client_of(world, app) as client, client_of(world, other) as stranger:
        [interrupt] = (await run(client, "hi"))[-1]["outcome"]["interrupts"]
        token = interrupt["id"]
        right = resumed(token, action="yes", inputs={"comment": "x"})
        messages = [
            await refused(
                client, body("hi", resume=resumed(token, action="maybe", inputs={"comment": "x"})), 400, "chat"
            ),
            await refused(client, body("hi", resume=resumed(token, action="yes")), 400, "chat"),
            await refused(client, body("hi", resume=resumed(token)), 400, "chat"),
            await refused(client, body("hi", resume=resumed("no token", action="yes")), 404, "chat"),
            await refused(client, body("hi", user="bert", resume=right), 404, "chat"),
            await refused(stranger, body("hi", resume=right), 404, "other"),
        ]
        events = await run(client, "hi", resume=right)
        late = await refused(
            client, body("hi", resume=resumed(token, action="no", inputs={"comment": "x"})), 412, "chat"
        )

    assert messages[0] == "Invalid action: maybe"
    assert "resume[0].payload" in messages[2]
    assert events[-1]["outcome"] == {"type": "success"}
    assert "already been submitted" in late


async def test_a_workflow_answers_with_its_outputs(world: World) -> None:
    app = await world.app("Work", [start("q"), end(a="start.q")], "start>end")
    async with client_of(world, app) as client:
        events = await run(client, "赤", app="work")
        named = await run(client, "x", app="work", props={"inputs": {"q": "青"}})

    assert (said(events), events[-1]["result"]["outputs"]) == ("赤", {"a": "赤"})
    assert said(named) == "青"
    assert "conversation_id" not in events[-1]["result"]


async def test_a_failed_run_is_an_error_and_a_stopped_one_is_cancelled(world: World) -> None:
    app = await world.chain("Chain", "a")
    world.script.failing.add("a")
    async with client_of(world, app) as client:
        failed = await run(client, "hi", app="chain")
        world.script.failing.clear()
        world.script.held.add("a")
        held = asyncio.create_task(run(client, "hi", app="chain"))
        await until(lambda: world.script.ran["a"] == 2)
        entries: list[Any] = []
        async with asyncio.timeout(PATIENCE):
            while len(entries) < 2:
                entries = (await client.get("/v1/workflows/logs")).json()["data"]
        [entry] = [one for one in entries if one["workflow_run"]["status"] == "running"]
        await client.post(f"/v1/workflows/run/{entry['workflow_run']['id']}/stop", json={"user": "anna"})
        stopped = await held

    assert failed[-1] == {"type": "RUN_ERROR", "message": "a broke", "code": "run_failed"}
    assert stopped[-1]["outcome"] == {"type": "cancelled"}
    opened, closed = ([event["stepName"] for event in stopped if event["type"] == kind] for kind in STEPS)
    assert sorted(opened) == sorted(closed)


async def test_the_thoughts_of_a_model_are_reasoning(world: World) -> None:
    nodes = [start(), node("a", "code", value="said"), node("r", "answer", answer="{{#a.text#}}{{#a.value#}}")]
    app = await chat_app(world, nodes, "start>a>r")
    world.script.thinks["a"] = "hm"
    async with client_of(world, app) as client:
        events = await run(client, "q")

    assert [event["delta"] for event in events if event["type"] == "REASONING_MESSAGE_CHUNK"] == ["hm"]


@pytest.mark.parametrize(
    ("wrong", "status", "where"),
    [
        ({"threadId": None}, 400, "threadId"),
        ({"threadId": ""}, 400, "threadId"),
        ({"threadId": "x" * 300}, 400, "threadId"),
        ({"runId": 7}, 400, "runId"),
        ({"messages": "hi"}, 400, "messages"),
        ({"messages": [7]}, 400, "messages"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, 400, "messages"),
        ({"messages": [{"role": "user", "content": 7}]}, 400, "messages"),
        ({"messages": [{"role": "user", "content": [7]}]}, 400, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": 7}]}]}, 400, "source"),
        ({"messages": [{"role": "user", "content": "x"}] * 2001}, 400, "messages"),
        ({"forwardedProps": [7]}, 400, "forwardedProps"),
        ({"forwardedProps": {"inputs": 7}}, 400, "inputs"),
        ({"forwardedProps": {"user": ["x"]}}, 400, "user"),
        ({"resume": [{"interruptId": "x", "status": "maybe"}]}, 400, "resume[0].status: cannot be 'maybe'"),
        ({"messages": [{"role": "user", "content": []}]}, 400, "messages: the last one is empty"),
        (
            {"resume": [{"interruptId": "x", "status": "cancelled"}, {"interruptId": "y" * 43, "status": "cancelled"}]},
            400,
            "resume",
        ),
    ],
)
async def test_what_cannot_be_asked_is_refused_with_its_field(
    client: httpx.AsyncClient, wrong: dict[str, Any], status: int, where: str
) -> None:
    assert where in await refused(client, body("hi") | wrong, status)


async def test_an_app_that_takes_no_files_refuses_them(client: httpx.AsyncClient) -> None:
    part = {"type": "image", "source": {"type": "data", "value": "iVBORw0KGgo=", "mimeType": "image/png"}}

    assert "takes no files" in await refused(client, body(("user", [{"type": "text", "text": "見て"}, part])), 400)


async def test_a_key_opens_no_other_app(world: World, client: httpx.AsyncClient) -> None:
    await chat_app(world, ECHO, "start>reply", name="Other")

    assert "does not open agent 'other'" in await refused(client, body("hi"), 404, app="other")
    no_key = await client.post("/ag-ui/echo-日本", json=body("hi"), headers={"Authorization": "Bearer app-wrong"})
    assert (no_key.status_code, no_key.json()["code"]) == (401, "unauthorized")


async def test_too_many_requests_are_refused(world: World, app: App) -> None:
    async with client_of(world, app, requests_per_minute=1) as client:
        await run(client, "hi", app="echo-日本")
        answer = await client.post("/ag-ui/echo-日本", json=body("hi"))

    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


async def test_the_same_request_with_a_key_is_one_run(client: httpx.AsyncClient) -> None:
    first, second = [
        await client.post("/ag-ui/echo-日本", json=body("once"), headers={"Idempotency-Key": "k"}) for _ in range(2)
    ]

    assert events_of(first.text)[-1]["result"] == events_of(second.text)[-1]["result"]
    assert second.headers["idempotency-replayed"] == "true"
