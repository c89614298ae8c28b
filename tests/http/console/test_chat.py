"""Conversations of chat apps."""

import httpx
import pytest
from msgspec.structs import replace

from jikko.ids import new_id
from tests.acceptance.workflows import app, node, start
from tests.http.console.scene import API, Scene, decoded
from tests.http.console.test_runs import ECHO, ended_or_paused

pytestmark = pytest.mark.anyio

VARIABLE = {"id": "0199a1b2-0000-7000-8000-0000000000b1", "name": "note", "value_type": "string", "value": "empty"}
CHAT = app(
    "Chat",
    [
        start(),
        node(
            "keep",
            "assigner",
            version="2",
            items=[
                {
                    "variable_selector": ["conversation", "note"],
                    "input_type": "variable",
                    "operation": "over-write",
                    "value": ["sys", "query"],
                    "write_mode": "over-write",
                }
            ],
        ),
        node("reply", "answer", answer="You said {{#sys.query#}}"),
    ],
    "start>keep>reply",
    mode="advanced-chat",
    conversation_variables=[VARIABLE],
)


async def test_a_conversation_goes_on_and_tells_what_became_of_its_variables(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    chat = await scene.publish(CHAT)
    first = decoded(await operator.post(f"{API}/apps/{chat.id}/messages", json={"query": "one"}), 202)
    run = await ended_or_paused(operator, first["run_id"])
    assert (run["status"], run["conversation_id"]) == ("succeeded", first["conversation_id"])
    scene.clock.now += 1
    body = {"query": "two", "conversation_id": first["conversation_id"]}
    second = decoded(await operator.post(f"{API}/apps/{chat.id}/messages", json=body), 202)
    await ended_or_paused(operator, second["run_id"])
    assert second["conversation_id"] == first["conversation_id"]
    [talk] = decoded(await viewer.get(f"{API}/apps/{chat.id}/conversations"))["data"]
    assert (talk["id"], talk["user"], talk["messages"]) == (first["conversation_id"], "console:script", 2)
    path = f"{API}/conversations/{talk['id']}"
    page = decoded(await viewer.get(f"{path}/messages", params={"limit": 1}))
    assert [(each["query"], each["answer"], each["status"]) for each in page["data"]] == [
        ("two", "You said two", "succeeded")
    ]
    rest = decoded(await viewer.get(f"{path}/messages", params={"cursor": page["next"]}))
    assert ([each["id"] for each in rest["data"]], rest["next"]) == ([first["message_id"]], None)
    now = decoded(await viewer.get(f"{path}/variables"))["data"]
    assert [(one["name"], one["after"]) for one in now] == [("note", "two")]
    then = decoded(await viewer.get(f"{path}/variables", params={"after_message": first["message_id"]}))["data"]
    assert then == [{"name": "note", "before": "empty", "after": "one", "changed_by": "keep"}]
    listed = decoded(await viewer.get(f"{API}/runs", params={"conversation": talk["id"]}))["data"]
    assert [each["id"] for each in listed] == [second["run_id"], first["run_id"]]
    assert (await operator.delete(path)).status_code == 204
    assert (await viewer.get(f"{path}/messages")).status_code == 404
    assert decoded(await viewer.get(f"{API}/apps/{chat.id}/conversations"))["data"] == []


async def test_conversations_come_in_pages_and_by_user(scene: Scene, operator: httpx.AsyncClient) -> None:
    chat = await scene.publish(CHAT)
    for at in range(5):
        scene.clock.now += 1
        body = {"query": f"{at}", "user": f"user-{at % 2}"}
        accepted = decoded(await operator.post(f"{API}/apps/{chat.id}/messages", json=body), 202)
        await ended_or_paused(operator, accepted["run_id"])
    path, seen, cursor = f"{API}/apps/{chat.id}/conversations", [], ""
    while cursor is not None:
        page = decoded(await operator.get(path, params={"limit": 2, "cursor": cursor}))
        seen += [talk["user"] for talk in page["data"]]
        cursor = page["next"]
    assert seen == ["user-0", "user-1", "user-0", "user-1", "user-0"]
    assert len(decoded(await operator.get(path, params={"user": "user-1"}))["data"]) == 2


async def test_a_message_that_no_run_answered_changed_no_variable(
    scene: Scene, operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    chat = await scene.publish(CHAT)
    asked = decoded(await operator.post(f"{API}/apps/{chat.id}/messages", json={"query": "one"}), 202)
    await ended_or_paused(operator, asked["run_id"])
    first = await scene.assembly.conversations.message_of_run(asked["run_id"])
    assert first is not None
    annotated = replace(first, id=new_id(), run_id=None, created_at=scene.clock.now + 1)
    await scene.assembly.conversations.add_turn(annotated)

    path = f"{API}/conversations/{asked['conversation_id']}/variables"
    shown = decoded(await viewer.get(path, params={"after_message": annotated.id}))

    assert shown["data"] == []


async def test_a_question_to_a_conversation_of_another_app_is_not_found_and_adds_nothing(
    scene: Scene, operator: httpx.AsyncClient
) -> None:
    chat, other = await scene.publish(CHAT), await scene.publish(CHAT.replace("Chat", "Another"))
    asked = decoded(await operator.post(f"{API}/apps/{chat.id}/messages", json={"query": "one", "user": "anna"}), 202)
    await ended_or_paused(operator, asked["run_id"])
    question = {"query": "two", "user": "anna", "conversation_id": asked["conversation_id"]}

    answer = await operator.post(f"{API}/apps/{other.id}/messages", json=question)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    messages = decoded(await operator.get(f"{API}/conversations/{asked['conversation_id']}/messages"))["data"]
    assert [message["query"] for message in messages] == ["one"]
    assert len(decoded(await operator.get(f"{API}/runs"))["data"]) == 1


async def test_a_wrong_question_is_refused(scene: Scene, operator: httpx.AsyncClient) -> None:
    chat, echo = await scene.publish(CHAT), await scene.publish(ECHO)
    path = f"{API}/apps/{chat.id}/messages"
    for body, status in (({}, 400), ({"query": ""}, 400), ({"query": 1}, 400), ({"query": "a", "inputs": 1}, 400)):
        assert (await operator.post(path, json=body)).status_code == status
    assert (await operator.post(path, json={"query": "a", "conversation_id": "x"})).status_code == 404
    assert (await operator.post(path, json={"query": "a", "conversation_id": chat.id})).status_code == 404
    assert (await operator.post(f"{API}/apps/{echo.id}/messages", json={"query": "a"})).status_code == 400
    assert (await operator.post(f"{API}/apps/{chat.id}/runs", json={"inputs": {}})).status_code == 400
    talk = decoded(await operator.post(path, json={"query": "a", "user": "anna"}), 202)["conversation_id"]
    other = {"query": "a", "conversation_id": talk, "user": "bert"}
    assert (await operator.post(path, json=other)).status_code == 409
    for wrong in ("messages?cursor=x", f"messages?cursor={talk}", "variables?after_message=x"):
        assert (await operator.get(f"{API}/conversations/{talk}/{wrong}")).status_code in (400, 404)
    assert (await operator.get(f"{API}/conversations/x/messages")).status_code == 404
