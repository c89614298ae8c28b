"""What every store does with each kind of projection: it is there with the events that it came with, or not at all."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from jikko.errors import JikkoError, KeyTaken, LogConflict
from jikko.ports.stores.callback_store import CallbackStore
from jikko.ports.stores.projections import CallbackRequest, KeyClaim, Projection
from jikko.ports.stores.run_store import Append, LogQuery, RunStore
from jikko.store.memory import MemoryCallbackStore, MemoryRunStore
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.store.sqlite.callback_store import SqliteCallbackStore

from .runs import APP, Draft, finished, node, started

pytestmark = pytest.mark.anyio

Stores = tuple[RunStore, CallbackStore]


@dataclass(frozen=True)
class Kind:
    """How a kind is tried."""

    example: Projection
    is_there: Callable[[Stores, Draft], Awaitable[bool]]
    """Whether the run has it."""
    refusal: type[JikkoError] | None = None
    """What is raised if another run has just that, and it cannot be both's."""


async def has_key(stores: Stores, run: Draft) -> bool:
    found = await stores[0].claimed(APP, "鍵 🔑", now=1000.0)
    return found == (run.id, b"print")


async def has_callback(stores: Stores, run: Draft) -> bool:
    found = await stores[1].find(run.id)
    return found is not None and found.url == "https://example.com/戻り?a=\ue000"


KINDS: dict[type[Projection], Kind] = {
    KeyClaim: Kind(KeyClaim(key="鍵 🔑", fingerprint=b"print", at=1000.0), has_key, KeyTaken),
    CallbackRequest: Kind(CallbackRequest(url="https://example.com/戻り?a=\ue000"), has_callback),
}


@pytest.fixture(params=["memory", "sqlite"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    if request.param == "memory":
        memory = MemoryRunStore()
        yield memory, MemoryCallbackStore(memory)
        await memory.close()
    else:
        database = Database.open(tmp_path / "jikko.db")
        store = SqliteRunStore(database)
        yield store, SqliteCallbackStore(database)
        await store.close()


@pytest.fixture(params=KINDS.values(), ids=[kind.__name__ for kind in KINDS])
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


def having(append: Append, *projections: Projection) -> Append:
    return msgspec.structs.replace(append, projections=projections)


def test_every_kind_is_tried() -> None:
    assert set(KINDS) == set(get_args(Projection))


async def test_it_is_there_with_the_events_that_it_came_with(stores: Stores, kind: Kind) -> None:
    run = Draft()

    await stores[0].append(having(run.step(started()), kind.example))

    assert await kind.is_there(stores, run)
    assert await stores[0].events(run.id) == run.events


async def test_it_is_there_with_a_run_that_ends_as_it_begins(stores: Stores, kind: Kind) -> None:
    run = Draft()

    await stores[0].append(having(run.whole(), kind.example))

    assert await kind.is_there(stores, run)


async def test_it_may_come_with_any_append(stores: Stores, kind: Kind) -> None:
    run = Draft()
    await stores[0].append(run.step(started()))
    assert not await kind.is_there(stores, run)

    await stores[0].append(having(run.step(*node(), finished()), kind.example))

    assert await kind.is_there(stores, run)


async def test_it_is_not_there_if_the_events_are_refused(stores: Stores, kind: Kind) -> None:
    run = Draft()
    first = run.step(started())
    await stores[0].append(first)

    with pytest.raises(LogConflict):
        await stores[0].append(having(first, kind.example))

    assert not await kind.is_there(stores, run)


async def test_the_events_are_not_there_if_it_is_refused(stores: Stores, kind: Kind) -> None:
    first, second = Draft(), Draft()
    await stores[0].append(having(first.step(started()), kind.example))
    writing = stores[0].append(having(second.step(started()), kind.example))

    if kind.refusal is None:
        await writing
        assert await kind.is_there(stores, second)
    else:
        with pytest.raises(kind.refusal):
            await writing
        assert await stores[0].record(second.id) is None
        assert await kind.is_there(stores, first)


async def test_it_goes_with_its_run(stores: Stores, kind: Kind) -> None:
    run = Draft()
    await stores[0].append(having(run.whole(), kind.example))
    for callback in await stores[1].due(5000.0):
        await stores[1].save(msgspec.structs.replace(callback, state="delivered", finished_at=5000.0))

    assert await stores[0].prune(9000.0) == 1

    assert not await kind.is_there(stores, run)


async def test_several_kinds_come_together_or_not_at_all(stores: Stores) -> None:
    first, second = Draft(), Draft()
    examples = [kind.example for kind in KINDS.values()]
    await stores[0].append(having(first.step(started()), *examples))

    with pytest.raises(KeyTaken):
        await stores[0].append(having(second.step(started()), *reversed(examples)))

    assert [await kind.is_there(stores, first) for kind in KINDS.values()] == [True] * len(KINDS)
    assert [await kind.is_there(stores, second) for kind in KINDS.values()] == [False] * len(KINDS)


async def test_what_follows_from_every_run_follows_from_its_status_and_its_removal(stores: Stores) -> None:
    """How many there are, and which are found by a keyword."""
    runs, totals = [Draft() for _ in range(8)], []

    async def count() -> None:
        page = await stores[0].list_runs(LogQuery(app_id=APP))
        failed = await stores[0].list_runs(LogQuery(app_id=APP, status="failed"))
        found = await stores[0].list_runs(LogQuery(app_id=APP, keyword="kyoto"))
        totals.append((page.total, failed.total, found.total))

    for run in runs:
        await stores[0].append(run.step(started(q="Kyoto")))
    await stores[0].index(limit=8)
    await count()
    await stores[0].append(runs[0].step(finished(1001.0, "failed")))
    await stores[0].append(runs[1].step(finished(1001.0)))
    await stores[0].index(limit=8)
    await count()
    await stores[0].prune(2000.0)
    await count()

    assert totals == [(8, 0, 8), (8, 1, 8), (6, 0, 6)]
