"""What people see of schedules, and do to them."""

import threading
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from msgspec import field

from jikko.errors import InvalidParam, NotFound
from jikko.triggers.planning import DueTimes
from jikko.triggers.schedule_control import ScheduleControl
from jikko.triggers.schedule_options import ScheduleOptions, ScheduleReader
from tests.runs.world import World

from .scene import NOON, Leader, scheduled

pytestmark = pytest.mark.anyio
HOUR = 3600.0


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    made.now = NOON + 1
    yield made
    await made.close()


def control_of(world: World, leader: Leader) -> ScheduleControl:
    reader = ScheduleReader(world.app_store, leader.process.workflows, lambda trigger, app: ScheduleOptions())
    return ScheduleControl(leader.store, reader, lambda: world.now)


async def test_the_next_ten_times_and_the_last_ones_are_shown(world: World) -> None:
    _, trigger = await scheduled(world)
    leader = Leader(world)
    await leader.at(NOON + 2)
    await leader.at(NOON + 3 * HOUR)

    view = await control_of(world, leader).view(trigger)

    assert list(view.next) == [NOON + hour * HOUR for hour in range(4, 14)]
    assert [(time.due, time.state, time.count) for time in view.recent] == [
        (NOON + 3 * HOUR, "started", 1),
        (NOON + HOUR, "skipped", 2),
    ]
    assert (view.paused, view.error) == (None, "")


async def test_a_schedule_that_never_runs_says_why(world: World) -> None:
    _, trigger = await scheduled(world, {"mode": "cron", "cron_expression": "0 9 31 2 *"})

    view = await control_of(world, Leader(world)).view(trigger)

    assert (view.next, view.error) == ((), "no such date ever comes")


async def test_a_paused_schedule_goes_on_when_it_is_resumed_and_makes_up_for_nothing(world: World) -> None:
    _, trigger = await scheduled(world)
    leader = Leader(world)
    control = control_of(world, leader)
    await leader.at(NOON + 2)
    await control.pause(trigger, "棚卸し 📦")
    await leader.at(NOON + HOUR + 5)
    assert (await control.view(trigger)).paused == "棚卸し 📦"

    await control.resume(trigger)
    await leader.at(NOON + HOUR + 6)
    assert await leader.times(trigger) == []
    await leader.at(NOON + 2 * HOUR)

    assert len(await leader.records(trigger)) == 1
    with pytest.raises(InvalidParam, match="in the future"):
        await control.pause(trigger, "", until=world.now)


@pytest.mark.parametrize("pause", [3 * HOUR, 2 * HOUR + 5])
@pytest.mark.parametrize("jitter", [0.0, HOUR])
async def test_the_first_due_time_that_is_shown_of_a_pause_is_the_first_that_runs(
    world: World, jitter: float, pause: float
) -> None:
    _, trigger = await scheduled(world)
    leader = Leader.by(world, jitter=jitter)
    reader = ScheduleReader(world.app_store, leader.process.workflows, lambda trigger, app: leader.options)
    control = ScheduleControl(leader.store, reader, lambda: world.now)
    await leader.at(NOON + 2)
    await control.pause(trigger, "棚卸し 📦", until=NOON + pause)

    [first, *_] = (await control.view(trigger)).next
    world.now = NOON + pause - 1
    [still_first, *_] = (await control.view(trigger)).next
    await leader.at(NOON + pause)
    await leader.at(NOON + pause + HOUR - 1)

    assert [time.due for time in await leader.times(trigger, "started")][:1] == [first] == [still_first]


async def test_a_run_by_hand_takes_the_place_of_no_due_time(world: World) -> None:
    _, trigger = await scheduled(world)
    leader = Leader.by(world, overlap="skip")
    world.script.held = {"work"}
    await leader.at(NOON + 2)
    world.now = NOON + HOUR - 10

    assert await control_of(world, leader).fire(trigger) == world.now
    await leader.schedules.look()
    assert [time.state for time in await leader.times(trigger)] == ["started"]
    assert (await leader.state(trigger)).wake == NOON + HOUR


async def test_a_backfill_runs_what_has_not_run_one_after_the_other(world: World) -> None:
    _, trigger = await scheduled(world)
    leader = Leader(world)
    control = control_of(world, leader)
    await leader.at(NOON + 2)
    await leader.at(NOON + HOUR)

    assert await control.backfill(trigger, NOON - HOUR, NOON + 9 * HOUR, "queue_all") == 2
    for _ in range(2):
        await leader.schedules.look()
        records = await leader.records(trigger)
        for record in records:
            await world.ended(record.identity.run_id)
        await leader.store.rouse([trigger.id])

    assert [time.due - NOON for time in await leader.times(trigger, "started")] == [-HOUR, 0.0, HOUR]
    assert await control.backfill(trigger, NOON - HOUR, NOON + 9 * HOUR, "allow") == 0


