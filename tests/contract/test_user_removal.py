"""Contract of ``RunStore`` for removing an end user."""

import msgspec
import pytest

from jikko.ports.stores.run_store import KeyClaim, LogQuery, RunStore

from .runs import APP, OTHER_APP, Draft, started

pytestmark = pytest.mark.anyio


async def listed(store: RunStore) -> set[str]:
    found = await store.list_runs(LogQuery(app_id=APP))
    assert found.total == len(found.records)
    return {record.identity.run_id for record in found.records}


async def test_runs_of_one_end_user_that_have_ended_are_removed(store: RunStore) -> None:
    theirs, other, elsewhere, open_ = Draft(), Draft(user="berta"), Draft(app=OTHER_APP), Draft()
    for draft in (theirs, other, elsewhere):
        await store.append(draft.whole(1000))
    await store.append(open_.step(started(1000)))

    assert await store.remove_of_user(APP, "ID of anna") == 1

    assert await store.record(theirs.id) is None
    assert await store.events(theirs.id) == []
    assert await listed(store) == {open_.id, other.id}
    assert await store.events(elsewhere.id) == elsewhere.events
    assert await store.open_of_user(APP, "id of anna") == [open_.id]
    assert await store.open_of_user(OTHER_APP, "id of anna") == []


async def test_their_keys_go_with_them_so_that_a_run_that_is_put_back_has_none(store: RunStore) -> None:
    run = Draft()
    append = run.whole(1000)
    claim = KeyClaim(key="鍵", fingerprint=b"f", at=1000, lifetime=1e9)
    await store.append(msgspec.structs.replace(append, projections=(claim,)))
    assert await store.claimed(APP, "鍵", now=1001) == (run.id, b"f")
    await store.remove_of_user(APP, "id of anna")

    await store.append(append)

    assert await listed(store) == {run.id}
    assert await store.claimed(APP, "鍵", now=1001) is None


async def test_so_they_are_in_steps_of_a_limited_size(store: RunStore) -> None:
    for _ in range(5):
        await store.append(Draft().whole(1000))

    assert [await store.remove_of_user(APP, "id of anna", limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert await listed(store) == set()
