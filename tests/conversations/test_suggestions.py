"""Questions that may follow an answer."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jikko.conversations.suggestions import questions_in
from jikko.ports.models import Chunk, Completion, DefaultModels, ModelFailure, ModelName, ModelRequest, Models
from jikko.providers.fake import FakeModels
from tests.acceptance.workflows import node, start
from tests.conversations.chats import Chat, chat_app
from tests.http.scene import FAKES, client_of
from tests.providers.calling import models_at
from tests.runs.world import World

pytestmark = pytest.mark.anyio

ECHO = [start(), node("reply", "answer", answer="yes, {{#sys.query#}}")]
ON = {"suggested_questions_after_answer": {"enabled": True}}
UNKNOWN = "0f0f0f0f-1111-4222-8333-444444444444"


class Suggesting(FakeModels):
    """Answers with what a test says."""

    def __init__(self, answer: str | ModelFailure = '["Why?", "なぜ 🙂"]') -> None:
        self.answer = answer
        self.asked: list[ModelRequest] = []

    async def complete(self, request: ModelRequest, emit: Callable[[Chunk], None] | None = None) -> Completion:
        self.asked.append(request)
        if isinstance(self.answer, ModelFailure):
            raise self.answer
        return Completion(text=self.answer)


@asynccontextmanager
async def talking(
    world: World, models: Models, features: dict[str, Any] = ON, defaults: DefaultModels = FAKES
) -> AsyncIterator[Chat]:
    app = await chat_app(world, ECHO, "start>reply", features=features)
    async with client_of(world, app, models=models, defaults=defaults) as client:
        yield Chat(client)


async def suggested(chat: Chat, message_id: str, user: str | None = None) -> tuple[int, Any]:
    query = {"user": user or chat.user}
    answer = await chat.client.get(f"/v1/messages/{message_id}/suggested", params=query)
    return answer.status_code, answer.json()


async def test_a_model_thinks_of_them_when_they_are_asked_for(world: World) -> None:
    models = Suggesting()
    async with talking(world, models) as chat:
        ids = [(await chat.ask(query)).json()["message_id"] for query in ("a", "b", "c", "d", "later")]
        answer = await suggested(chat, ids[3])

    assert answer == (200, {"result": "success", "data": ["Why?", "なぜ 🙂"]})
    [request] = models.asked
    assert request.messages[-1].text == "\n".join(f"Human: {q}\nAssistant: yes, {q}" for q in "bcd")


async def test_an_app_may_choose_the_model_and_say_what_to_ask(world: World) -> None:
    models = Suggesting()
    model = {"provider": "openai", "name": "小さい", "mode": "chat", "completion_params": {"temperature": 0.9}}
    feature = {"enabled": True, "model": model, "prompt": "猫について 🐈"}
    async with talking(world, models, {"suggested_questions_after_answer": feature}, defaults={}) as chat:
        answer = await suggested(chat, (await chat.ask("a")).json()["message_id"])

    assert answer[1]["data"] == ["Why?", "なぜ 🙂"]
    [request] = models.asked
    assert (request.provider, request.model) == ("langgenius/openai/openai", "小さい")
    assert request.parameters == {"temperature": 0.9}
    assert request.messages[0].text.startswith("猫について 🐈")


async def test_the_default_model_helps_out_if_the_chosen_one_fails(world: World) -> None:
    models = Suggesting(ModelFailure("消えた", kind="ModelNotExistError"))
    feature = {"enabled": True, "model": {"provider": "openai", "name": "m"}}
    async with talking(world, models, {"suggested_questions_after_answer": feature}) as chat:
        await suggested(chat, (await chat.ask("a")).json()["message_id"])

    assert [request.model for request in models.asked] == ["m", FAKES["llm"].model]


async def test_without_the_feature_there_are_none(world: World) -> None:
    for features in ({}, {"suggested_questions_after_answer": {"enabled": False}}):
        async with talking(world, Suggesting(), features) as chat:
            message_id = (await chat.ask("a")).json()["message_id"]
            status, body = await suggested(chat, message_id)

        assert (status, body["code"], body["message"]) == (400, "bad_request", "Suggested Questions Is Disabled.")


async def test_messages_of_others_are_not_there(world: World) -> None:
    async with talking(world, Suggesting()) as chat:
        message_id = (await chat.ask("a")).json()["message_id"]
        for answer in (await suggested(chat, UNKNOWN), await suggested(chat, message_id, "berta")):
            assert (answer[0], answer[1]["code"]) == (404, "not_found")


@pytest.mark.parametrize("answer", ["I would ask nothing.", "", ModelFailure("gone", kind="InvokeConnectionError")])
async def test_a_model_that_says_none_or_fails_costs_nothing(world: World, answer: Any) -> None:
    async with talking(world, Suggesting(answer)) as chat:
        message_id = (await chat.ask("a")).json()["message_id"]

        assert await suggested(chat, message_id) == (200, {"result": "success", "data": []})


async def test_a_provider_that_cannot_be_called_at_all_costs_nothing(world: World) -> None:
    models, named = models_at("http://models..example.com/v1"), ModelName("openai", "gpt-4o")
    async with talking(world, models, defaults={"llm": named}) as chat:
        message_id = (await chat.ask("a")).json()["message_id"]

        assert await suggested(chat, message_id) == (200, {"result": "success", "data": []})
    await models.close()


async def test_there_are_none_where_no_model_is_set_up(world: World) -> None:
    models = Suggesting()
    async with talking(world, models, defaults={}) as chat:
        message_id = (await chat.ask("a")).json()["message_id"]

        assert await suggested(chat, message_id) == (200, {"result": "success", "data": []})
    assert models.asked == []


@pytest.mark.parametrize(
    ("reply", "questions"),
    [
        ('["a", "b"]', ["a", "b"]),
        ('Here you are [1]:\n```json\n[" a ", 5, "", "b"]\n```', ["a", "b"]),
        ('<think>["no"]</think>[\'not JSON\'] ["yes"]', ["yes"]),
        ('{"questions": ["a"]}', ["a"]),
        ("[" * 100_000, []),
        ('["cut of', []),
        ("[[1], {}]", []),
    ],
)
def test_questions_are_found_in_what_a_model_says(reply: str, questions: list[str]) -> None:
    assert questions_in(reply) == questions