async def test_a_backfill_that_is_dropped_runs_no_more_but_what_was_asked_for_by_hand(world: World) -> None:
    _, trigger = await scheduled(world)
    leader = Leader(world)
    control = control_of(world, leader)
    await leader.at(NOON + 2)
    await control.pause(trigger, "休止", None)
    assert await control.backfill(trigger, NOON - 3 * HOUR, NOON - HOUR, "queue_all") == 3
    by_hand = await control.fire(trigger)

    assert await control.drop_backfill(trigger) == 3
    assert await control.drop_backfill(trigger) == 0
    await leader.schedules.look()

    assert [time.due for time in await leader.times(trigger, "started")][-1:] == [by_hand]
    dropped = (await control.view(trigger)).recent
    assert [(time.state, time.why) for time in dropped if time.due < NOON] == [("skipped", "dropped")] * 3


async def test_a_backfill_of_too_many_due_times_adds_none(world: World) -> None:
    _, trigger = await scheduled(world, {"mode": "cron", "cron_expression": "@every 1s"})
    leader = Leader(world)

    with pytest.raises(InvalidParam, match="More than 10000 due times"):
        await control_of(world, leader).backfill(trigger, NOON - 10 * HOUR, NOON, "allow")

    assert await leader.times(trigger) == []


async def test_what_is_not_a_schedule_is_not_found(world: World) -> None:
    app, trigger = await scheduled(world)
    leader = Leader(world)
    await world.chain(app.name, "work")

    with pytest.raises(NotFound, match="no schedule node 'clock'"):
        await control_of(world, leader).fire(trigger)


async def test_a_backfill_of_months_ago_runs_one_after_the_other_too(world: World) -> None:
    _, trigger = await scheduled(world)
    world.script.held = {"work"}
    leader = Leader(world)
    await leader.at(NOON + 2)
    begin = NOON - 90 * 24 * HOUR

    assert await control_of(world, leader).backfill(trigger, begin, begin + 2 * HOUR, "queue_all") == 3
    for _ in range(2):
        await leader.schedules.look()
        await leader.store.rouse([trigger.id])

    assert [time.state for time in await leader.times(trigger)] == ["started", "waiting", "waiting"]
    await leader.schedules.close()


@pytest.mark.parametrize("is_off", [False, True])
async def test_what_waits_starts_once_its_schedule_is_on_and_not_paused(world: World, is_off: bool) -> None:
    _, trigger = await scheduled(world)
    leader = Leader(world)
    control = control_of(world, leader)
    await leader.at(NOON + 2)
    if is_off:
        await leader.triggers.enable(trigger, False)
    else:
        await control.pause(trigger, "棚卸し 📦", world.now + HOUR / 2)

    await control.backfill(trigger, NOON - HOUR, NOON, "allow")
    await leader.at(NOON + 3)
    assert [time.state for time in await leader.times(trigger)] == ["waiting", "waiting"]

    if is_off:
        await leader.triggers.enable(trigger, True)
        await control.resume(trigger)
    await leader.at(NOON + 3 + HOUR / 2)
    assert [time.state for time in await leader.times(trigger)] == ["started", "started"]


async def test_a_run_by_hand_starts_though_its_schedule_is_off(world: World) -> None:
    _, trigger = await scheduled(world)
    leader = Leader(world)
    await leader.at(NOON + 2)
    await leader.triggers.enable(trigger, False)

    await control_of(world, leader).fire(trigger)
    await leader.at(NOON + 3)

    assert [time.state for time in await leader.times(trigger)] == ["started"]


async def test_a_pause_of_more_than_ten_years_is_refused(world: World) -> None:
    _, trigger = await scheduled(world)

    with pytest.raises(InvalidParam, match="at most ten years"):
        await control_of(world, Leader(world)).pause(trigger, "", until=world.now + 1e15)


class Threads(ScheduleOptions, frozen=True):
    """Options by which due times note in what threads they are computed."""

    seen: set[int] = field(default_factory=set)

    def due_times(self, config: Mapping[str, Any]) -> DueTimes:
        times, seen = super().due_times(config), self.seen

        class Noting(DueTimes, frozen=True):
            def after(self, moment: float) -> float | None:
                seen.add(threading.get_ident())
                return super().after(moment)

        return Noting(recurrence=times.recurrence, zone=times.zone)


async def test_the_due_times_of_a_backfill_are_computed_off_the_event_loop(world: World) -> None:
    _, trigger = await scheduled(world)
    leader, options = Leader(world), Threads()
    reader = ScheduleReader(world.app_store, leader.process.workflows, lambda trigger, app: options)

    assert await ScheduleControl(leader.store, reader, lambda: world.now).backfill(trigger, NOON - HOUR, NOON, "allow")

    assert options.seen
    assert threading.get_ident() not in options.seen
