"""Looking at questions before a run begins, and at answers while they are shown."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jikko.conversations.extension_calls import ExtensionCalls
from jikko.conversations.hooks import Hooks
from jikko.conversations.moderation import Moderation
from jikko.ports.extensions import Extension
from jikko.ports.http import HttpFailure, HttpResponse, OutgoingRequest
from jikko.providers.other_models import FakeModerator
from tests.acceptance.workflows import node, start
from tests.conversations.chats import Chat, answer_of, chat_app, chat_with
from tests.runs.world import Process, World, until

pytestmark = pytest.mark.anyio

ECHO = [start("topic"), node("reply", "answer", answer="You said: {{#sys.query#}} {{#start.topic#}}")]
LONG = "よい " * 200
"""More than is shown before it is looked at."""


class Server:
    """An extension that says what a test wants; a client of it, too."""

    def __init__(self, *answers: Any, status: int = 200) -> None:
        self.answers = list(answers)
        self.status = status
        self.asked: list[OutgoingRequest] = []

    async def send(self, request: OutgoingRequest) -> HttpResponse:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return HttpResponse(self.status, (), answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    async def close(self) -> None:
        """There is nothing to close."""

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.body) for request in self.asked if isinstance(request.body, bytes)]


def keywords(
    words: str = "bad\nÄrger", *, inputs: str | None = "not that", outputs: str | None = None
) -> dict[str, Any]:
    """The feature: presets where something is looked at."""
    config = {
        "keywords": words,
        "inputs_config": {"enabled": inputs is not None, "preset_response": inputs or ""},
        "outputs_config": {"enabled": outputs is not None, "preset_response": outputs or ""},
    }
    return {"sensitive_word_avoidance": {"enabled": True, "type": "keywords", "config": config}}


def by_api(*, inputs: bool = False, outputs: bool = False) -> dict[str, Any]:
    config = {
        "api_based_extension_id": "guard-1",
        "inputs_config": {"enabled": inputs},
        "outputs_config": {"enabled": outputs},
    }
    return {"sensitive_word_avoidance": {"enabled": True, "type": "api", "config": config}}


def process_of(world: World, server: Server | None = None, known: str = "guard-1") -> Process:
    extensions: Mapping[str, Extension] = {known: Extension("http://guard.test/hook", "key-1")}
    moderation = Moderation(ExtensionCalls(extensions, server or Server({})), FakeModerator(), {})
    return world.process(hooks=Hooks(policies=(moderation,), guard=moderation.guard))


@asynccontextmanager
async def talking(
    world: World, features: dict[str, Any], server: Server | None = None, nodes: Any = ECHO, edges: str = "start>reply"
) -> AsyncIterator[Chat]:
    app = await chat_app(world, nodes, edges, features=features)
    async with chat_with(world, app, process_of(world, server)) as chat:
        yield chat


# Questions by keywords


@pytest.mark.parametrize(("query", "is_refused"), [("a cat", True), ("a  cat", True), ("concat", False), ("dog", True)])
async def test_blanks_around_a_forbidden_word_belong_to_it(world: World, query: str, is_refused: bool) -> None:
    async with talking(world, keywords("\r\n cat\r\n\ndog\r")) as chat:
        assert ((await chat.ask(query)).json()["answer"] == "not that") is is_refused


@pytest.mark.parametrize(
    ("query", "inputs"), [("a BAD one", {}), ("das gibt ärger", {}), ("fine", {"topic": "something bad"})]
)
async def test_a_question_with_a_forbidden_word_gets_the_preset_answer_and_no_run(
    world: World, query: str, inputs: dict[str, str]
) -> None:
    async with talking(world, keywords()) as chat:
        answer = await chat.ask(query, inputs=inputs)
        [message] = await chat.messages()

    assert answer.json()["answer"] == "not that"
    assert (message["query"], message["answer"], message["status"]) == (query, "not that", "normal")
    assert world.script.ran == {}


async def test_so_does_one_that_wants_a_stream(world: World) -> None:
    async with talking(world, keywords()) as chat:
        events = await chat.stream("bad")

    assert answer_of(events) == "not that"
    assert [event["event"] for event in events[:2]] == ["message", "message_end"]


async def test_other_questions_are_answered_by_the_run(world: World) -> None:
    async with talking(world, keywords()) as chat:
        assert (await chat.ask("good")).json()["answer"] == "You said: good "


@pytest.mark.parametrize(
    "features",
    [
        {},
        {"sensitive_word_avoidance": {"enabled": False}},
        keywords(inputs=None),
        keywords(words="\n \n"),
        {"sensitive_word_avoidance": {"enabled": True, "type": "keywords"}},
        {"sensitive_word_avoidance": "on"},
    ],
)
async def test_nothing_is_forbidden_where_nothing_is_set(world: World, features: dict[str, Any]) -> None:
    async with talking(world, features) as chat:
        assert (await chat.ask("bad")).json()["answer"] == "You said: bad "


async def test_what_this_version_cannot_do_is_refused_and_not_passed_over(world: World) -> None:
    features = keywords()
    features["sensitive_word_avoidance"]["type"] = "by_hand"
    async with talking(world, features) as chat:
        answer = await chat.ask("good")

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param")
    assert "by_hand" in answer.json()["message"]


# Answers by keywords


async def test_an_answer_with_a_forbidden_word_is_replaced(world: World) -> None:
    async with talking(world, keywords(inputs=None, outputs="no comment")) as chat:
        blocking = await chat.ask("bad")
        events = await chat.stream("worse, and BAD")
        first, second = await chat.messages()

    assert blocking.json()["answer"] == first["answer"] == second["answer"] == "no comment"
    [replaced] = [event for event in events if event["event"] == "message_replace"]
    assert (replaced["answer"], replaced["reason"]) == ("no comment", "output_moderation")
    assert answer_of(events) == "no comment"
    assert events[-1]["data"]["status"] == "succeeded"


async def test_an_answer_is_replaced_while_it_is_made_and_nothing_comes_behind(world: World) -> None:
    nodes = [
        start(),
        node("first", "answer", answer=f"{LONG} bad"),
        node("wait", "code", value="x"),
        node("second", "answer", answer=" and more"),
    ]
    world.script.held.add("wait")
    features = keywords(inputs=None, outputs="no comment")
    async with talking(world, features, nodes=nodes, edges="start>first first>wait wait>second") as chat:
        begun = (await chat.ask("x", response_mode="async")).json()
        chat.conversation_id = begun["conversation_id"]

        def replaced() -> bool:
            run = world.processes[0].log(begun["workflow_run_id"])
            return run is not None and any(type(event).__name__ == "TextReplaced" for event in run.events)

        await until(replaced)
        world.script.release("wait")
        await world.ended(begun["workflow_run_id"])
        [message] = await chat.messages()

    assert message["answer"] == "no comment"


async def test_after_a_crash_the_answer_is_looked_at_all_the_same(world: World) -> None:
    nodes = [
        start(),
        node("first", "answer", answer="so "),
        node("wait", "code", value="x"),
        node("second", "answer", answer="bad"),
    ]
    world.script.held.add("wait")
    features = keywords(inputs=None, outputs="no comment")
    app = await chat_app(world, nodes, "start>first first>wait wait>second", features=features)
    process = process_of(world)
    async with chat_with(world, app, process) as chat:
        begun = (await chat.ask("x", response_mode="async")).json()
        await until(lambda: world.script.ran["wait"] == 1)
        await process.die()
        second = process_of(world)
        world.script.release("wait")
        async with chat_with(world, app, second) as again:
            again.conversation_id = begun["conversation_id"]
            await _taken_over(second)
            await world.ended(begun["workflow_run_id"])
            [message] = await again.messages()

    assert message["answer"] == "no comment"


async def _taken_over(process: Process) -> None:
    from jikko.ports.cluster import OrphanedRuns

    await (await process.runs.control.take_over(OrphanedRuns())).durable()


# By an extension


async def test_an_extension_is_asked_as_dify_asks_it(world: World) -> None:
    server = Server({"flagged": False})
    async with talking(world, by_api(inputs=True, outputs=True), server) as chat:
        answer = await chat.ask("今日は", inputs={"topic": "花"})

    asked, output_request = server.asked
    app_id = server.bodies[0]["params"]["app_id"]
    assert answer.json()["answer"] == "You said: 今日は 花"
    assert (asked.method, asked.url) == ("POST", "http://guard.test/hook")
    assert ("Authorization", "Bearer key-1") in asked.headers
    assert server.bodies[0] == {
        "point": "app.moderation.input",
        "params": {"app_id": app_id, "inputs": {"topic": "花"}, "query": "今日は"},
    }
    assert server.bodies[1] == {
        "point": "app.moderation.output",
        "params": {"app_id": app_id, "text": "You said: 今日は 花"},
    }
    assert output_request.app_id == app_id


async def test_an_extension_may_answer_itself(world: World) -> None:
    server = Server({"flagged": True, "action": "direct_output", "preset_response": "ask somebody else"})
    async with talking(world, by_api(inputs=True), server) as chat:
        assert (await chat.ask("x")).json()["answer"] == "ask somebody else"


async def test_an_extension_may_change_the_question(world: World) -> None:
    verdict = {"flagged": True, "action": "overridden", "inputs": {"topic": "🌸", "more": 1}, "query": "[gone]"}
    async with talking(world, by_api(inputs=True), Server(verdict)) as chat:
        answer = await chat.ask("my number is 5", inputs={"topic": "x"})
        [message] = await chat.messages()

    assert answer.json()["answer"] == "You said: [gone] 🌸"
    assert (message["query"], message["inputs"]) == ("[gone]", {"topic": "🌸"})


async def test_an_extension_may_take_an_answer_back(world: World) -> None:
    server = Server({"flagged": True, "action": "direct_output", "preset_response": "no comment"})
    async with talking(world, by_api(outputs=True), server) as chat:
        assert answer_of(await chat.stream("x")) == "no comment"


async def test_another_wording_is_shown_when_the_answer_is_whole(world: World) -> None:
    server = Server({"flagged": True, "action": "overridden", "text": "masked"})
    async with talking(world, by_api(outputs=True), server) as chat:
        events = await chat.stream(LONG)
        [message] = await chat.messages()

    names = [event["event"] for event in events]
    assert answer_of(events) == message["answer"] == "masked"
    assert names.count("message_replace") == 1
    assert "message" not in names[names.index("message_replace") :]


@pytest.mark.parametrize(
    "server",
    [
        Server(HttpFailure("no connection", kind="connect")),
        Server({}, status=500),
        Server(b"no JSON"),
        Server({"flagged": "perhaps"}),
        Server([1]),
    ],
)
async def test_a_question_that_cannot_be_looked_at_is_refused(world: World, server: Server) -> None:
    async with talking(world, by_api(inputs=True), server) as chat:
        answer = await chat.ask("x")
        listed = await chat.conversations()

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param")
    assert "guard-1" in answer.json()["message"]
    assert "key-1" not in answer.text
    assert listed == []


async def test_an_answer_that_cannot_be_looked_at_stays(world: World, caplog: pytest.LogCaptureFixture) -> None:
    async with talking(world, by_api(outputs=True), Server({}, status=500)) as chat:
        assert (await chat.ask("x")).json()["answer"] == "You said: x "
    assert "answered 500" in caplog.text


async def test_an_extension_that_nobody_has_set_up_is_told_with_the_line_to_add(world: World) -> None:
    app = await chat_app(world, ECHO, "start>reply", features=by_api(inputs=True))
    async with chat_with(world, app, process_of(world, known="another")) as chat:
        answer = await chat.ask("x")

    assert '"guard-1": {url:' in answer.json()["message"]


async def test_one_extension_may_stand_for_all(world: World) -> None:
    app = await chat_app(world, ECHO, "start>reply", features=by_api(inputs=True))
    server = Server({"flagged": True, "preset_response": "no"})
    async with chat_with(world, app, process_of(world, server, known="*")) as chat:
        assert (await chat.ask("x")).json()["answer"] == "no"


async def test_a_run_that_is_stopped_is_not_held_up_by_who_looks_at_it(world: World) -> None:
    nodes = [start(), node("first", "answer", answer=LONG), node("wait", "code", value="x")]
    world.script.held.add("wait")
    features = keywords(inputs=None, outputs="no comment")
    async with talking(world, features, nodes=nodes, edges="start>first first>wait") as chat:
        begun = (await chat.ask("x", response_mode="async")).json()
        chat.conversation_id = begun["conversation_id"]
        await until(lambda: world.script.ran["wait"] == 1)
        await chat.client.post(f"/v1/chat-messages/{begun['task_id']}/stop", json={"user": chat.user})
        record = await world.ended(begun["workflow_run_id"])
        [message] = await chat.messages()

    assert record.status == "stopped"
    assert message["answer"] == LONG
