"""Annotation replies to a question before a run begins."""

import asyncio
from typing import Any

import pytest

from jikko.conversations.annotations import AnnotationReplies, Annotations
from jikko.conversations.hooks import HookReply, UserQuery
from jikko.maintenance.background_indexing import AnnotationIndexing
from jikko.ports.models import ModelFailure
from jikko.ports.other_models import EmbeddingRequest, Embeddings
from jikko.ports.stores.messages import AnnotationReply
from jikko.providers.embedder import FakeEmbedder
from jikko.repositories.app_store import App
from tests.effort import PATIENCE
from tests.store.in_memory import AnnotationsInMemory

pytestmark = pytest.mark.anyio

APP = App(id="0199a1b2-0000-7000-8000-000000000001", name="chat", mode="advanced-chat", created_at=0, workflow_id="w")


class Counting(FakeEmbedder):
    """Notes what it was asked, and fails when it is to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.failure: ModelFailure | None = None

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        self.asked.append(request.texts)
        if self.failure is not None:
            raise self.failure
        return await super().embed(request)


class Store(AnnotationsInMemory):
    """Tells that a job has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = asyncio.Event()

    async def end_job(self, job_id: str, error: str = "") -> None:
        await super().end_job(job_id, error)
        self.ended.set()


class Scene:
    """Annotations of one app, and what answers by them."""

    def __init__(self) -> None:
        self.store = Store()
        self.embedder = Counting()
        self.due = 0
        self.annotations = Annotations(self.store, lambda: 1000.0, self._say_due)
        self.indexing = AnnotationIndexing(self.store, self.embedder)
        self.replies = AnnotationReplies(self.store, self.embedder)

    def _say_due(self) -> None:
        self.due += 1

    async def enable(self, threshold: float = 0.8, model: str = "small") -> str:
        job = await self.annotations.reply(APP.id, threshold, "openai", model)
        await self.indexing.catch_up()
        return (await self.annotations.job(APP.id, job.id, replying=True)).status

    async def ask(self, query: str) -> str | None:
        """The answer of an annotation; ``None`` if the run is to give one."""
        unused: Any = None
        question = UserQuery(
            app=APP,
            workflow=unused,
            user="u",
            end_user_id="e",
            conversation=None,
            query=query,
            inputs={},
            files=(),
            replies=await self.replies.state(APP.id),
        )
        outcome = await self.replies.consider(question)
        if isinstance(outcome, HookReply):
            return outcome.text
        assert outcome is question
        return None


@pytest.fixture
async def scene() -> Scene:
    return Scene()


async def test_without_replies_annotations_answer_nothing(scene: Scene) -> None:
    await scene.annotations.create(APP.id, "When is it open?", "At nine.")

    assert await scene.ask("When is it open?") is None
    assert scene.embedder.asked == []


async def test_a_question_that_is_alike_gets_the_answer_and_counts_as_a_hit(scene: Scene) -> None:
    made = await scene.annotations.create(APP.id, "When is the shop open?", "At nine. 🕘")
    assert await scene.enable() == "completed"

    assert await scene.ask("when is the shop open") == "At nine. 🕘"
    assert await scene.ask("Who is the king of Spain?") is None

    found = await scene.store.find(APP.id, made.id)
    assert found is not None
    assert found.hits == 1


async def test_the_reply_names_its_annotation(scene: Scene) -> None:
    made = await scene.annotations.create(APP.id, "q?", "a")
    await scene.enable()
    unused: Any = None

    outcome = await scene.replies.consider(
        UserQuery(
            app=APP,
            workflow=unused,
            user="u",
            end_user_id="e",
            conversation=None,
            query="q?",
            inputs={},
            files=(),
            replies=await scene.replies.state(APP.id),
        )
    )

    assert outcome == HookReply(text="a", annotation=AnnotationReply(id=made.id))


async def test_the_very_words_are_answered_without_a_model(scene: Scene) -> None:
    await scene.annotations.create(APP.id, "質問", "答え")
    await scene.enable(threshold=1.0)
    asked = len(scene.embedder.asked)

    assert await scene.ask("質問") == "答え"
    assert len(scene.embedder.asked) == asked


async def test_a_higher_threshold_takes_what_is_more_alike(scene: Scene) -> None:
    await scene.annotations.create(APP.id, "When is the shop open?", "At nine.")
    await scene.enable(threshold=0.5)
    low = await scene.ask("When is the shop near you open?")

    await scene.enable(threshold=0.99)

    assert low == "At nine."
    assert await scene.ask("When is the shop near you open?") is None


async def test_changes_hold_from_the_next_question_on(scene: Scene) -> None:
    made = await scene.annotations.create(APP.id, "When is the shop open?", "At nine.")
    await scene.enable()
    assert await scene.ask("when is the shop open") == "At nine."

    await scene.annotations.change(APP.id, made.id, "When is the shop open?", "At ten.")
    changed = await scene.ask("when is the shop open")
    await scene.annotations.delete(APP.id, made.id)

    assert changed == "At ten."
    assert await scene.ask("when is the shop open") is None


