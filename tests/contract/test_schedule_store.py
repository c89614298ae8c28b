"""Contract of ``ScheduleStore``."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from jikko.ids import new_id
from jikko.ports.stores.trigger_store import DueState, DueTime, ScheduleState, Trigger
from jikko.repositories.app_store import App, AppStore
from jikko.repositories.schedule_store import FORGET, TIMES, ScheduleStore
from jikko.store.postgres.app_store import PostgresAppStore
from jikko.store.sqlite import Database
from jikko.store.sqlite.database import SQLITE
from tests.store.postgres_server import POSTGRES, new_database

from .test_app_store import a_version, an_app

pytestmark = pytest.mark.anyio


@dataclass
class Stores:
    apps: AppStore
    schedules: ScheduleStore

    async def publish(self, at: float, *, trigger: Trigger | None = None) -> Trigger:
        app = an_app(name=new_id()) if trigger is None else await self.apps.app(trigger.app_id)
        assert isinstance(app, App)
        clock = Trigger(id=new_id(), app_id=app.id, node_id="時計", kind="schedule", created_at=at)
        await self.apps.publish(app, a_version(), [clock])
        return trigger or clock


@pytest.fixture(params=["sqlite", POSTGRES])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    if request.param == "postgres":
        async with new_database(request) as postgres:
            yield Stores(PostgresAppStore(postgres), ScheduleStore(postgres))
        return
    database = Database.open(tmp_path / "jikko.db")
    yield Stores(AppStore(database), ScheduleStore(database))
    database.close()


def a_time(trigger: Trigger, due: float, state: DueState, run_id: str = "", why: str = "") -> DueTime:
    return DueTime(trigger_id=trigger.id, due=due, last=due, state=state, at=due + 1, run_id=run_id, why=why)


async def state_of(stores: Stores, trigger: Trigger) -> ScheduleState:
    [state] = await stores.schedules.states([trigger.id])
    return state


async def test_there_is_nothing_to_wait_for_without_schedules(stores: Stores) -> None:
    app = an_app()
    hook = Trigger(id=new_id(), app_id=app.id, node_id="h", kind="webhook", address="a" * 24, created_at=1.0)
    await stores.apps.publish(app, a_version(), [hook])

    assert await stores.schedules.next_wake() is None
    assert await stores.schedules.due(1e12) == []


async def test_a_schedule_that_is_published_is_to_be_planned_at_once(stores: Stores) -> None:
    trigger = await stores.publish(5.0)

    expected = ScheduleState(trigger_id=trigger.id, plan="", changed_at=5.0, handled=5.0, wake=0.0)
    assert await stores.schedules.due(0.0) == [expected]
    assert await stores.schedules.next_wake() == 0.0


async def test_a_schedule_that_is_published_again_keeps_how_far_it_is(stores: Stores) -> None:
    trigger = await stores.publish(5.0)
    state = replace(
        await state_of(stores, trigger), plan="毎朝", handled=70.0, wake=None, paused="祝日", paused_until=9.0
    )
    assert await stores.schedules.save(state)

    await stores.publish(80.0, trigger=trigger)

    assert await state_of(stores, trigger) == replace(state, changed_at=80.0, wake=0.0)


async def test_what_was_decided_before_a_change_is_not_kept_but_what_was_started(stores: Stores) -> None:
    trigger = await stores.publish(5.0)
    before = await state_of(stores, trigger)
    await stores.publish(80.0, trigger=trigger)
    started = a_time(trigger, 70.0, "started", new_id())

    assert not await stores.schedules.save(replace(before, wake=1e9), [started])

    assert (await state_of(stores, trigger)).wake == 0.0
    assert await stores.schedules.times(trigger.id) == [started]


async def test_schedules_are_due_in_the_order_of_their_times(stores: Stores) -> None:
    wakes = [30.0, 10.0, 20.0, None]
    triggers = [await stores.publish(1.0) for _ in wakes]
    for trigger, wake in zip(triggers, wakes, strict=True):
        await stores.schedules.save(replace(await state_of(stores, trigger), wake=wake))

    assert await stores.schedules.next_wake() == 10.0
    assert [state.wake for state in await stores.schedules.due(29.0)] == [10.0, 20.0]
    assert [state.wake for state in await stores.schedules.due(30.0, 2)] == [10.0, 20.0]

    await stores.schedules.rouse([triggers[0].id, triggers[3].id], 15.0)
    await stores.schedules.rouse([triggers[1].id], 15.0)
    assert [state.wake for state in await stores.schedules.due(15.0)] == [10.0, 15.0, 15.0]


async def test_a_due_time_that_was_started_stays_so(stores: Stores) -> None:
    trigger = await stores.publish(1.0)
    started = a_time(trigger, 10.0, "started", new_id())
    skipped = replace(a_time(trigger, 20.0, "skipped", why="missed"), last=40.0, count=3)
    await stores.schedules.save(await state_of(stores, trigger), [started, skipped])

    again = [a_time(trigger, due, "waiting", why="allow") for due in (10.0, 20.0, 50.0)]
    assert await stores.schedules.add_waiting(again) == 2

    assert await stores.schedules.times(trigger.id) == [again[2], again[1], started]
    assert await stores.schedules.times(trigger.id, states=["started"]) == [started]
    assert await stores.schedules.times(trigger.id, limit=1) == [again[2]]
    assert await stores.schedules.waiting(trigger.id) == again[1:]
    assert await stores.schedules.next_wake() == 0.0


async def test_old_due_times_are_forgotten_but_for_those_that_wait(stores: Stores) -> None:
    trigger = await stores.publish(1.0)
    times = [a_time(trigger, 10.0, "skipped"), a_time(trigger, 20.0, "waiting"), a_time(trigger, 30.0, "skipped")]
    await stores.schedules.save(await state_of(stores, trigger), times)

    await stores.schedules.save(await state_of(stores, trigger), forget_before=31.0)

    assert await stores.schedules.times(trigger.id) == [times[2], times[1]]


async def test_an_old_due_time_that_was_made_up_for_lately_is_a_new_one(stores: Stores) -> None:
    trigger = await stores.publish(1.0)
    usual = a_time(trigger, 900.0, "started", new_id())
    made_up = [replace(a_time(trigger, due, "started", new_id()), at=950.0) for due in (10.0, 20.0)]

    await stores.schedules.save(await state_of(stores, trigger), [usual, *made_up], forget_before=500.0)

    assert await stores.schedules.times(trigger.id) == [made_up[1], made_up[0], usual]


async def test_a_pause_and_its_end_are_changes(stores: Stores) -> None:
    trigger = await stores.publish(1.0)
    await stores.schedules.save(replace(await state_of(stores, trigger), plan="p", handled=50.0, wake=60.0))

    assert await stores.schedules.change(trigger.id, 40.0, paused="移行 🚚", until=100.0)
    paused = await state_of(stores, trigger)
    assert (paused.paused, paused.paused_until, paused.handled, paused.wake) == ("移行 🚚", 100.0, 50.0, 0.0)

    assert await stores.schedules.change(trigger.id, 70.0, paused=None, until=70.0)
    assert (await state_of(stores, trigger)).handled == 70.0
    assert not await stores.schedules.change(new_id(), 70.0, paused=None)


async def test_all_of_a_schedule_goes_with_its_app(stores: Stores) -> None:
    trigger = await stores.publish(1.0)
    state, time = await state_of(stores, trigger), a_time(trigger, 10.0, "waiting")
    await stores.schedules.save(state, [time])

    assert await stores.apps.delete_app(trigger.app_id, at=2.0)

    assert await stores.schedules.next_wake() is None
    assert await stores.schedules.times(trigger.id) == []
    assert not await stores.schedules.save(state, [time])
    assert await stores.schedules.add_waiting([time]) == 0


@pytest.mark.parametrize("statement", [FORGET, TIMES])
async def test_of_months_of_due_times_the_newest_and_the_old_ones_alone_are_read_by_sqlite(
    tmp_path: Path, statement: str
) -> None:
    values = {"id": new_id(), "before": 1.0, "states": ["started"], "limit": 20}
    bound = SQLITE.with_text_ids().statement(statement).bound(values)
    database = Database.open(tmp_path / "jikko.db")

    plan = database.quick(lambda c: [row[3] for row in c.execute(f"EXPLAIN QUERY PLAN {bound[0]}", bound[1])])

    database.close()
    [step] = plan
    assert "INDEX due_times_by_age (trigger_id=?" in step
