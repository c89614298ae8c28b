"""Contract of ``DeliveryStore``."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from jikko.ids import new_id
from jikko.ports.stores.run_store import DeliveryReceived, RunStore
from jikko.ports.stores.trigger_store import Delivery, Trigger, Verdict
from jikko.repositories.app_store import AppStore
from jikko.repositories.delivery_store import ADD, COUNT, FORGET, DeliveryStore
from jikko.store.postgres.app_store import PostgresAppStore
from jikko.store.postgres.runs.run_store import PostgresRunStore
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.store.sqlite.database import SQLITE
from tests.store.postgres_server import POSTGRES, new_database

from .runs import APP, OTHER_APP, Draft, finished, paused, started
from .test_app_store import a_version, an_app

pytestmark = pytest.mark.anyio

HOOK, OTHER = APP, OTHER_APP
"""Ids of triggers."""


@dataclass
class Stores:
    deliveries: DeliveryStore
    runs: RunStore
    apps: AppStore


@pytest.fixture(params=["sqlite", POSTGRES])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    if request.param == "postgres":
        async with new_database(request) as postgres:
            runs = PostgresRunStore(postgres)
            yield Stores(DeliveryStore(postgres), runs, PostgresAppStore(postgres))
            await runs.close()
        return
    database = Database.open(tmp_path / "jikko.db")
    yield Stores(DeliveryStore(database), SqliteRunStore(database), AppStore(database))
    database.close()


@pytest.fixture
def store(stores: Stores) -> DeliveryStore:
    return stores.deliveries


async def add(store: DeliveryStore, *deliveries: Delivery) -> None:
    for delivery in deliveries:
        await store.add(delivery, since=0.0, most=100)


def a_delivery(at: float, trigger: str = HOOK, verdict: Verdict = "refused") -> Delivery:
    return Delivery(
        id=new_id(),
        app_id=APP,
        trigger_id=trigger,
        received_at=at,
        verdict=verdict,
        reason="理由 🙂",
        sender_id="送信 1",
        method="POST",
        size=3,
    )


async def test_deliveries_of_triggers_are_listed_newest_first(store: DeliveryStore) -> None:
    first, second, third = a_delivery(1.0), a_delivery(2.0, OTHER, "duplicate"), a_delivery(3.0)
    await add(store, first, second, third)

    assert await store.find(first.id.upper()) == first
    assert await store.find(new_id()) is None
    assert await store.newest([HOOK, OTHER]) == [third, second, first]
    assert await store.newest([HOOK], limit=1) == [third]
    assert await store.newest([HOOK, OTHER], before=(third.received_at, third.id)) == [second, first]
    assert await store.newest([HOOK, OTHER], since=2.0) == [third, second]
    assert await store.newest([]) == []
    assert (await store.refused(HOOK, since=1.0), await store.refused(OTHER, since=0.0)) == (2, 0)


async def test_a_delivery_is_set_aside(store: DeliveryStore) -> None:
    delivery = a_delivery(1.0)
    await add(store, delivery)

    assert await store.discard(delivery.id, [], 9.0)
    assert await store.find(delivery.id) == replace(delivery, discarded_at=9.0)
    assert not await store.discard(new_id(), [], 9.0)


async def test_a_delivery_that_another_run_repeats_is_not_set_aside(stores: Stores) -> None:
    first = Draft()
    repeats = Draft(retry_of=first.id)
    delivery = replace(a_delivery(1.0, verdict="accepted"), run_id=first.id)
    begin = first.step(started(1.0))
    await stores.runs.append(replace(begin, projections=(DeliveryReceived(delivery=delivery),)))
    await stores.runs.append(first.step(finished(2.0, "failed")))
    await stores.runs.append(repeats.step(started(3.0)))
    store = stores.deliveries

    assert not await store.discard(delivery.id, [first.id], 1.0)
    await stores.runs.append(repeats.step(finished(4.0, "failed")))
    assert not await store.discard(delivery.id, [first.id], 1.0)
    assert await store.discard(delivery.id, [first.id, repeats.id], 3.0)


async def test_what_is_old_is_removed(store: DeliveryStore) -> None:
    kept = [a_delivery(5.0), a_delivery(3.0, verdict="duplicate")]
    await add(store, a_delivery(1.0, verdict="duplicate"), a_delivery(1.5), a_delivery(1.9), *kept)

    assert await store.prune(2.0, limit=2) == 2
    assert await store.prune(2.0, limit=2) == 1
    assert await store.prune(2.0) == 0
    assert sorted(each.id for each in await store.newest([HOOK])) == sorted(each.id for each in kept)


async def test_a_delivery_stays_as_long_as_its_run(stores: Stores) -> None:
    waits, ended, gone = Draft(), Draft(), Draft()
    for run in (waits, ended, gone):
        delivery = replace(a_delivery(1.0, verdict="accepted"), run_id=run.id)
        begin = run.step(started(1.0), paused(1.0))
        await stores.runs.append(replace(begin, projections=(DeliveryReceived(delivery=delivery),)))
    await stores.runs.append(ended.step(finished(9.0)))
    await stores.runs.append(gone.step(finished(2.0)))
    assert await stores.runs.prune(5.0) == 1

    assert await stores.deliveries.prune(5.0) == 1

    assert {each.run_id for each in await stores.deliveries.newest([HOOK])} == {waits.id, ended.id}


async def test_of_calls_that_start_no_run_some_of_each_trigger_are_kept_for_a_time(store: DeliveryStore) -> None:
    first, second, third, later = (a_delivery(at) for at in (1.0, 2.0, 3.0, 4.0))
    others = [a_delivery(1.0, OTHER), a_delivery(0.5, verdict="duplicate")]
    await add(store, *others, first, second)

    await store.add(third, since=1.0, most=2)
    assert await store.newest([HOOK], limit=2) == [second, first]
    await store.add(later, since=1.5, most=2)

    kept = await store.newest([HOOK, OTHER])
    assert kept[:2] == [later, second]
    assert sorted(each.id for each in kept[2:]) == sorted(each.id for each in others)


async def test_deliveries_go_with_their_app(stores: Stores) -> None:
    app, other = an_app(), an_app("別")
    hooks = [Trigger(id=new_id(), app_id=each.id, node_id="h", kind="webhook", created_at=1.0) for each in (app, other)]
    for each, hook in zip((app, other), hooks, strict=True):
        await stores.apps.publish(each, a_version(), [hook])
        await add(stores.deliveries, a_delivery(1.0, hook.id))

    assert await stores.apps.delete_app(app.id, at=2.0)

    assert [each.trigger_id for each in await stores.deliveries.newest([hook.id for hook in hooks])] == [hooks[1].id]


@pytest.mark.parametrize("statement", [FORGET, COUNT, ADD])
async def test_a_flood_of_refused_calls_reads_no_other_deliveries_by_sqlite(tmp_path: Path, statement: str) -> None:
    values = {"most": 500, "since": 1.0, "verdict": "refused", "trigger_id": HOOK}
    values |= {name: None for name in re.findall(r"(?<!:):(\w+)", statement) if name not in values}
    bound = SQLITE.statement(statement).bound(values)
    database = Database.open(tmp_path / "jikko.db")

    plan = database.quick(lambda c: [row[3] for row in c.execute(f"EXPLAIN QUERY PLAN {bound[0]}", bound[1])])

    database.close()
    [step] = [step for step in plan if "deliveries" in step]
    assert "INDEX deliveries_not_accepted (trigger_id=? AND verdict=?" in step


async def test_what_is_to_be_looked_at_is_found_but_for_what_succeeded(stores: Stores) -> None:
    runs = {status: Draft() for status in ("succeeded", "partial-succeeded", "failed", "running")}
    ids = {}
    for at, (status, run) in enumerate(runs.items(), 1):
        delivery = replace(a_delivery(1.0, verdict="accepted"), run_id=run.id, retries=3, look_at=float(at))
        ids[status] = delivery.id
        begin = run.step(started(1.0))
        await stores.runs.append(replace(begin, projections=(DeliveryReceived(delivery=delivery),)))
        if status != "running":
            await stores.runs.append(run.step(finished(2.0, status)))  # type: ignore[arg-type]
    store = stores.deliveries
    assert await store.next_look() == 1.0

    assert [each.id for each in await store.due(3.0)] == [ids["failed"]]
    assert [each.retries for each in await store.due(9.0)] == [3, 3]
    assert [each.id for each in await store.due(9.0, limit=1)] == [ids["failed"]]
    assert await store.next_look() == 3.0

    await store.looked(ids["failed"], 20.0, 5.0)
    await store.looked(ids["succeeded"], 20.0, 5.0)
    assert (await store.dead(), await store.next_look()) == (1, 4.0)
    assert await store.discard(ids["failed"], [runs["failed"].id], 9.0)
    await store.looked(ids["failed"], 20.0, 5.0)
    assert (await store.dead(), [each.id for each in await store.due(99.0)]) == (0, [ids["running"]])


async def test_retries_that_are_due_come_before_looks_at_dead_deliveries(stores: Stores) -> None:
    dead, due = (
        replace(a_delivery(1.0), retries=3, look_at=look_at, dead_at=dead_at)
        for look_at, dead_at in ((1.0, 1.0), (2.0, None))
    )
    await add(stores.deliveries, dead, due)

    assert await stores.deliveries.due(9.0, limit=1) == [due]
    assert await stores.deliveries.due(9.0) == [due, dead]