async def test_a_new_annotation_is_found_by_its_words_at_once_and_by_likeness_when_it_has_its_vector(
    scene: Scene,
) -> None:
    await scene.enable()
    due = scene.due
    await scene.annotations.create(APP.id, "Where is the station?", "Over there.")
    assert scene.due == due + 1

    at_once = await scene.ask("Where is the station?")
    before = await scene.ask("where is the station")
    await scene.indexing.catch_up()

    assert at_once == "Over there."
    assert before is None
    assert await scene.ask("where is the station") == "Over there."


async def test_replies_end(scene: Scene) -> None:
    await scene.annotations.create(APP.id, "q?", "a")
    await scene.enable()

    await scene.annotations.end_replies(APP.id)

    assert await scene.ask("q?") is None


async def test_annotations_of_another_app_answer_nothing_here(scene: Scene) -> None:
    await scene.annotations.create("0199a1b2-0000-7000-8000-000000000002", "q?", "a")
    await scene.enable()

    assert await scene.ask("q?") is None


async def test_a_model_that_fails_costs_no_answer(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    await scene.annotations.create(APP.id, "When is the shop open?", "At nine.")
    await scene.enable()
    scene.embedder.failure = ModelFailure("the provider is gone", kind="InvokeConnectionError")

    assert await scene.ask("when is the shop open") is None
    assert "the provider is gone" in caplog.text


async def test_a_job_fails_with_its_model_and_what_held_before_holds_on(scene: Scene) -> None:
    await scene.annotations.create(APP.id, "When is the shop open?", "At nine.")
    await scene.enable()
    scene.embedder.failure = ModelFailure("there is no such model", kind="InvokeBadRequestError")

    job = await scene.annotations.reply(APP.id, 0.1, "openai", "other")
    await scene.indexing.catch_up()
    ended = await scene.annotations.job(APP.id, job.id, replying=True)
    scene.embedder.failure = None

    assert (ended.status, ended.error) == ("error", "there is no such model")
    assert await scene.ask("when is the shop open") == "At nine."
    assert await scene.ask("something else altogether") is None


async def test_many_annotations_are_indexed_in_batches_and_each_only_once(scene: Scene) -> None:
    for number in range(70):
        await scene.annotations.create(APP.id, f"question {number}", f"answer {number}")

    await scene.enable()
    await scene.indexing.catch_up()

    assert [len(texts) for texts in scene.embedder.asked] == [32, 32, 6]
    assert await scene.ask("Question 69?") == "answer 69"


async def test_what_a_process_that_died_has_committed_is_not_made_again(scene: Scene) -> None:
    for number in range(40):
        await scene.annotations.create(APP.id, f"question {number}", "a")
    job = await scene.annotations.reply(APP.id, 0.9, "openai", "small")
    dying = AnnotationIndexing(scene.store, Dying(after=1))
    with pytest.raises(SystemError):
        await dying.catch_up()
    assert (await scene.annotations.job(APP.id, job.id, replying=True)).status == "processing"

    await scene.indexing.catch_up()

    assert [len(texts) for texts in scene.embedder.asked] == [8]
    assert (await scene.annotations.job(APP.id, job.id, replying=True)).status == "completed"


class Dying(FakeEmbedder):
    """Ends its process after some requests, as far as a test can."""

    def __init__(self, after: int) -> None:
        self.left = after

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        if self.left == 0:
            raise SystemError("killed")
        self.left -= 1
        return await super().embed(request)


async def test_an_app_whose_model_fails_keeps_no_other_waiting(scene: Scene) -> None:
    await scene.enable(model="broken")
    other = "0199a1b2-0000-7000-8000-000000000002"
    await scene.annotations.reply(other, 0.9, "openai", "fine")
    await scene.indexing.catch_up()
    await scene.annotations.create(APP.id, "first", "a")
    await scene.annotations.create(other, "second", "a")
    broken = ModelFailure("broken", kind="InvokeConnectionError")
    indexing = AnnotationIndexing(scene.store, FailingFor("broken", broken))

    assert await indexing.catch_up() is broken

    [(_, _, vector)] = await scene.store.vectors(other)
    assert vector is not None


class FailingFor(FakeEmbedder):
    """Fails for one model."""

    def __init__(self, model: str, failure: ModelFailure) -> None:
        self.model = model
        self.failure = failure

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        if request.model == self.model:
            raise self.failure
        return await super().embed(request)


async def test_indexing_wakes_when_it_is_told(scene: Scene) -> None:
    watching = asyncio.create_task(scene.indexing.watch())
    await asyncio.sleep(0)
    await scene.annotations.create(APP.id, "q", "a")
    job = await scene.annotations.reply(APP.id, 0.9, "openai", "small")

    scene.indexing.alarm.set(0)
    async with asyncio.timeout(PATIENCE):
        await scene.store.ended.wait()
    watching.cancel()
    await asyncio.wait([watching])

    assert (await scene.annotations.job(APP.id, job.id, replying=True)).status == "completed"
