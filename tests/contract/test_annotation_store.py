"""Contract of ``AnnotationStore``."""

from array import array
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from jikko.ids import new_id
from jikko.ports.other_models import Vector
from jikko.ports.stores.annotation_store import Annotation, ReplyJob, ReplySetting, Unindexed
from jikko.repositories.annotation_store import AnnotationStore
from jikko.store.sqlite import Database
from tests.store.postgres_server import POSTGRES, new_database

from .runs import APP, OTHER_APP

pytestmark = pytest.mark.anyio

SETTING = ReplySetting(threshold=0.9, provider="langgenius/openai/openai", model="small")
OTHER_SETTING = ReplySetting(threshold=0.5, provider="langgenius/ollama/ollama", model="large")


@pytest.fixture(params=["sqlite", POSTGRES])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AnnotationStore]:
    if request.param == "postgres":
        async with new_database(request) as postgres:
            yield AnnotationStore(postgres)
    else:
        database = Database.open(tmp_path / "jikko.db")
        yield AnnotationStore(database)
        await database.finish()


def annotation(
    id_: str, question: str = "いつ開いていますか 🕘", answer: str = "9 時から", app: str = APP
) -> Annotation:
    return Annotation(id=id_, app_id=app, question=question, answer=answer, created_at=1000.5)


def job(id_: str, setting: ReplySetting | None = SETTING, *, app: str = APP, at: float = 2000.0) -> ReplyJob:
    return ReplyJob(id=id_, app_id=app, setting=setting, created_at=at)


def vector(*numbers: float) -> Vector:
    return array("f", numbers)


async def replying(store: AnnotationStore, *annotations: Annotation, setting: ReplySetting = SETTING) -> None:
    """Annotations by which their app answers; none has a vector."""
    for one in annotations:
        await store.add(one)
    begun = await store.begin(job(new_id(), setting))
    await store.end_job(begun.id)


async def test_an_annotation_is_found_by_its_id_in_its_app(store: AnnotationStore) -> None:
    one = annotation("a1", "長い" * 250_000, "\ue000🙂")
    await store.add(one)

    assert await store.find(APP, "A1") == one
    assert await store.find(OTHER_APP, "a1") is None
    assert await store.find(APP, "a2") is None


async def test_an_annotation_is_changed(store: AnnotationStore) -> None:
    await store.add(annotation("a1"))
    await store.hit(APP, "a1")

    changed = await store.change(APP, "A1", "new?", "new!")

    assert changed == replace(annotation("a1"), question="new?", answer="new!", hits=1)
    assert await store.find(APP, "a1") == changed
    assert await store.change(OTHER_APP, "a1", "q", "a") is None
    assert await store.change(APP, "a2", "q", "a") is None


async def test_an_annotation_is_removed_once_and_only_by_its_app(store: AnnotationStore) -> None:
    await store.add(annotation("a1"))

    assert not await store.delete(OTHER_APP, "a1")
    assert await store.delete(APP, "A1")
    assert not await store.delete(APP, "a1")
    assert await store.find(APP, "a1") is None


async def test_pages_come_newest_first_and_count_all(store: AnnotationStore) -> None:
    for number in range(5):
        await store.add(annotation(f"a{number}"))
    await store.add(annotation("other", app=OTHER_APP))

    pages = [await store.page(APP, page=page, limit=2) for page in (1, 2, 3, 4)]

    assert [[one.id for one in found] for found, _ in pages] == [["a4", "a3"], ["a2", "a1"], ["a0"], []]
    assert {count for _, count in pages} == {5}


