"""Turns that wait for forms: visible to every kind of request, but not to other users and apps."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.acceptance.workflows import node, start
from tests.http.scene import client_of
from tests.runs.world import World

from .chats import Chat, chat_app, chat_with, events_of

pytestmark = pytest.mark.anyio


def form(node_id: str) -> dict[str, Any]:
    return node(
        node_id,
        "human-input",
        form_content="{{#sys.query#}}? {{#$output.word#}}",
        inputs=[{"type": "paragraph", "output_variable_name": "word"}],
        user_actions=[{"id": "ok", "title": "はい"}, {"id": "no", "title": "いいえ"}],
        timeout=1,
        timeout_unit="hour",
        delivery_methods=[{"id": "w", "type": "webapp", "enabled": True}],
    )


@pytest.fixture
async def chat(world: World) -> AsyncIterator[Chat]:
    nodes = [
        start(),
        node("first", "answer", answer="待って。"),
        form("one"),
        form("two"),
        node("last", "answer", answer="{{#one.word#}} {{#two.__action_id#}}!"),
    ]
    app = await chat_app(world, nodes, "start>first>one one:ok>two two:ok>last two:no>last")
    async with chat_with(world, app) as chat:
        yield chat


async def submit(chat: Chat, token: str, action: str = "ok", **inputs: str) -> Any:
    body = {"inputs": inputs, "action": action, "user": chat.user}
    return await chat.client.post(f"/v1/form/human_input/{token}", json=body)


async def test_a_question_that_is_asked_in_one_piece_is_told_what_it_waits_for(world: World, chat: Chat) -> None:
    paused = (await chat.ask("よい", response_mode="blocking")).json()

    data = paused["data"]
    [reason] = data["reasons"]
    assert (paused["event"], paused["mode"], paused["answer"]) == ("workflow_paused", "advanced-chat", "待って。")
    assert paused["id"] == paused["message_id"] == data["id"] == data["message_id"]
    assert data["workflow_run_id"] == paused["workflow_run_id"]
    assert data["conversation_id"] == paused["conversation_id"] == chat.conversation_id
    assert (data["status"], data["answer"], data["paused_nodes"]) == ("paused", "待って。", ["one"])
    assert (reason["TYPE"], reason["node_id"]) == ("human_input_required", "one")
    assert data["total_tokens"] == 0
    assert data["total_steps"] == 3

    assert (await submit(chat, reason["form_token"], word="鳥")).status_code == 200
    run = paused["workflow_run_id"]
    await world.until(run, lambda record: record.status == "paused" and record.total_steps > 3)
    [waiting] = await chat.messages()
    tokens = [content["form_definition"]["form_token"] for content in waiting["extra_contents"]]
    assert tokens[0] is None
    assert (await submit(chat, tokens[1], "no", word="x")).status_code == 200
    await world.ended(run)
    [answered] = await chat.messages()
    assert (answered["status"], answered["answer"]) == ("normal", "待って。鳥 no!")


async def test_who_comes_while_it_waits_is_told_the_answer_so_far_and_the_form(chat: Chat) -> None:
    paused = (await chat.ask("よい")).json()

    received = events_of(
        (
            await chat.client.get(
                f"/v1/workflow/{paused['workflow_run_id']}/events",
                params={"user": chat.user, "include_state_snapshot": "true"},
            )
        ).text
    )

    names = [event["event"] for event in received]
    assert names[:2] == ["workflow_started", "message_replace"]
    assert names[-2:] == ["human_input_required", "workflow_paused"]
    assert received[1]["answer"] == "待って。"
    assert {event["conversation_id"] for event in received} == {chat.conversation_id}
    ends = {
        event["data"]["node_id"]: event["data"]["status"] for event in received if event["event"] == "node_finished"
    }
    assert ends == {"start": "succeeded", "first": "succeeded", "one": "paused"}
    outputs = received[-1]["data"]["outputs"]
    assert outputs == {"answer": "待って。", "files": {"value_type": "array[file]", "value": []}}
    asked = received[-2]["data"]
    assert asked["form_content"] == "{{#sys.query#}}? {{#$output.word#}}"  # as the file has it, as in Dify
    assert asked["form_token"] == paused["data"]["reasons"][0]["form_token"]


async def test_a_form_tells_all_that_is_to_be_filled_in_and_is_filled_in_once(chat: Chat) -> None:
    paused = (await chat.ask("猫")).json()
    token = paused["data"]["reasons"][0]["form_token"]

    form = (await chat.client.get(f"/v1/form/human_input/{token}")).json()

    assert form["form_content"] == "猫? {{#$output.word#}}"
    assert [action["id"] for action in form["user_actions"]] == ["ok", "no"]
    assert [each["output_variable_name"] for each in form["inputs"]] == ["word"]
    assert form["resolved_default_values"] == {}
    assert form["expiration_time"] == 1_800_000_000 + 3600
    for action, inputs in (("maybe", {"word": "x"}), ("ok", {})):
        refused = await submit(chat, token, action, **inputs)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_form_data"), refused.text
    assert (await submit(chat, token, word="x")).status_code == 200
    again = await submit(chat, token, word="y")
    read = await chat.client.get(f"/v1/form/human_input/{token}")
    assert [(each.status_code, each.json()["code"]) for each in (again, read)] == [
        (412, "human_input_form_submitted"),
        (412, "human_input_form_submitted"),
    ]


async def test_a_form_whose_time_is_up_takes_nothing(world: World, chat: Chat) -> None:
    token = (await chat.ask("猫")).json()["data"]["reasons"][0]["form_token"]
    world.now += 3599
    assert (await chat.client.get(f"/v1/form/human_input/{token}")).status_code == 200
    world.now += 1

    late = [await chat.client.get(f"/v1/form/human_input/{token}"), await submit(chat, token, word="x")]

    assert [(each.status_code, each.json()["code"]) for each in late] == [(412, "human_input_form_expired")] * 2


async def test_another_app_sees_neither_form_nor_run_nor_conversation(world: World, chat: Chat) -> None:
    paused = (await chat.ask("猫")).json()
    token, run = paused["data"]["reasons"][0]["form_token"], paused["workflow_run_id"]
    other = await chat_app(world, [start(), node("a", "answer", answer="x")], "start>a", "Other")
    async with client_of(world, other) as stranger:
        own = Chat(stranger, chat.user)
        await own.ask("hi")  # it has runs and conversations of its own
        found = [
            await stranger.get(f"/v1/form/human_input/{token}"),
            await submit(own, token, word="x"),
            await stranger.get(f"/v1/workflow/{run}/events", params={"user": chat.user}),
            await stranger.get(
                "/v1/messages", params={"user": chat.user, "conversation_id": paused["conversation_id"]}
            ),
            await stranger.post(
                f"/v1/conversations/{paused['conversation_id']}/name", json={"name": "x", "user": chat.user}
            ),
            await stranger.get(f"/v1/conversations/{paused['conversation_id']}/variables?user={chat.user}"),
            await stranger.request(
                "DELETE", f"/v1/conversations/{paused['conversation_id']}", json={"user": chat.user}
            ),
        ]
        stopped = await stranger.post(f"/v1/chat-messages/{paused['task_id']}/stop", json={"user": chat.user})

    assert [each.status_code for each in found] == [404] * 7
    assert stopped.status_code == 200  # as in Dify, whatever the id is
    record = await world.store.record(run)
    assert record is not None
    assert record.status == "paused"
    assert len(await chat.messages()) == 1
