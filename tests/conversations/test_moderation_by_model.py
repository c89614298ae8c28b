"""Questions and answers that a model looks at (``openai_moderation``)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jikko.conversations.extension_calls import ExtensionCalls
from jikko.conversations.hooks import Hooks
from jikko.conversations.moderation import Moderation
from jikko.ports.models import DefaultModels, ModelFailure, ModelName
from jikko.ports.other_models import ModerationRequest
from jikko.providers.other_models import FLAGGED, FakeModerator
from tests.acceptance.workflows import node, start
from tests.conversations.chats import LIST, Chat, answer_of, chat_app, chat_with
from tests.conversations.test_moderation import Server
from tests.runs.world import PATIENCE, World

pytestmark = pytest.mark.anyio

ECHO = [start("topic"), node("reply", "answer", answer="You said: {{#sys.query#}} {{#start.topic#}}")]
MODELS: DefaultModels = {"moderation": ModelName("openai", "omni-moderation-latest")}


class Noting(FakeModerator):
    """A ``Moderator`` that notes what it was asked, and may fail."""

    def __init__(self, failure: ModelFailure | None = None) -> None:
        self.asked: list[ModerationRequest] = []
        self._failure = failure

    async def flags(self, request: ModerationRequest) -> bool:
        self.asked.append(request)
        if self._failure is not None:
            raise self._failure
        return await super().flags(request)


class Slow(FakeModerator):
    """Takes its time over one question."""

    def __init__(self, over: str) -> None:
        self.over = over
        self.has_come, self.goes_on = asyncio.Event(), asyncio.Event()

    async def flags(self, request: ModerationRequest) -> bool:
        if self.over in request.text:
            self.has_come.set()
            await self.goes_on.wait()
        return await super().flags(request)


@asynccontextmanager
async def talking(
    world: World,
    moderator: FakeModerator,
    *,
    nodes: Any = ECHO,
    defaults: DefaultModels = MODELS,
    variables: Any = (),
    **presets: str,
) -> AsyncIterator[Chat]:
    """A chat in which questions (``inputs``) and answers (``outputs``) that are refused get these instead."""
    config: dict[str, Any] = {
        f"{name}_config": {"enabled": name in presets, "preset_response": presets.get(name, "")}
        for name in ("inputs", "outputs")
    }
    features = {"sensitive_word_avoidance": {"enabled": True, "type": "openai_moderation", "config": config}}
    moderation = Moderation(ExtensionCalls({}, Server({})), moderator, defaults)
    process = world.process(hooks=Hooks(policies=(moderation,), guard=moderation.guard))
    edges = ">".join(each["id"] for each in nodes)
    app = await chat_app(world, nodes, edges, features=features, conversation_variables=list(variables))
    async with chat_with(world, app, process) as chat:
        yield chat


async def test_the_model_sees_the_question_with_the_inputs_and_the_answer(world: World) -> None:
    moderator = Noting()
    async with talking(world, moderator, inputs="no", outputs="no") as chat:
        answer = await chat.ask("今日は", inputs={"topic": "花"})

    assert answer.json()["answer"] == "You said: 今日は 花"
    assert [request.text for request in moderator.asked] == ["花\n今日は", "You said: 今日は 花"]
    assert {(request.provider, request.model) for request in moderator.asked} == {("openai", "omni-moderation-latest")}
    assert all(request.app_id for request in moderator.asked)


@pytest.mark.parametrize(("query", "inputs"), [(FLAGGED, {}), ("fine", {"topic": f"a {FLAGGED}"})])
async def test_a_question_that_it_flags_gets_the_preset_answer_and_no_run(
    world: World, query: str, inputs: dict[str, str]
) -> None:
    async with talking(world, Noting(), inputs="not that") as chat:
        answer = await chat.ask(query, inputs=inputs)

    assert answer.json()["answer"] == "not that"
    assert world.script.ran == {}


async def test_an_answer_that_it_flags_is_replaced(world: World) -> None:
    async with talking(world, Noting(), outputs="no comment") as chat:
        events = await chat.stream(FLAGGED)
        [message] = await chat.messages()

    assert answer_of(events) == message["answer"] == "no comment"


@pytest.mark.parametrize(
    ("failure", "defaults", "reason"),
    [
        (ModelFailure("too many requests", kind="InvokeRateLimitError"), MODELS, "too many requests"),
        (None, {}, "defaults: {moderation:"),
    ],
)
async def test_a_question_that_it_cannot_look_at_is_refused(
    world: World, failure: ModelFailure | None, defaults: DefaultModels, reason: str
) -> None:
    async with talking(world, Noting(failure), defaults=defaults, inputs="no") as chat:
        answer = await chat.ask("x")
        listed = await chat.conversations()

    assert (answer.status_code, answer.json()["code"], listed) == (400, "invalid_param", [])
    assert reason in answer.json()["message"]


async def test_an_answer_that_it_cannot_look_at_stays_and_the_log_tells(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    failure = ModelFailure("too many requests", kind="InvokeRateLimitError")
    async with talking(world, Noting(failure), outputs="no") as chat:
        assert (await chat.ask("x")).json()["answer"] == "You said: x "
    assert "too many requests" in caplog.text


async def test_a_question_that_was_looked_at_for_long_sees_the_turns_that_were_answered_meanwhile(
    world: World,
) -> None:
    item = {"variable_selector": ["conversation", "list"], "operation": "append", "input_type": "variable"}
    counting = [
        start("topic"),
        node("list", "assigner", version="2", items=[{**item, "value": ["sys", "query"]}]),
        node("reply", "answer", answer="{{#sys.dialogue_count#}}: {{#conversation.list#}}"),
    ]
    slow = Slow("二")
    async with talking(world, slow, nodes=counting, variables=[LIST], inputs="no") as chat:
        assert (await chat.ask("一")).json()["answer"] == "1: - 一"
        asked = asyncio.create_task(chat.ask("二"))
        async with asyncio.timeout(PATIENCE):
            await slow.has_come.wait()
        assert (await chat.ask("三")).json()["answer"] == "2: - 一\n- 三"
        slow.goes_on.set()

        assert (await asked).json()["answer"] == "3: - 一\n- 三\n- 二"
        assert (await chat.variables())["list"] == "['一', '三', '二']"