async def test_a_keyword_is_looked_for_in_questions_and_answers_in_either_case(store: AnnotationStore) -> None:
    await store.add(annotation("a1", "ÄPFEL?", "100%"))
    await store.add(annotation("a2", "Birnen?", "wie äpfel_"))
    await store.add(annotation("a3", "100 x", "none"))

    async def found(keyword: str) -> list[str]:
        return [one.id for one in (await store.page(APP, keyword=keyword))[0]]

    assert await found("äPFEL") == ["a2", "a1"]
    assert await found("100%") == ["a1"]
    assert await found("l_") == ["a2"]
    assert await store.page(APP, keyword="äpfel", page=2, limit=1) == ([annotation("a1", "ÄPFEL?", "100%")], 2)


async def test_hits_are_counted(store: AnnotationStore) -> None:
    await store.add(annotation("a1"))

    for app in (APP, APP, OTHER_APP):
        await store.hit(app, "A1")

    found = await store.find(APP, "a1")
    assert found is not None
    assert found.hits == 2


async def test_an_app_answers_by_annotations_once_its_job_is_completed(store: AnnotationStore) -> None:
    begun = await store.begin(job("j1"))
    before = await store.replies(APP)

    await store.end_job("J1")

    assert begun == job("j1")
    assert before is None
    after = await store.replies(APP)
    assert after is not None
    assert after.setting == SETTING
    assert await store.job(APP, "J1") == replace(job("j1"), status="completed")
    assert await store.replies(OTHER_APP) is None


async def test_a_job_that_fails_changes_nothing_and_says_why(store: AnnotationStore) -> None:
    await replying(store)
    await store.begin(job("j2", OTHER_SETTING))

    await store.end_job("j2", "no such model 🙁")

    assert await store.job(APP, "j2") == replace(job("j2", OTHER_SETTING), status="error", error="no such model 🙁")
    known = await store.replies(APP)
    assert known is not None
    assert known.setting == SETTING


async def test_a_job_that_ends_replies_is_completed_at_once(store: AnnotationStore) -> None:
    await replying(store, annotation("a1"))

    await store.begin(job("off", None))

    assert await store.replies(APP) is None
    assert await store.vectors(APP) == []
    ended = await store.job(APP, "off")
    assert ended is not None
    assert (ended.status, ended.setting) == ("completed", None)


async def test_a_job_is_found_by_its_own_app_only(store: AnnotationStore) -> None:
    await store.begin(job("j1"))

    assert await store.job(OTHER_APP, "j1") is None
    assert await store.job(APP, "j2") is None


async def test_a_second_request_for_the_same_is_the_job_that_is_under_way(store: AnnotationStore) -> None:
    await store.begin(job("j1"))

    again = await store.begin(job("j2"))
    other_app = await store.begin(job("j3", app=OTHER_APP))

    assert again == job("j1")
    assert other_app.id == "j3"
    await store.end_job("j1")
    assert (await store.begin(job("j4"))).id == "j4"


async def test_a_request_for_something_else_ends_the_job_that_is_under_way(store: AnnotationStore) -> None:
    await store.begin(job("j1"))
    await store.begin(job("other", app=OTHER_APP))

    await store.begin(job("j2", OTHER_SETTING))
    await store.end_job("j1")

    first, second, other = [await store.job(app, id_) for app, id_ in ((APP, "j1"), (APP, "j2"), (OTHER_APP, "other"))]
    assert first is not None
    assert first.status == "error"
    assert first.error
    assert second is not None
    assert second.status == "waiting"
    assert other is not None
    assert other.status == "waiting"
    assert await store.replies(APP) is None


async def test_the_oldest_open_job_is_the_one_to_do(store: AnnotationStore) -> None:
    assert await store.open_job() is None
    await store.begin(job("j1"))
    await store.begin(job("j2", app=OTHER_APP))

    first, again = await store.open_job(), await store.open_job()
    await store.end_job("j1")
    second = await store.open_job()
    await store.end_job("j2", "failed")

    assert first == again == replace(job("j1"), status="processing")
    assert second is not None
    assert second.id == "j2"
    assert await store.open_job() is None


