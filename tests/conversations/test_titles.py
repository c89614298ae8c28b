"""Names of conversations that a model makes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from jikko.conversations.hooks import Hooks
from jikko.conversations.titles import Titles
from jikko.errors import StoreUnavailable
from jikko.ports.models import Chunk, Completion, DefaultModels, ModelFailure, ModelName, ModelRequest
from jikko.providers.fake import FakeModels
from tests.acceptance.workflows import node, start
from tests.conversations.chats import Chat, chat_app, chat_with
from tests.runs.world import Process, World, until

pytestmark = pytest.mark.anyio

ECHO = [start(), node("reply", "answer", answer="{{#sys.query#}}")]
DEFAULTS: DefaultModels = {"llm": ModelName("langgenius/openai/openai", "gpt-4o-mini")}


class Naming(FakeModels):
    """Answers with what a test says."""

    def __init__(self, answer: str | ModelFailure) -> None:
        self.answer = answer
        self.asked: list[ModelRequest] = []
        self.held: asyncio.Event | None = None

    async def complete(self, request: ModelRequest, emit: Callable[[Chunk], None] | None = None) -> Completion:
        self.asked.append(request)
        if self.held is not None:
            await self.held.wait()
        if isinstance(self.answer, ModelFailure):
            raise self.answer
        return Completion(text=self.answer)


class Scene:
    def __init__(self, world: World) -> None:
        self.world = world
        self.models = Naming("Opening hours 🕘")
        self.first_turns = 0

    def process(self, models: Naming | None = None, defaults: DefaultModels = DEFAULTS, delay: float = 0.0) -> Process:
        self.titles = Titles(
            self.world.conversations,
            models or self.models,
            defaults,
            lambda: self.world.now,
            delay=delay,
            poll_seconds=0,
        )
        return self.world.process(hooks=Hooks(first_turn=self._first_turn, title=self.titles.title))

    def _first_turn(self, *turn: Any) -> None:
        self.first_turns += 1
        self.titles.first_turn(*turn)

    async def until_idle(self, first_turns: int = 1) -> None:
        """N first turns were told of, and what is under way is done."""
        await until(lambda: self.first_turns == first_turns)
        await asyncio.gather(*self.titles._tasks)


@pytest.fixture(params=["memory", "disk"])
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    scene = Scene(World() if request.param == "memory" else World.on_disk(tmp_path))
    yield scene
    await scene.world.close()


async def asked(scene: Scene, query: str, process: Process | None = None, *, first_turns: int = 1, **more: Any) -> str:
    """Ask a first question. Returns the name of the conversation once it has one."""
    app = await chat_app(scene.world, ECHO, "start>reply")
    async with chat_with(scene.world, app, process or scene.process()) as chat:
        await chat.ask(query, **more)
        await scene.until_idle(first_turns)
        return await name_of(chat)


async def name_of(chat: Chat) -> str:
    [conversation] = await chat.conversations()
    name: str = conversation["name"]
    return name


async def test_a_new_conversation_gets_a_name_by_the_default_model(scene: Scene) -> None:
    assert await asked(scene, "When is it\nopen?") == "Opening hours 🕘"

    [request] = scene.models.asked
    assert (request.provider, request.model, request.stream) == (*DEFAULTS["llm"], False)
    assert request.messages[-1].text == "When is it open?"
    assert request.messages[-1].role == "user"


async def test_until_then_it_is_called_by_its_question(scene: Scene) -> None:
    scene.models.held = asyncio.Event()
    app = await chat_app(scene.world, ECHO, "start>reply")
    async with chat_with(scene.world, app, scene.process()) as chat:
        await chat.ask("a question of more than twenty characters")
        before = await name_of(chat)
        scene.models.held.set()
        await scene.until_idle()
        after = await name_of(chat)

    assert before == "a question of more t…"
    assert after == "Opening hours 🕘"


@pytest.mark.parametrize("wanted", [False, "false", 0])
async def test_who_wants_no_name_gets_none(scene: Scene, wanted: Any) -> None:
    assert await asked(scene, "short", first_turns=0, auto_generate_name=wanted) == "short"
    assert scene.models.asked == []


async def test_later_turns_change_no_name(scene: Scene) -> None:
    app = await chat_app(scene.world, ECHO, "start>reply")
    async with chat_with(scene.world, app, scene.process()) as chat:
        await chat.ask("one")
        await scene.until_idle()
        await chat.ask("two")
        await scene.until_idle()

    assert len(scene.models.asked) == 1


@pytest.mark.parametrize(
    ("reply", "name"),
    [
        ('"Opening hours"', "Opening hours"),
        ("「営業時間」\n\nmore", "営業時間"),
        ("<think>hm</think>\n**Title  here**", "Title here"),
        ("x" * 100, "x" * 75 + "..."),
        ("a\x00b", "ab"),
    ],
)
async def test_a_name_is_one_line_without_what_models_put_around_it(scene: Scene, reply: str, name: str) -> None:
    scene.models.answer = reply

    assert await asked(scene, "q") == name


@pytest.mark.parametrize("answer", ["", " \n ", '""', ModelFailure("the model is gone", kind="InvokeConnectionError")])
async def test_where_the_model_makes_none_it_is_the_beginning_of_the_question(scene: Scene, answer: Any) -> None:
    scene.models.answer = answer

    assert await asked(scene, "日" * 51) == "日" * 47 + "..."


async def test_so_it_is_where_no_model_is_set_up(scene: Scene) -> None:
    process = scene.process(defaults={})

    assert await asked(scene, "日" * 50, process) == "日" * 50


async def test_of_a_very_long_question_the_model_sees_the_ends(scene: Scene) -> None:
    await asked(scene, "a" * 500_000 + "b" * 500_000)

    shown = scene.models.asked[0].messages[-1].text
    assert len(shown) < 1000
    assert (shown[0], shown[-1]) == ("a", "b")


async def test_a_name_that_somebody_gave_meanwhile_stays(scene: Scene) -> None:
    scene.models.held = asyncio.Event()
    app = await chat_app(scene.world, ECHO, "start>reply")
    async with chat_with(scene.world, app, scene.process()) as chat:
        await chat.ask("q")
        path = f"/v1/conversations/{chat.conversation_id}/name"
        await chat.client.post(path, json={"name": "mine 🙂", "user": chat.user})
        scene.models.held.set()
        await scene.until_idle()

        assert await name_of(chat) == "mine 🙂"


async def test_a_conversation_that_is_deleted_meanwhile_stays_deleted(scene: Scene) -> None:
    scene.models.held = asyncio.Event()
    app = await chat_app(scene.world, ECHO, "start>reply")
    async with chat_with(scene.world, app, scene.process()) as chat:
        await chat.ask("q")
        path = f"/v1/conversations/{chat.conversation_id}"
        await chat.client.request("DELETE", path, json={"user": chat.user})
        scene.models.held.set()
        await scene.until_idle()

        assert await chat.conversations() == []


async def test_a_name_is_made_at_once_when_it_is_asked_for(scene: Scene) -> None:
    app = await chat_app(scene.world, ECHO, "start>reply")
    async with chat_with(scene.world, app, scene.process()) as chat:
        await chat.ask("first", auto_generate_name=False)
        await chat.ask("second")
        path = f"/v1/conversations/{chat.conversation_id}/name"
        renamed = await chat.client.post(path, json={"auto_generate": True, "name": "ignored", "user": chat.user})

    assert renamed.json()["name"] == "Opening hours 🕘"
    assert scene.models.asked[0].messages[-1].text == "first"


async def test_what_a_process_that_died_left_undone_the_next_one_does(scene: Scene) -> None:
    app = await chat_app(scene.world, ECHO, "start>reply")
    dying = scene.process(delay=3600)
    async with chat_with(scene.world, app, dying) as chat:
        await chat.ask("When?")
        await until(lambda: scene.first_turns == 1)
        await scene.titles.close()
        scene.world.now += 1
        next_one = scene.process()
        watching = asyncio.create_task(scene.titles.watch())
        await until(lambda: bool(scene.models.asked))
        await _named(scene)
        watching.cancel()
        await asyncio.wait([watching])

        async with chat_with(scene.world, app, next_one) as again:
            assert await name_of(again) == "Opening hours 🕘"
    assert [request.messages[-1].text for request in scene.models.asked] == ["When?"]


async def _named(scene: Scene) -> None:
    async with asyncio.timeout(60):
        while await scene.world.conversations.untitled():  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0)


async def test_a_store_that_fails_ends_no_watch(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.process()
    looked = 0

    async def untitled(limit: int = 100) -> list[Any]:
        nonlocal looked
        looked += 1
        raise StoreUnavailable("gone")

    monkeypatch.setattr(scene.world.conversations, "untitled", untitled)
    watching = asyncio.create_task(scene.titles.watch())
    await until(lambda: looked > 1)
    watching.cancel()
    await asyncio.wait([watching])

    assert watching.cancelled()
