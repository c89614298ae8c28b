"""App as a model of OpenAI's API. With its clients: ``tests/acceptance/test_openai_clients.py``."""

import json
from typing import Any

import httpx
import pytest

from jikko.errors import StoreUnavailable
from jikko.repositories.app_store import App
from tests.acceptance.workflows import end, form, node, start
from tests.conversations.chats import chat_app
from tests.http.scene import client_of
from tests.runs.world import World

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("world", ["memory", "disk"], indirect=True)]

CHAT = "/v1/chat/completions"
ECHO = [start(), node("reply", "answer", answer="{{#sys.dialogue_count#}}: {{#sys.query#}} 🙂 \ue000")]
OTHER = "0f0f0f0f-1111-4222-8333-444444444444"


@pytest.fixture
async def app(world: World) -> App:
    return await chat_app(world, ECHO, "start>reply", name="Echo 日本")


def body(*messages: Any, model: str = "echo-日本", **more: Any) -> dict[str, Any]:
    """A request; a text is a message of the user, a pair one of a role."""
    said = [
        {"role": "user", "content": one} if isinstance(one, str) else {"role": one[0], "content": one[1]}
        for one in messages
    ]
    return {"model": model, "messages": said, "user": "anna", **more}


async def ask(client: httpx.AsyncClient, *messages: Any, headers: Any = None, **more: Any) -> Any:
    answer = await client.post(CHAT, json=body(*messages, **more), headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def said(answer: Any) -> str:
    text: str = answer["choices"][0]["message"]["content"]
    return text


async def error_of(client: httpx.AsyncClient, status: int, *messages: Any, **more: Any) -> Any:
    answer = await client.post(CHAT, json=body(*messages, **more))
    assert answer.status_code == status, answer.text
    return answer.json()["error"]


async def kept(client: httpx.AsyncClient, conversation: str, user: str = "anna") -> list[tuple[str, str]]:
    """Questions and answers of a conversation, as Dify's clients read them."""
    query = {"user": user, "conversation_id": conversation}
    messages = (await client.get("/v1/messages", params=query)).json()["data"]
    return [(message["query"], message["answer"]) for message in messages]


def chunks_of(text: str) -> list[Any]:
    lines = [line for line in text.split("\n\n") if line and not line.startswith(":")]
    assert lines.pop() == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines]


async def test_a_key_opens_its_app_as_the_one_model(client: httpx.AsyncClient) -> None:
    [model] = (await client.get("/v1/models")).json()["data"]

    assert (model["id"], model["object"]) == ("echo-日本", "model")
    assert (await client.get("/v1/models/echo-日本")).json() == model
    assert (await client.get("/v1/models/gpt")).json()["error"]["code"] == "model_not_found"


async def test_the_last_message_is_the_question(client: httpx.AsyncClient) -> None:
    answer = await ask(client, "今日は？")

    assert said(answer) == "1: 今日は？ 🙂 \ue000"
    assert (answer["object"], answer["model"], answer["choices"][0]["finish_reason"]) == (
        "chat.completion",
        "echo-日本",
        "stop",
    )
    assert answer["usage"] == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


async def test_a_stream_has_chunks_an_end_and_the_usage_if_that_is_asked_for(client: httpx.AsyncClient) -> None:
    answer = await client.post(CHAT, json=body("hi", stream=True, stream_options={"include_usage": True}))

    first, *middle, last, usage = chunks_of(answer.text)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in middle) == "1: hi 🙂 \ue000"
    assert last["choices"][0]["finish_reason"] == "stop"
    assert (usage["choices"], usage["usage"]["total_tokens"]) == ([], 0)
    assert answer.headers["x-conversation-id"] == first["conversation_id"]


async def test_a_conversation_that_is_named_goes_on_and_has_its_own_memory(client: httpx.AsyncClient) -> None:
    conversation = (await ask(client, "one"))["conversation_id"]

    by_field = await ask(client, "forged", ("assistant", "never said"), "two", conversation_id=conversation)
    by_header = await ask(client, "three", headers={"X-Conversation-Id": conversation})

    assert (said(by_field)[:6], said(by_header)[:8]) == ("2: two", "3: three")
    assert [query for query, _ in await kept(client, conversation)] == ["one", "two", "three"]


