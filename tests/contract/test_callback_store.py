"""Contract of ``CallbackStore``."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from jikko.ports.stores.run_store import CallbackRequest, RunStore
from jikko.repositories.callback_store import Callback, CallbackStore
from jikko.store.postgres.runs.run_store import PostgresRunStore
from jikko.store.sqlite import Database, SqliteRunStore
from tests.filled import filled
from tests.store.postgres_server import POSTGRES, new_database

from .runs import APP, OTHER_APP, Draft, finished, paused, started

pytestmark = pytest.mark.anyio

URL = "https://example.com/hook?ä=1"


@pytest.fixture(params=["sqlite", POSTGRES])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[RunStore, CallbackStore]]:
    runs: RunStore
    if request.param == "postgres":
        async with new_database(request) as postgres:
            runs = PostgresRunStore(postgres)
            yield runs, CallbackStore(postgres)
            await runs.close()
        return
    database = Database.open(tmp_path / "jikko.db")
    runs = SqliteRunStore(database)
    yield runs, CallbackStore(database)
    await runs.close()


async def accepted(runs: RunStore, *, ended: bool = False, app: str = APP, at: float = 1000.0, url: str = URL) -> Draft:
    """A run with a callback."""
    run = Draft(app=app)
    append = run.step(started(at))
    append = type(append)(append.run_id, append.at, append.events, append.record, (CallbackRequest(url=url),))
    await runs.append(append)
    if ended:
        await runs.append(run.step(finished(at + 1)))
    return run


async def test_a_callback_is_made_with_its_run_and_is_due_once_the_run_has_ended(
    stores: tuple[RunStore, CallbackStore],
) -> None:
    runs, callbacks = stores
    run = await accepted(runs)
    assert await callbacks.next_due(-1.0) is None
    assert await callbacks.due(5000.0) == []

    await runs.append(run.step(finished()))

    assert await callbacks.next_due(-1.0) == 0.0
    assert await callbacks.due(5000.0) == [Callback(run_id=run.id, app_id=APP, url=URL, created_at=1000.0)]


async def test_those_that_wait_are_counted_and_the_first_attempt_is_told(
    stores: tuple[RunStore, CallbackStore],
) -> None:
    runs, callbacks = stores
    assert await callbacks.pending() == (0, None)
    await accepted(runs)
    waiting = [await accepted(runs, ended=True) for _ in range(3)]
    assert await callbacks.pending() == (3, None)
    for at, run in zip((2000.0, 1500.0, 1000.0), waiting, strict=True):
        found = await callbacks.find(run.id)
        assert found is not None
        state = "delivered" if at == 1000.0 else "pending"
        await callbacks.save(msgspec.structs.replace(found, attempts=1, first_at=at, state=state))

    assert await callbacks.pending() == (2, 1500.0)


async def test_a_run_that_ends_as_soon_as_it_begins_has_its_callback_due(
    stores: tuple[RunStore, CallbackStore],
) -> None:
    runs, callbacks = stores
    run = Draft()
    await runs.append(msgspec.structs.replace(run.whole(), projections=(CallbackRequest(url=URL),)))

    assert [entry.run_id for entry in await callbacks.due(5000.0)] == [run.id]


async def test_a_paused_run_makes_nobody_look_for_what_is_due(stores: tuple[RunStore, CallbackStore]) -> None:
    runs, callbacks = stores
    run = await accepted(runs)
    await runs.append(run.step(paused()))
    entry = await callbacks.find(run.id)
    assert entry is not None

    await callbacks.save(entry)

    assert entry.state == "pending"
    assert await callbacks.next_due(-1.0) is None
    assert await callbacks.due(5000.0) == []


async def test_of_one_receiver_only_n_are_handed_out_the_longest_overdue(
    stores: tuple[RunStore, CallbackStore],
) -> None:
    runs, callbacks = stores
    crowd = [await accepted(runs, ended=True, url=f"http://Me:pw@A.example:80/{number}?x") for number in range(5)]
    alone = await accepted(runs, ended=True, url="http://b.example#x")
    first = next(entry for entry in await callbacks.due(5000.0) if entry.run_id != alone.id)
    await callbacks.save(msgspec.structs.replace(first, next_at=4000.0))

    due = await callbacks.due(5000.0, each=2)

    waiting = sorted({run.id for run in crowd} - {first.run_id})
    assert {entry.run_id for entry in due} == {*waiting[:2], alone.id}
    assert {entry.receiver for entry in due} == {"a.example:80", "b.example"}
    assert [entry.next_at for entry in await callbacks.due(5000.0)] == [0.0] * 5 + [4000.0]
    assert len(await callbacks.due(5000.0, limit=2)) == 2


async def test_a_run_without_a_callback_has_none(stores: tuple[RunStore, CallbackStore]) -> None:
    runs, callbacks = stores
    run = Draft()
    await runs.append(run.whole())

    assert await callbacks.find(run.id) is None
    assert await callbacks.next_due(-1.0) is None


async def test_what_became_of_an_attempt_is_kept(stores: tuple[RunStore, CallbackStore]) -> None:
    runs, callbacks = stores
    run = await accepted(runs, ended=True)
    (entry,) = await callbacks.due(5000.0)
    later = msgspec.structs.replace(entry, attempts=1, first_at=5000.0, next_at=5005.0, error="status 500")

    await callbacks.save(later)

    assert await callbacks.find(run.id.upper()) == later
    assert await callbacks.due(5004.0) == []
    assert await callbacks.due(5005.0) == [later]


@pytest.mark.parametrize("state", ["pending", "delivered", "failed"])
async def test_all_fields_are_kept(stores: tuple[RunStore, CallbackStore], state: str) -> None:
    runs, callbacks = stores
    run = await accepted(runs, ended=True)
    (entry,) = await callbacks.due(5000.0)
    fixed = {name: getattr(entry, name) for name in ("run_id", "app_id", "url", "created_at")}
    whole = filled(Callback, **fixed, state=state)

    await callbacks.save(whole)

    assert await callbacks.find(run.id) == whole


async def test_the_next_one_that_will_be_due_is_known_whosever_it_is(stores: tuple[RunStore, CallbackStore]) -> None:
    runs, callbacks = stores
    for number, next_at in enumerate((7000.0, 6000.0, 8000.0)):
        run = await accepted(runs, ended=True, url=f"http://{number}.example")
        entry = await callbacks.find(run.id)
        assert entry is not None
        await callbacks.save(msgspec.structs.replace(entry, next_at=next_at))

    times = [await callbacks.next_due(after) for after in (0.0, 6000.0, 7500.0, 8000.0)]

    assert times == [6000.0, 7000.0, 8000.0, None]


async def test_what_is_delivered_is_neither_due_nor_undelivered(stores: tuple[RunStore, CallbackStore]) -> None:
    runs, callbacks = stores
    await accepted(runs, ended=True)
    (entry,) = await callbacks.due(5000.0)

    await callbacks.save(msgspec.structs.replace(entry, state="delivered", finished_at=5000.0))

    assert await callbacks.due(9000.0) == []
    assert await callbacks.undelivered() == []
    assert await callbacks.next_due(-1.0) is None


async def test_undelivered_are_those_that_are_tried_or_given_up_oldest_first(
    stores: tuple[RunStore, CallbackStore],
) -> None:
    runs, callbacks = stores
    young = await accepted(runs, ended=True, at=2000.0)
    old = await accepted(runs, ended=True, at=1000.0)
    theirs = await accepted(runs, ended=True, app=OTHER_APP, at=3000.0)
    await accepted(runs)
    (entry,) = [entry for entry in await callbacks.due(5000.0) if entry.run_id == old.id]
    await callbacks.save(msgspec.structs.replace(entry, state="failed", finished_at=5000.0))

    assert [entry.run_id for entry in await callbacks.undelivered()] == [old.id, young.id, theirs.id]
    assert [entry.run_id for entry in await callbacks.undelivered(app_id=OTHER_APP)] == [theirs.id]


async def test_undelivered_are_paged_through_whatever_becomes_of_them_meanwhile(
    stores: tuple[RunStore, CallbackStore],
) -> None:
    runs, callbacks = stores
    made = [await accepted(runs, ended=True, at=float(at)) for at in (1000, 1000, 1000, 2000, 3000)]
    first = await callbacks.undelivered(limit=2)
    await callbacks.save(msgspec.structs.replace(first[-1], state="delivered"))

    second = await callbacks.undelivered(after=first[-1], limit=2)
    third = await callbacks.undelivered(after=second[-1], limit=2)

    at_once = sorted(run.id for run in made[:3])
    assert [entry.run_id for entry in [*first, *second, *third]] == [*at_once, made[3].id, made[4].id]
    assert await callbacks.undelivered(after=third[-1]) == []


async def test_a_callback_goes_with_its_run(stores: tuple[RunStore, CallbackStore]) -> None:
    runs, callbacks = stores
    run = await accepted(runs, ended=True)
    (entry,) = await callbacks.due(5000.0)
    await callbacks.save(msgspec.structs.replace(entry, state="delivered"))
    assert await runs.prune(9000.0) == 1

    await callbacks.save(entry)

    assert await callbacks.find(run.id) is None


async def test_a_run_is_not_removed_before_its_callback_was_delivered_or_given_up(
    stores: tuple[RunStore, CallbackStore],
) -> None:
    runs, callbacks = stores
    run = await accepted(runs, ended=True)
    (entry,) = await callbacks.due(5000.0)
    await callbacks.save(msgspec.structs.replace(entry, attempts=3, next_at=6000.0))
    assert await runs.prune(9000.0) == 0
    assert await runs.record(run.id) is not None
    assert await callbacks.find(run.id) is not None

    await callbacks.save(msgspec.structs.replace(entry, state="failed"))

    assert await runs.prune(9000.0) == 1


async def test_the_secret_of_an_app_stays_what_it_was_first(stores: tuple[RunStore, CallbackStore]) -> None:
    _, callbacks = stores

    assert await callbacks.secret(APP, "one") == "one"
    assert await callbacks.secret(APP, "other") == "one"
    assert await callbacks.secret(OTHER_APP, "other") == "other"
    await callbacks.set_secret(APP, "new")
    assert await callbacks.secret(APP, "other") == "new"


async def test_an_attempt_of_before_takes_nothing_back_that_another_process_has_delivered(
    stores: tuple[RunStore, CallbackStore],
) -> None:
    runs, callbacks = stores
    run = await accepted(runs, ended=True)
    (entry,) = await callbacks.due(5000.0)
    delivered = msgspec.structs.replace(
        entry, state="delivered", attempts=2, first_at=5000.0, finished_at=5010.0, next_at=5005.0
    )
    await callbacks.save(delivered)

    # Two that stood still in the middle of an attempt: one would try again, the other gives up.
    await callbacks.save(msgspec.structs.replace(entry, attempts=1, first_at=5000.0, next_at=5005.0, error="500"))
    await callbacks.save(msgspec.structs.replace(entry, state="failed", attempts=9, first_at=10.0, finished_at=5020.0))
    assert await callbacks.find(run.id) == delivered
    assert await callbacks.due(9000.0) == []

    await callbacks.save(msgspec.structs.replace(delivered, state="pending", first_at=None, next_at=0.0))
    assert [entry.run_id for entry in await callbacks.due(9000.0)] == [run.id]
