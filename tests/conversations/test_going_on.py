"""Turns that are interrupted, repeated, answered beside each other, or answered by no run."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from jikko.apps.versions import Workflow
from jikko.conversations.hooks import HookReply, Hooks, UserQuery
from jikko.ports.stores.messages import AnnotationReply, Conversation, Message
from jikko.repositories.app_store import App
from tests.acceptance.workflows import node, start
from tests.runs.world import World, until

from .chats import LIST, NOTE, Chat, answer_of, chat_app, chat_with, events_of

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("world", ["memory", "disk"], indirect=True)]


def assign(node_id: str, name: str, operation: str, value: list[str]) -> dict[str, Any]:
    selector = ["conversation", name]
    item = {"variable_selector": selector, "operation": operation, "input_type": "variable", "value": value}
    return node(node_id, "assigner", version="2", items=[item])


async def remembering(world: World, **workflow: Any) -> App:
    """A chat that notes the question, works, and tells the note and the list."""
    nodes = [
        start(),
        assign("note", "note", "over-write", ["sys", "query"]),
        node("work", "code", value="仕事"),
        assign("list", "list", "append", ["sys", "query"]),
        node("reply", "answer", answer="始 {{#work.value#}} {{#conversation.note#}} {{#conversation.list#}}"),
    ]
    edges = "start>note>work>list>reply"
    return await chat_app(world, nodes, edges, conversation_variables=[NOTE, LIST], **workflow)


async def test_a_turn_whose_process_dies_is_answered_whole_by_the_next(world: World) -> None:
    app, process = await remembering(world), world.process()
    async with chat_with(world, app, process) as chat:
        world.script.held.add("work")
        run = (await chat.ask("山 🗻", response_mode="async")).json()
        chat.conversation_id = run["conversation_id"]
        await until(lambda: world.script.ran["work"] == 1)
        # What the assigner before it wrote is there already.
        assert await chat.variables() == {"note": "山 🗻", "list": "[]"}
        await process.die()

    after = world.process()
    await after.runs.control.take_over()
    world.script.release("work")
    await world.ended(run["workflow_run_id"])

    async with chat_with(world, app, after) as chat:
        chat.conversation_id = run["conversation_id"]
        [message] = await chat.messages()
        assert (message["id"], message["status"]) == (run["message_id"], "normal")
        assert message["answer"] == "始 仕事 山 🗻 - 山 🗻"
        assert await chat.variables() == {"note": "山 🗻", "list": "['山 🗻']"}
        assert [one["name"] for one in await chat.conversations()] == ["山 🗻"]
        assert (await chat.ask("川")).json()["answer"] == "始 仕事 川 - 山 🗻\n- 川"


async def test_a_turn_goes_on_from_the_variables_that_it_began_with(world: World) -> None:
    app, process = await remembering(world), world.process()
    async with chat_with(world, app, process) as chat:
        await chat.ask("a")
        world.script.held.add("work")
        run = (await chat.ask("b", response_mode="async")).json()
        await until(lambda: world.script.ran["work"] == 2)
        path = f"/v1/conversations/{chat.conversation_id}/variables/{LIST['id']}"
        await chat.client.put(path, json={"value": ["changed meanwhile"], "user": "anna"})
        await process.die()

    after = world.process()
    await after.runs.control.take_over()
    world.script.release("work")
    await world.ended(run["workflow_run_id"])

    async with chat_with(world, app, after) as chat:
        chat.conversation_id = run["conversation_id"]
        assert (await chat.messages())[-1]["answer"] == "始 仕事 b - a\n- b"
        # The last one who writes a variable has it whole.
        assert (await chat.variables())["list"] == "['a', 'b']"


async def test_two_turns_at_once_are_both_answered_and_no_variable_is_of_both(world: World) -> None:
    app = await remembering(world)
    async with chat_with(world, app) as chat:
        await chat.ask("一")
        world.script.held.add("work")
        answers = [asyncio.ensure_future(chat.ask(query)) for query in ("二", "三")]
        await until(lambda: world.script.ran["work"] == 3)
        world.script.release("work")
        await asyncio.gather(*answers)

        messages = await chat.messages()
        assert messages[0]["query"] == "一"
        assert {one["query"] for one in messages[1:]} == {"二", "三"}
        for one in messages[1:]:
            # Each saw the conversation as it was when it began.
            query = one["query"]
            assert one["answer"] == f"始 仕事 {query} - 一\n- {query}"
        variables = await chat.variables()
        assert variables["list"] in ("['一', '二']", "['一', '三']")
        assert variables["note"] in ("二", "三")
        assert (await chat.conversations())[0]["id"] == chat.conversation_id


async def test_a_failed_turn_that_is_repeated_gives_its_message_the_answer(world: World) -> None:
    app = await remembering(world)
    async with chat_with(world, app) as chat:
        await chat.ask("a")
        world.script.failing.add("work")
        events = await chat.stream("b")
        assert (await chat.messages())[-1]["status"] == "error"
        path = f"/v1/conversations/{chat.conversation_id}/variables/{NOTE['id']}"
        await chat.client.put(path, json={"value": "since then", "user": "anna"})
        world.script.failing.clear()

        retry = await chat.client.post(
            f"/v1/workflows/run/{events[0]['workflow_run_id']}/retry", json={"user": "anna", "response_mode": "async"}
        )
        assert retry.status_code == 202, retry.text
        await world.ended(retry.json()["workflow_run_id"])

        messages = await chat.messages()
        assert [(one["query"], one["status"]) for one in messages] == [("a", "normal"), ("b", "normal")]
        assert messages[-1]["answer"] == "始 仕事 b - a\n- b"
        # What the first run had assigned is not assigned again; what this one assigns is.
        assert await chat.variables() == {"note": "since then", "list": "['a', 'b']"}


async def test_a_turn_waits_for_a_form_and_goes_on_in_the_same_message(world: World) -> None:
    form = node(
        "form",
        "human-input",
        form_content="{{#sys.query#}}?",
        inputs=[],
        user_actions=[{"id": "ok", "title": "はい"}],
        timeout=1,
        timeout_unit="hour",
        delivery_methods=[{"id": "w", "type": "webapp", "enabled": True}],
    )
    nodes = [
        start(),
        node("first", "answer", answer="待って。"),
        form,
        node("last", "answer", answer="{{#form.__action_id#}}!"),
    ]
    app, process = await chat_app(world, nodes, "start>first>form form:ok>last"), world.process()
    async with chat_with(world, app, process) as chat:
        paused = await chat.stream("よい")
        [waiting] = await chat.messages()
        run = paused[0]["workflow_run_id"]
        token = waiting["extra_contents"][0]["form_definition"]["form_token"]
        submitted = await chat.client.post(
            f"/v1/form/human_input/{token}", json={"inputs": {}, "action": "ok", "user": "anna"}
        )
        await world.ended(run)
        [answered] = await chat.messages()
        again = await chat.client.get(
            f"/v1/workflow/{run}/events", params={"user": "anna", "include_state_snapshot": "true"}
        )

    assert paused[-1]["event"] == "workflow_paused"
    assert (waiting["status"], waiting["answer"]) == ("paused", "待って。")
    assert submitted.status_code == 200
    assert (answered["status"], answered["answer"]) == ("normal", "待って。ok!")
    [content] = answered["extra_contents"]
    assert content["submitted"]
    assert content["form_submission_data"]["action_text"] == "はい"
    assert content["form_definition"]["form_token"] is None
    assert "workflow_finished" in again.text


async def test_a_late_client_is_told_the_answer_so_far_and_then_the_rest(world: World) -> None:
    app = await remembering(world)
    async with chat_with(world, app) as chat:
        world.script.held.add("work")
        run = (await chat.ask("q", response_mode="async")).json()
        await until(lambda: world.script.ran["work"] == 1)
        late = asyncio.ensure_future(
            chat.client.get(
                f"/v1/workflow/{run['workflow_run_id']}/events",
                params={"user": "anna", "include_state_snapshot": "true"},
            )
        )
        await asyncio.sleep(0)
        world.script.release("work")
        events = events_of((await late).text)

    if events[0]["event"] == "workflow_started":
        assert answer_of(events) == "始 仕事 q - q"
        assert {event["conversation_id"] for event in events} == {run["conversation_id"]}


class Policy:
    """Answers some questions itself, and changes the others."""

    async def consider(self, asked: UserQuery) -> UserQuery | HookReply:
        if asked.query == "known":
            return HookReply(text="前から知っている", annotation=AnnotationReply(id="0199", account_name="山田"))
        return replace(asked, query=f"{asked.query} please")


async def test_what_takes_part_in_turns_may_answer_or_change_them(world: World) -> None:
    calls: list[tuple[str, str]] = []

    def first_turn(app: App, conversation: Conversation, first: Message) -> None:
        calls.append((conversation.id, first.query))

    process = world.process(hooks=Hooks(policies=[Policy()], first_turn=first_turn))
    app = await remembering(world)
    async with chat_with(world, app, process) as chat:
        answer = (await chat.ask("known")).json()
        events = await chat.stream("known")
        changed = (await chat.ask("say")).json()

        assert answer["answer"] == answer_of(events) == "前から知っている"
        assert answer["metadata"]["annotation_reply"] == {"id": "0199", "account": {"id": "0199", "name": "山田"}}
        assert [event["event"] for event in events][:2] == ["message", "message_end"]
        assert changed["answer"] == "始 仕事 say please - say please"
        assert [one["query"] for one in await chat.messages()] == ["known", "known", "say please"]
        assert world.script.ran["work"] == 1
        await until(lambda: len(calls) == 1)
        assert calls == [(chat.conversation_id, "known")]


async def test_a_name_is_due_for_new_conversations_unless_none_is_wanted(world: World) -> None:
    calls: list[str] = []
    hooks = Hooks(first_turn=lambda app, conversation, first: calls.append(first.query))
    app = await remembering(world)
    async with chat_with(world, app, world.process(hooks=hooks)) as chat:
        await chat.ask("unnamed", auto_generate_name=False)
        await chat.ask("later")
        await chat.ask("named", conversation_id="", auto_generate_name="true")

        await until(lambda: calls == ["named"])
        assert [one.title_due for one in await world.conversations.untitled()] == [True]


class Bans:
    """A guard that replaces text with a word in it."""

    every = 1

    async def look(self, text: str, *, final: bool) -> str | None:
        return "🚫" if "秘密" in text else None


def banning(app_id: str, workflow: Workflow) -> Bans:
    return Bans()


async def test_an_answer_that_is_replaced_is_kept_replaced(world: World) -> None:
    app = await remembering(world)
    async with chat_with(world, app, world.process(hooks=Hooks(guard=banning))) as chat:
        events = await chat.stream("秘密")

        assert answer_of(events) == "🚫"
        replaced = [event for event in events if event["event"] == "message_replace"]
        assert [event["reason"] for event in replaced] == ["output_moderation"]
        assert (await chat.messages())[0]["answer"] == "🚫"


async def test_a_chat_of_another_user_cannot_be_read_or_rated(world: World) -> None:
    app = await remembering(world)
    async with chat_with(world, app) as chat:
        await chat.ask("a")
        [message] = await chat.messages()
        other = Chat(chat.client, "berta")

        path = f"/v1/messages/{message['id']}/feedbacks"
        assert (await other.client.post(path, json={"rating": "like", "user": "berta"})).status_code == 404
        assert (await chat.client.post(path, json={"rating": "like", "user": "anna", "content": "良"})).json() == {
            "result": "success"
        }
        assert (await chat.messages())[0]["feedback"] == {"rating": "like"}
        listed = (await chat.client.get("/v1/app/feedbacks")).json()["data"]
        assert [(one["message_id"], one["rating"], one["content"]) for one in listed] == [(message["id"], "like", "良")]


async def test_a_turn_that_is_repeated_with_given_values_leaves_its_message_and_conversation_alone(
    world: World,
) -> None:
    app = await remembering(world)
    async with chat_with(world, app) as chat:
        events = await chat.stream("a")
        messages, variables = await chat.messages(), await chat.variables()
        body = {"user": "anna", "mocks": {"work": {"value": "given"}}, "values": {"sys": {"query": "別の"}}}

        retry = await chat.client.post(f"/v1/workflows/run/{events[0]['workflow_run_id']}/retry", json=body)

        assert retry.status_code == 200, retry.text
        record = await world.ended(retry.json()["workflow_run_id"])
        assert record.status == "succeeded"
        assert retry.json()["data"]["outputs"]["answer"] == "始 given a - 別の"  # the note was taken over
        assert world.script.ran["work"] == 1
        assert (await chat.messages(), await chat.variables()) == (messages, variables)
        assert (await chat.ask("b")).json()["answer"] == "始 仕事 b - a\n- b"