async def test_what_was_said_before_begins_a_new_conversation(world: World) -> None:
    history = [("system", "Be kind."), ("assistant", "Hello!"), "one", ("assistant", "ONE"), "and", "two"]
    app = await chat_app(world, [start(), node("a", "code", value=1), ECHO[1]], "start>a>reply", "Slower")
    async with client_of(world, app) as client:
        answer = await ask(client, *history, model="slower")
        again = await ask(client, *history, model="slower")
        messages = await kept(client, answer["conversation_id"])

    assert said(answer).startswith("4: two")
    assert messages == [("Be kind.", ""), ("one", "ONE"), ("and", ""), ("two", said(answer))]
    # Two people may have said the same.
    assert again["conversation_id"] != answer["conversation_id"]


async def test_another_users_conversation_is_none(client: httpx.AsyncClient) -> None:
    conversation = (await ask(client, "mine", user="ben"))["conversation_id"]

    for named in (conversation, OTHER):
        error = await error_of(client, 404, "hi", conversation_id=named)
        assert (error["code"], error["type"]) == ("conversation_not_found", "invalid_request_error")
    assert [query for query, _ in await kept(client, conversation, "ben")] == ["mine"]


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"model": ""}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, "messages"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": "a"}] * 2_001}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages"),
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"conversation_id": "no-uuid"}, "conversation_id"),
        ({"inputs": "no JSON"}, "inputs"),
        ({"metadata": []}, "metadata"),
    ],
)
async def test_what_cannot_be_answered_as_asked_is_refused_with_its_parameter(
    client: httpx.AsyncClient, wrong: dict[str, Any], param: str
) -> None:
    error = await error_of(client, 400, "hi", **wrong) if "messages" not in wrong else None
    if error is None:
        answer = await client.post(CHAT, json=body() | wrong)
        assert answer.status_code == 400, answer.text
        error = answer.json()["error"]

    assert (error["param"], error["type"]) == (param, "invalid_request_error")


async def test_another_key_and_too_many_requests_are_told_as_openai_does(world: World, app: App) -> None:
    async with client_of(world, app, requests_per_minute=1) as client:
        strange = await client.get("/v1/models", headers={"Authorization": "Bearer sk-other"})
        answers = [await client.get("/v1/models") for _ in range(2)]

    assert (strange.status_code, strange.json()["error"]["code"]) == (401, "invalid_api_key")
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].json()["error"]["code"] == "rate_limit_exceeded"
    assert int(answers[1].headers["retry-after"]) > 0


async def test_a_workflow_answers_with_its_one_text(world: World) -> None:
    app = await world.app("Say", [start("q"), end(out="start.q")], "start>end")
    async with client_of(world, app) as client:
        answer = await ask(client, "世界", model="say")
        streamed = await client.post(CHAT, json=body("世界", model="say", stream=True))
        by_inputs = await ask(client, "unused", model="say", metadata={"inputs": '{"q": "named"}'})
        run = (await client.get(f"/v1/workflows/run/{answer['workflow_run_id']}")).json()

    assert (said(answer), json.loads(run["inputs"])["q"], said(by_inputs)) == ("世界", "世界", "named")
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks_of(streamed.text)) == "世界"


async def test_which_inputs_a_workflow_needs_is_said(world: World) -> None:
    app = await world.app("Two", [start("a", "b"), end(a="start.a", b="start.b")], "start>end")
    async with client_of(world, app) as client:
        error = await error_of(client, 400, "hi", model="two")
        answer = await ask(client, "hi", model="two", inputs={"a": "x", "b": "y"})

    assert error["param"] == "inputs"
    assert "'a', 'b'" in error["message"]
    assert json.loads(said(answer)) == {"a": "x", "b": "y"}


async def test_a_failed_run_is_an_error_that_clients_do_not_try_again(world: World) -> None:
    app = await chat_app(world, [start(), node("a", "code", value="x"), node("r", "answer", answer="ok")], "start>a>r")
    world.script.failing.add("a")
    async with client_of(world, app) as client:
        error = await error_of(client, 400, "hi", model="chat")
        streamed = await client.post(CHAT, json=body("hi", model="chat", stream=True))

    assert (error["code"], error["message"]) == ("run_failed", "a broke")
    assert json.loads(streamed.text.split("\n\n")[-2].removeprefix("data: "))["error"] == error