async def test_jobs_that_ended_are_forgotten_a_day_later(store: AnnotationStore) -> None:
    await store.begin(job("old", None, at=1000.0))
    await store.begin(job("day", None, at=1000.0 + 86_400))
    assert await store.job(APP, "old") is not None

    await store.begin(job("later", None, at=1001.0 + 86_400))

    assert await store.job(APP, "old") is None
    assert await store.job(APP, "day") is not None


async def test_vectors_belong_to_the_model_of_the_job(store: AnnotationStore) -> None:
    first, second = annotation("a1"), annotation("a2", "何ですか")
    await replying(store, first, second)
    assert await store.vectors(APP) == [("a1", first.question, None), ("a2", second.question, None)]

    await store.put_vectors(APP, SETTING, [(first, vector(0.6, -0.8))])
    next_job = await store.begin(job("next", OTHER_SETTING))

    assert await store.vectors(APP) == [("a1", first.question, vector(0.6, -0.8)), ("a2", second.question, None)]
    assert await store.unindexed(next_job, 10) == [first, second]
    assert await store.unindexed(next_job, 1) == [first]
    assert await store.unindexed(job("off", None), 10) == []


async def test_until_a_job_is_completed_the_vectors_before_are_used(store: AnnotationStore) -> None:
    one = annotation("a1")
    await replying(store, one)
    await store.put_vectors(APP, SETTING, [(one, vector(1, 0))])
    next_job = await store.begin(job("next", OTHER_SETTING))

    await store.put_vectors(APP, OTHER_SETTING, [(one, vector(0, 1, 0))])
    before = await store.vectors(APP)
    left = await store.unindexed(next_job, 10)
    await store.end_job("next")
    after = await store.vectors(APP)
    back = await store.begin(job("back", SETTING))

    assert before == [("a1", one.question, vector(1, 0))]
    assert left == []
    assert after == [("a1", one.question, vector(0, 1, 0))]
    assert await store.unindexed(back, 10) == [one]


async def test_a_vector_of_a_question_that_was_changed_is_dropped(store: AnnotationStore) -> None:
    one, two = annotation("a1"), annotation("a2")
    await replying(store, one, two)
    await store.put_vectors(APP, SETTING, [(one, vector(1))])
    await store.change(APP, "a1", "another", one.answer)
    await store.change(APP, "a2", two.question, "another answer")

    await store.put_vectors(APP, SETTING, [(one, vector(1)), (two, vector(1)), (annotation("gone"), vector(1))])

    assert await store.vectors(APP) == [("a1", "another", None), ("a2", two.question, vector(1))]


async def test_what_has_no_vector_is_told_of_apps_that_answer_by_annotations(store: AnnotationStore) -> None:
    await store.add(annotation("silent", app=OTHER_APP))
    one, two = annotation("a1"), annotation("a2")
    assert await store.next_unindexed(10) is None
    await replying(store, one, two)

    assert await store.next_unindexed(1) == Unindexed(APP, SETTING, [one])
    await store.put_vectors(APP, SETTING, [(one, vector(1))])
    assert await store.next_unindexed(10) == Unindexed(APP, SETTING, [two])
    assert await store.next_unindexed(10, skip={APP}) is None
    await store.put_vectors(APP, SETTING, [(two, vector(1))])
    assert await store.next_unindexed(10) is None


async def test_every_change_that_matters_to_a_reply_makes_another_version(store: AnnotationStore) -> None:
    one = annotation("a1")
    await replying(store, one)
    versions = []

    async def note() -> None:
        known = await store.replies(APP)
        assert known is not None
        versions.append(known.version)

    await note()
    await store.put_vectors(APP, SETTING, [(one, vector(1))])
    await note()
    await store.add(annotation("a2"))
    await note()
    await store.change(APP, "a1", "q", "a")
    await note()
    await store.delete(APP, "a2")
    await note()
    await store.begin(job("off", None))
    await replying(store)
    await note()

    assert len(set(versions)) == len(versions)
