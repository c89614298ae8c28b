"""Contract of ``RunStore`` for runs changed since a known number of events."""

import pytest

from jikko.events import RunRecovered, RunResumed
from jikko.ids import new_id
from jikko.ports.stores.run_store import MAX_CHANGES, Change, RunStore

from .runs import Draft, finished, node, paused, started

pytestmark = pytest.mark.anyio


async def test_each_run_that_has_more_events_is_returned_with_these_and_its_record(store: RunStore) -> None:
    drafts = {name: Draft() for name in ("grew", "ended", "paused", "began and ended")}
    await store.append(drafts["grew"].step(started(q="実行")))
    await store.append(drafts["ended"].step(started()))
    await store.append(drafts["paused"].step(started(), *node()))
    known = {draft.id: len(draft.events) for draft in drafts.values()}
    await store.append(drafts["grew"].step(*node(index=1, text="🙂")))
    await store.append(drafts["grew"].step(*node(index=2)))
    await store.append(drafts["ended"].step(*node(), finished(answer="良い")))
    await store.append(drafts["paused"].step(paused(wake_at=7.0)))
    await store.append(drafts["began and ended"].whole())

    assert await store.changes(known) == {
        draft.id: Change(draft.record, draft.events[known[draft.id] :]) for draft in drafts.values()
    }


async def test_runs_that_have_not_moved_are_left_out(store: RunStore) -> None:
    waits, over, none = Draft(), Draft(), Draft()
    await store.append(waits.step(started(), *node(), paused()))
    await store.append(over.whole())
    await store.append(none.step(started()))

    assert await store.changes({draft.id: len(draft.events) for draft in (waits, over, none)}) == {}
    assert await store.changes({}) == {}
    # A database that went back has fewer than a follower saw; what it lacks is written again.
    assert await store.changes({waits.id: 10, over.id: 10}) == {}


async def test_events_are_returned_from_any_position_on(store: RunStore) -> None:
    run = Draft()
    await store.append(run.step(started(), *node(index=1)))
    await store.append(run.step(*node(index=2), *node(index=3)))

    for count in range(len(run.events)):
        assert await store.changes({run.id: count}) == {run.id: Change(run.record, run.events[count:])}


async def test_a_run_that_another_process_took_over_names_its_new_holder(store: RunStore) -> None:
    run = Draft()
    run.record.holder = "dead/0"
    await store.append(run.step(started()))
    run.record.holder = "living/0"
    await store.append(run.step(RunRecovered(at=1.0, epoch=2)))

    changed = (await store.changes({run.id: 1}))[run.id]

    assert changed.record is not None
    assert (changed.record.holder, changed.record.epoch) == ("living/0", 2)


async def test_a_run_that_was_removed_has_no_record(store: RunStore) -> None:
    removed, stays = Draft(), Draft()
    for draft in (removed, stays):
        await store.append(draft.step(started(), paused()))
    await store.append(removed.step(RunResumed(at=1.0), finished()))
    assert await store.remove(removed.id)

    never = new_id()
    assert await store.changes({removed.id: 2, stays.id: 2, never: 0}) == {
        removed.id: Change(None),
        never: Change(None),
    }
    assert await store.changes({"": 0, "no uuid": 3, "x" * 36: 0, "ä" * 5000: 0}) == {}


async def test_of_very_many_changes_some_are_returned_and_the_others_when_asked_again(store: RunStore) -> None:
    drafts = [Draft() for _ in range(MAX_CHANGES + 3)]
    for draft in drafts:
        await store.append(draft.step(started()))
    known = {draft.id: 0 for draft in drafts}

    first = await store.changes(known)
    for run_id in first:
        del known[run_id]

    assert len(first) == MAX_CHANGES
    assert {**first, **await store.changes(known)} == {draft.id: Change(draft.record, draft.events) for draft in drafts}