async def test_a_run_that_waits_for_a_human_answers_with_its_form_and_holds_the_conversation(world: World) -> None:
    app = await chat_app(
        world, [start(), form("ask", "承認しますか？"), node("r", "answer", answer="ok")], "start>ask>r"
    )
    async with client_of(world, app) as client:
        answer = await ask(client, "hi", model="chat")
        refused = await error_of(client, 409, "again", model="chat", conversation_id=answer["conversation_id"])

    assert said(answer).startswith("承認しますか？\n\nhttp://jikko/v1/form/human_input/")
    assert answer["workflow_run_id"] in refused["message"]


async def test_the_same_request_with_a_key_is_one_run(client: httpx.AsyncClient, world: World) -> None:
    first, second = [await client.post(CHAT, json=body("once"), headers={"Idempotency-Key": "k"}) for _ in range(2)]

    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"


async def test_what_a_model_thinks_is_apart(world: World) -> None:
    app = await chat_app(
        world,
        [start(), node("a", "code", value="said"), node("r", "answer", answer="{{#a.text#}}{{#a.value#}}")],
        "start>a>r",
        "Think",
    )
    world.script.thinks["a"] = "hm"
    async with client_of(world, app) as client:
        streamed = await client.post(CHAT, json=body("q", model="think", stream=True))

    deltas = [chunk["choices"][0]["delta"] for chunk in chunks_of(streamed.text)]
    assert {"reasoning_content": "hm"} in deltas
    assert not any(delta.get("content") for delta in deltas)


async def test_the_same_request_with_a_key_is_answered_again_while_its_form_waits(world: World) -> None:
    app = await chat_app(world, [start(), form("ask", "承認？"), node("r", "answer", answer="ok")], "start>ask>r")
    async with client_of(world, app) as client:
        given = body("hi", model="chat")
        answers = [await client.post(CHAT, json=given, headers={"Idempotency-Key": "k"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["workflow_run_id"] == answers[1].json()["workflow_run_id"]


async def test_what_a_form_said_is_gone_once_it_is_answered(world: World) -> None:
    app = await chat_app(
        world, [start(), form("ask", "承認？"), node("r", "answer", answer="済み")], "start>ask ask:yes>r"
    )
    async with client_of(world, app) as client:
        waiting = (await client.post("/v1/responses", json={"model": "chat", "input": "hi"})).json()
        address = waiting["output"][0]["content"][0]["text"].split()[-1]
        given = {"inputs": {"comment": ""}, "action": "yes", "user": "anna"}
        assert (await client.post(address, json=given)).status_code == 200
        await world.ended(waiting["workflow_run_id"])
        read = (await client.get(f"/v1/responses/{waiting['id']}")).json()

    assert "承認？" in waiting["output"][0]["content"][0]["text"]
    assert (read["status"], read["output"][0]["content"][0]["text"]) == ("completed", "済み")


async def test_a_workflow_with_several_ends_answers_the_same_streamed_and_whole(world: World) -> None:
    nodes = [start("q"), end("one", x="start.q"), end("two", y="start.q")]
    app = await world.app("Ends", nodes, "start>one start>two")
    async with client_of(world, app) as client:
        whole = said(await ask(client, "世", model="ends"))
        streamed = await client.post(CHAT, json=body("世", model="ends", stream=True))

    assert json.loads(whole) == {"x": "世", "y": "世"}
    deltas = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks_of(streamed.text)]
    assert "".join(deltas) == whole


async def test_a_format_of_audio_that_is_none_is_refused(client: httpx.AsyncClient) -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "音"}}
    error = await error_of(client, 400, ("user", [sound]))

    assert error["param"] == "messages[0].content[0].input_audio.format"


async def test_what_goes_wrong_behind_the_promise_of_a_run_is_not_to_be_sent_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = world.process()
    app = await world.app("Say", [start("q"), end(q="start.q")], "start>end")

    async def lost(record: Any) -> Any:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(process.runs.control, "events", lost)
    async with client_of(world, app, process) as client:
        answer = await client.post(CHAT, json=body("hi", model="say"))

    assert (answer.status_code, answer.headers["x-should-retry"]) == (503, "false")
