"""Contract of ``RunStore`` besides logs: keys, retries, and iteration over all runs."""

import asyncio

import pytest

from jikko.errors import KeyTaken
from jikko.events import RunStatus
from jikko.ports.stores.run_store import Append, KeyClaim, LogQuery, RunStore
from jikko.record import RetryRecord

from .runs import APP, OTHER_APP, Draft, finished, paused, started

pytestmark = pytest.mark.anyio


def _claimed(run: Draft, key: str, fingerprint: bytes = b"one", at: float = 1000.0) -> Append:
    append = run.whole(at)
    claim = KeyClaim(key=key, fingerprint=fingerprint, at=at)
    return Append(append.run_id, append.at, append.events, append.record, (claim,))


async def test_a_key_is_claimed_with_its_run(store: RunStore) -> None:
    run = Draft()
    assert await store.claimed(APP, "key", now=1000.0) is None

    await store.append(_claimed(run, "key"))

    assert await store.claimed(APP, "key", now=1000.0) == (run.id, b"one")
    assert await store.claimed(OTHER_APP, "key", now=1000.0) is None
    assert await store.claimed(APP, "another", now=1000.0) is None


async def test_of_two_runs_with_one_key_the_second_is_not_created(store: RunStore) -> None:
    first, second = Draft(), Draft()

    outcomes = await asyncio.gather(
        store.append(_claimed(first, "key")), store.append(_claimed(second, "key", b"other")), return_exceptions=True
    )

    assert outcomes[0] is None
    assert isinstance(outcomes[1], KeyTaken)
    assert (outcomes[1].run_id, outcomes[1].fingerprint) == (first.id, b"one")
    assert await store.record(second.id) is None


async def test_a_key_can_be_claimed_again_after_its_time(store: RunStore) -> None:
    second = Draft()
    await store.append(_claimed(Draft(), "key"))
    assert await store.claimed(APP, "key", now=1000.0 + 86_400) is None

    await store.append(_claimed(second, "key", at=1000.0 + 86_400))

    assert await store.claimed(APP, "key", now=1000.0 + 86_401) == (second.id, b"one")


async def test_the_runs_that_repeat_a_run_are_found_oldest_first(store: RunStore) -> None:
    first = Draft()
    await store.append(first.whole())
    young, old = Draft(retry_of=first.id), Draft(retry_of=first.id)
    await store.append(young.whole(3000.0))
    await store.append(old.whole(2000.0))

    under_way = Draft(retry_of=first.id)
    await store.append(under_way.step(started(4000.0)))

    assert await store.retries(first.id.upper()) == [
        RetryRecord(old.id, "succeeded", 2000.0),
        RetryRecord(young.id, "succeeded", 3000.0),
        RetryRecord(under_way.id, "running", 4000.0),
    ]
    assert await store.retries(young.id) == []


async def test_a_scan_meets_every_run_once_piece_by_piece(store: RunStore) -> None:
    runs = [Draft(app=(APP, OTHER_APP)[number % 2]) for number in range(10)]
    for run in reversed(runs):
        await store.append(run.step(started()))
    seen: list[str] = []
    while piece := await store.scan(after=seen[-1] if seen else "", limit=3):
        seen += [record.identity.run_id for record in piece]

    assert seen == sorted(run.id for run in runs)
    theirs = await store.scan(app_id=OTHER_APP)
    assert [record.identity.run_id for record in theirs] == sorted(run.id for run in runs[1::2])


async def test_runs_that_were_created_before_a_time_are_found_in_whatever_state(store: RunStore) -> None:
    old = [Draft(), Draft(), Draft(app=OTHER_APP)]
    await store.append(old[0].whole(1000.0))
    await store.append(old[1].step(started(1000.0), paused(1000.0)))
    await store.append(old[2].step(started(1000.0)))
    await store.append(Draft().whole(2000.0))

    assert sorted(await store.created_before(2000.0)) == sorted(run.id for run in old)


async def test_closing_finishes_what_was_appended(store: RunStore) -> None:
    runs = [Draft() for _ in range(50)]
    appended = [store.append(run.whole()) for run in runs]

    await store.close()
    await store.close()

    assert await asyncio.gather(*appended) == [None] * 50


async def test_pruning_may_be_of_one_app_and_be_counted_first(store: RunStore) -> None:
    for app in (APP, OTHER_APP, APP):
        await store.append(Draft(app=app).whole(1000))
    await store.append(Draft(app=APP).whole(6000))

    assert [await store.prunable(2000, app_id=app) for app in (None, APP, OTHER_APP, "nobody")] == [3, 2, 1, 0]
    assert await store.prune(2000, app_id=APP) == 2
    assert [await store.prunable(2000, app_id=app) for app in (None, APP, OTHER_APP)] == [1, 0, 1]


async def test_open_runs_are_listed_by_their_status_like_others(store: RunStore) -> None:
    running, resting, partial = Draft(), Draft(), Draft()
    await store.append(running.step(started(1)))
    await store.append(resting.step(started(2), paused(3)))
    await store.append(partial.step(started(3), finished(4, "partial-succeeded")))  # type: ignore[arg-type]

    assert await _listed(store, "running") == [running.id]
    assert await _listed(store, "paused") == [resting.id]
    assert await _listed(store, "partial-succeeded") == [partial.id]


async def _listed(store: RunStore, status: RunStatus) -> list[str]:
    page = await store.list_runs(LogQuery(app_id=APP, statuses=(status,)))
    assert page.total == len(page.records)
    return [record.identity.run_id for record in page.records]


async def test_runs_that_are_paused_are_counted(store: RunStore) -> None:
    drafts = [Draft() for _ in range(4)]
    await store.append(drafts[0].step(started()))
    for draft in drafts[1:]:
        await store.append(draft.step(started(), paused()))
    await store.append(drafts[3].step(finished()))

    assert await store.paused() == 2
