"""Questions and answers that a model looks at (``openai_moderation``)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jikko.conversations.hooks import Hooks
from jikko.conversations.moderation.extension import ModerationExtension
from jikko.conversations.moderation.model import ModerationModel
from jikko.conversations.moderation.moderation import Moderation
from jikko.ports.default_models import DefaultModels, ModelName
from jikko.ports.models import ModelFailure
from jikko.ports.moderation import ModerationRequest
from jikko.providers.fake_moderator import FLAGGED, FakeModerator
from tests.acceptance.workflows import node, start
from tests.conversations.chats import Chat, answer_of, chat_app, chat_with
from tests.conversations.test_moderation import Server
from tests.runs.world import World

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


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.close()


@asynccontextmanager
async def talking(
    world: World, moderator: Noting, *, defaults: DefaultModels = MODELS, **presets: str
) -> AsyncIterator[Chat]:
    """A chat in which questions (``inputs``) and answers (``outputs``) that are refused get these instead."""
    config: dict[str, Any] = {
        f"{name}_config": {"enabled": name in presets, "preset_response": presets.get(name, "")}
        for name in ("inputs", "outputs")
    }
    features = {"sensitive_word_avoidance": {"enabled": True, "type": "openai_moderation", "config": config}}
    moderation = Moderation(ModerationExtension({}, Server({})), ModerationModel(moderator, defaults))
    process = world.process(hooks=Hooks(policies=(moderation,), guard=moderation.guard))
    app = await chat_app(world, ECHO, "start>reply", features=features)
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
