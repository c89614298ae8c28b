"""Turns: question, answer, and the resulting conversation."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.acceptance.workflows import node, start
from tests.runs.world import World, until

from .chats import LIST, NOTE, Chat, answer_of, chat_app, chat_with

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("world", ["memory", "disk"], indirect=True)]

ECHO = [start(), node("reply", "answer", answer="{{#sys.dialogue_count#}}: {{#sys.query#}} 🙂 \ue000")]
UNKNOWN = "0f0f0f0f-1111-4222-8333-444444444444"


@pytest.fixture
async def chat(world: World) -> AsyncIterator[Chat]:
    app = await chat_app(world, ECHO, "start>reply")
    async with chat_with(world, app) as chat:
        yield chat


async def test_a_question_is_answered_in_one_piece(chat: Chat) -> None:
    answer = (await chat.ask("今日は？")).json()

    assert answer["event"] == "message"
    assert answer["mode"] == "advanced-chat"
    assert answer["answer"] == "1: 今日は？ 🙂 \ue000"
    assert answer["id"] == answer["message_id"]
    assert answer["metadata"]["usage"]["total_tokens"] == 0
    assert answer["metadata"]["retriever_resources"] == []


async def test_or_as_a_stream(chat: Chat) -> None:
    events = await chat.stream("hi")

    assert answer_of(events) == "1: hi 🙂 \ue000"
    assert [event["event"] for event in events if "node" not in event["event"]] == [
        "workflow_started",
        *["message"] * 4,
        "message_end",
        "workflow_finished",
    ]
    assert len({(event["conversation_id"], event["message_id"], event["task_id"]) for event in events}) == 1
    assert events[0]["data"]["inputs"]["sys.query"] == "hi"
    assert not {"sys.conversation_id", "sys.timestamp"} & events[0]["data"]["inputs"].keys()


async def test_or_at_once_with_a_promise(chat: Chat) -> None:
    accepted = await chat.ask("hi", response_mode="async")

    assert accepted.status_code == 202
    chat.conversation_id = accepted.json()["conversation_id"]
    detail = await chat.client.get(accepted.headers["location"])
    assert detail.json()["id"] == accepted.json()["workflow_run_id"]


async def test_turns_of_one_conversation_are_counted_and_kept(chat: Chat) -> None:
    for query in ("a", "b", "c"):
        await chat.ask(query)

    assert [(one["query"], one["answer"][:4]) for one in await chat.messages()] == [
        ("a", "1: a"),
        ("b", "2: b"),
        ("c", "3: c"),
    ]
    assert [one["id"] for one in await chat.conversations()] == [chat.conversation_id]


@pytest.mark.parametrize("conversation_id", ["", None, UNKNOWN], ids=["empty", "null", "unknown"])
async def test_without_a_conversation_a_new_one_begins(chat: Chat, conversation_id: str | None) -> None:
    first = (await chat.ask("a")).json()["conversation_id"]

    second = (await chat.ask("b", conversation_id=conversation_id)).json()["conversation_id"]

    assert second not in (first, UNKNOWN)


async def test_a_conversation_is_of_one_end_user(chat: Chat) -> None:
    await chat.ask("a")
    other = Chat(chat.client, "berta")
    other.conversation_id = chat.conversation_id

    assert (await other.client.get("/v1/messages", params=other.body(""))).status_code == 404
    await other.ask("b")

    assert other.conversation_id != chat.conversation_id
    assert len(await chat.messages()) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"query": None},
        {"query": 5},
        {"inputs": None},
        {"inputs": []},
        {"files": "x"},
        {"files": ["x"]},
        {"conversation_id": "abc"},
        {"conversation_id": 5},
        {"auto_generate_name": "perhaps"},
        {"auto_generate_name": None},
        {"response_mode": "slow"},
    ],
    ids=str,
)
@pytest.mark.parametrize("mode", ["blocking", "streaming"])
async def test_a_wrong_request_is_refused_and_leaves_nothing(chat: Chat, wrong: dict[str, Any], mode: str) -> None:
    answer = await chat.ask("q", **({"response_mode": mode} | wrong))

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param")
    assert await chat.conversations() == []


async def test_an_empty_question_is_refused_in_the_stream_if_one_was_asked_for(chat: Chat) -> None:
    refused = await chat.ask("")
    events = await chat.stream("\x00")

    assert (refused.status_code, refused.json()["message"]) == (400, "query is required")
    assert [event["event"] for event in events] == ["workflow_started", "workflow_finished"]
    assert events[1]["data"]["error"] == "query is required"
    assert await chat.conversations() == []


async def test_a_conversation_is_called_by_its_first_question(chat: Chat) -> None:
    await chat.ask("x" * 20)
    await chat.ask("y" * 21, conversation_id="")

    assert [one["name"] for one in await chat.conversations(sort_by="created_at")] == ["x" * 20, "y" * 20 + "…"]


async def test_it_has_the_inputs_of_its_first_turn_and_each_message_its_own(world: World) -> None:
    nodes = [start("topic"), node("reply", "answer", answer="{{#start.topic#}}")]
    features = {"opening_statement": "Ask me about {{topic}} or {{nothing}}."}
    app = await chat_app(world, nodes, "start>reply", features=features)
    async with chat_with(world, app) as chat:
        await chat.ask("a", inputs={"topic": "海"})
        await chat.ask("b", inputs={"topic": "山", "undeclared": 1})
        await chat.ask("c")

        [conversation] = await chat.conversations()
        assert conversation["introduction"] == "Ask me about 海 or {nothing}."
        assert conversation["inputs"] == {"topic": "海"}
        assert [one["inputs"]["topic"] for one in await chat.messages()] == ["海", "山", None]
        assert [one["answer"] for one in await chat.messages()] == ["海", "山", ""]


async def test_variables_are_kept_between_turns(world: World) -> None:
    keep = node(
        "keep",
        "assigner",
        version="2",
        items=[
            assignment("note", "over-write", ["sys", "query"]),
            assignment("list", "append", ["sys", "query"]),
        ],
    )
    nodes = [start(), keep, node("reply", "answer", answer="{{#conversation.list#}}")]
    app = await chat_app(world, nodes, "start>keep>reply", conversation_variables=[NOTE, LIST])
    async with chat_with(world, app) as chat:
        await chat.ask("赤 🟥")
        assert (await chat.ask("青")).json()["answer"] == "- 赤 🟥\n- 青"

        assert await chat.variables() == {"note": "青", "list": "['赤 🟥', '青']"}
        path = f"/v1/conversations/{chat.conversation_id}/variables/{LIST['id']}"
        answer = await chat.client.put(path, json={"value": ["x"], "user": "anna"})
        assert answer.json()["value"] == "['x']"
        assert (await chat.ask("y")).json()["answer"] == "- x\n- y"

        # Another conversation begins with those of the file.
        assert (await chat.ask("z", conversation_id="")).json()["answer"] == "- z"


async def test_what_was_assigned_stays_though_the_turn_fails(world: World) -> None:
    keep = node("keep", "assigner", version="2", items=[assignment("note", "over-write", ["sys", "query"])])
    nodes = [start(), keep, node("work", "code", value=1), node("reply", "answer", answer="{{#work.value#}}")]
    app = await chat_app(world, nodes, "start>keep>work>reply", conversation_variables=[NOTE])
    world.script.failing.add("work")
    async with chat_with(world, app) as chat:
        failed = await chat.ask("a")
        events = await chat.stream("b")

        assert failed.json() == {"code": "invalid_param", "message": "Run failed: work broke", "status": 400}
        assert [event["event"] for event in events][-1] == "workflow_finished"
        assert await chat.variables() == {"note": "b"}
        [message] = await chat.messages()
        assert (message["status"], message["error"], message["answer"]) == ("error", "Run failed: work broke", "")


async def test_a_deleted_conversation_is_gone_at_once_though_a_turn_goes_on(world: World) -> None:
    keep = node("keep", "assigner", version="2", items=[assignment("note", "over-write", ["sys", "query"])])
    nodes = [start(), node("work", "code", value=1), keep, node("reply", "answer", answer="done")]
    app = await chat_app(world, nodes, "start>work>keep>reply", conversation_variables=[NOTE])
    async with chat_with(world, app) as chat:
        await chat.ask("a")
        world.script.held.add("work")
        run = (await chat.ask("b", response_mode="async")).json()["workflow_run_id"]

        path = f"/v1/conversations/{chat.conversation_id}"
        deleted = await chat.client.request("DELETE", path, json={"user": "anna"})
        world.script.release("work")
        await world.ended(run)

        assert (deleted.status_code, deleted.content) == (204, b"")
        assert await chat.conversations() == []
        query = {"user": "anna", "conversation_id": chat.conversation_id}
        assert (await chat.client.get("/v1/messages", params=query)).status_code == 404
        assert (await chat.client.get(f"{path}/variables", params=query)).status_code == 404
        assert (await chat.client.request("DELETE", path, json={"user": "anna"})).status_code == 404


async def test_a_stopped_answer_keeps_what_was_said(world: World) -> None:
    nodes = [
        start(),
        node("first", "answer", answer="始め。"),
        node("work", "code", value=1),
        node("second", "answer", answer="{{#work.value#}} 終わり"),
    ]
    app = await chat_app(world, nodes, "start>first>work>second")
    world.script.held.add("work")
    async with chat_with(world, app) as chat:
        started = (await chat.ask("go", response_mode="async")).json()
        chat.conversation_id = started["conversation_id"]
        await until(lambda: world.script.ran["work"] == 1)
        [under_way] = await chat.messages()

        stop = await chat.client.post(f"/v1/chat-messages/{started['task_id']}/stop", json={"user": "whoever"})

        assert (under_way["answer"], under_way["status"]) == ("", "normal")
        assert stop.json() == {"result": "success"}
        assert (await world.ended(started["workflow_run_id"])).status == "stopped"
        [message] = await chat.messages()
        assert (message["answer"], message["status"], message["error"]) == ("始め。", "normal", None)


@pytest.mark.parametrize("mode", ["blocking", "streaming"])
async def test_an_earlier_version_answers_if_it_is_asked(world: World, mode: str) -> None:
    """What it refuses while it streams is told as a run of that version."""
    needed = start("word", required=True)
    first = await chat_app(world, [needed, node("reply", "answer", answer="first")], "start>reply")
    await chat_app(world, [start(), node("reply", "answer", answer="second")], "start>reply")
    async with chat_with(world, first) as chat:

        async def texts(**more: Any) -> str:
            answer = await chat.ask("hi", response_mode=mode, **more)
            return answer.text

        assert '"answer":"second"' in await texts()
        assert '"answer":"first"' in await texts(workflow_id=first.workflow_id, inputs={"word": "a"})
        refused = await texts(workflow_id=first.workflow_id)
        unknown = await chat.ask("hi", response_mode=mode, workflow_id=UNKNOWN)

    assert "word is required" in refused
    assert (f'"workflow_id":"{first.workflow_id}"' in refused) == (mode == "streaming")
    assert unknown.status_code == 404


async def test_the_same_key_asks_once(chat: Chat) -> None:
    body = chat.body("a")
    headers = {"Idempotency-Key": "k"}

    answers = [await chat.client.post("/v1/chat-messages", json=body, headers=headers) for _ in range(2)]

    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert len(await chat.conversations()) == 1


async def test_the_run_behind_a_message_can_be_read(chat: Chat) -> None:
    events = await chat.stream("hi")
    run = f"/v1/workflows/run/{events[0]['workflow_run_id']}"

    detail = (await chat.client.get(run)).json()
    nodes = (await chat.client.get(f"{run}/node-executions")).json()["data"]
    log = (await chat.client.get(f"{run}/events")).json()["data"]
    logs = (await chat.client.get("/v1/workflows/logs")).json()

    assert (detail["status"], detail["outputs"]["answer"]) == ("succeeded", "1: hi 🙂 \ue000")
    assert [execution["node_id"] for execution in nodes] == ["start", "reply"]
    assert log[0]["turn"]["conversation_id"] == chat.conversation_id
    assert (logs["total"], logs["data"]) == (0, [])


def assignment(name: str, operation: str, value: Any) -> dict[str, Any]:
    selector = ["conversation", name]
    return {"variable_selector": selector, "operation": operation, "input_type": "variable", "value": value}
