"""What schedules start and what they note, whatever the clock and the processes do."""

import json
from collections.abc import AsyncIterator
from datetime import date, datetime

import pytest

from jikko.apps.versions import Workflow, Workflows
from jikko.errors import StoreUnavailable
from jikko.ports.stores.trigger_store import Trigger
from jikko.repositories.app_store import App
from jikko.triggers.schedule_options import ScheduleOptions
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


def timestamp(inputs: str) -> int:
    value: int = json.loads(inputs)["sys.timestamp"]
    return value


async def started_unnoted(world: World) -> tuple[Leader, Trigger]:
    """A leader that could not note the run of its first due time, and the schedule."""
    _, trigger = await scheduled(world)
    leader = Leader(world)
    await leader.at(NOON + 2)
    leader.store.is_lost = True
    with pytest.raises(StoreUnavailable):
        await leader.at(NOON + HOUR)
    return leader, trigger


async def test_a_due_time_starts_a_run_whose_timestamp_is_the_due_time(world: World) -> None:
    _, trigger = await scheduled(world)
    leader = Leader(world)

    await leader.at(NOON + 2)
    assert (await leader.state(trigger)).wake == NOON + HOUR
    await leader.at(NOON + HOUR + 0.25)

    [record] = await leader.records(trigger)
    ended = await world.ended(record.identity.run_id)
    assert ended.status == "succeeded"
    assert timestamp(ended.inputs) == NOON + HOUR
    assert json.loads(ended.inputs)["sys.user_id"] == ""
    assert [(time.due, time.state) for time in await leader.times(trigger)] == [(NOON + HOUR, "started")]
    assert leader.measures.lateness.values[()][-1] == 0.25


async def test_what_is_due_between_the_import_and_the_first_look_runs(world: World) -> None:
    world.now = NOON + HOUR - 3
    _, trigger = await scheduled(world)
    leader = Leader(world)

    await leader.at(NOON + HOUR + 5)

    assert len(await leader.records(trigger)) == 1


async def test_a_leader_that_dies_before_it_notes_the_run_leaves_it_to_the_next(world: World) -> None:
    first, trigger = await started_unnoted(world)
    await first.process.die()

    second = Leader(world)
    await second.at(NOON + HOUR + 30)

    [record] = await second.records(trigger)
    assert timestamp(record.inputs) == NOON + HOUR
    assert await world.store.scan() == [record]


async def test_a_run_that_was_started_and_not_noted_is_not_told_as_missed(world: World) -> None:
    _, trigger = await started_unnoted(world)

    second = Leader.by(world, missed="skip")
    await second.at(NOON + HOUR + 1800)

    assert [time.state for time in await second.times(trigger)] == ["started"]
    assert second.measures.missed.values[()] == 0


async def test_of_several_missed_due_times_the_first_one_that_ran_unnoted_is_told_as_started(world: World) -> None:
    _, trigger = await started_unnoted(world)

    second = Leader(world)
    await second.at(NOON + 4 * HOUR)

    noted = {(time.due - NOON) / HOUR: (time.state, time.count) for time in await second.times(trigger)}
    assert noted == {1.0: ("started", 1), 2.0: ("skipped", 2), 4.0: ("started", 1)}
    assert second.measures.missed.values[()] == 2


async def test_two_leaders_at_once_start_one_run_for_a_due_time(world: World) -> None:
    _, trigger = await scheduled(world)
    leaders = [Leader(world), Leader(world)]
    await leaders[0].at(NOON + 2)
    state = await leaders[0].state(trigger)
    world.now = NOON + HOUR

    # Both have read it before one has dealt with it.
    for leader in leaders:
        await leader.store.save(state)
        await leader.schedules.look()

    assert len(await world.store.scan()) == 1


async def test_a_clock_that_is_set_back_and_forward_starts_each_due_time_once(world: World) -> None:
    _, trigger = await scheduled(world)
    leader = Leader(world)
    for now in (
        2.0,
        HOUR,
        2 * HOUR,
        HOUR - 5,
        HOUR,
        2 * HOUR + 1,
        3 * HOUR,
        3 * HOUR - 90_000,
        3 * HOUR - 90_000 + 7200,
    ):
        await leader.at(NOON + now)
        await leader.store.rouse([trigger.id])
        await leader.schedules.look()

    dues = [timestamp(record.inputs) - NOON for record in await leader.records(trigger)]
    assert dues == [-72_000.0, HOUR, 2 * HOUR, 3 * HOUR]
    assert len(await world.store.scan()) == 4


async def test_what_was_missed_is_noted_and_counted(world: World) -> None:
    _, trigger = await scheduled(world)
    leader = Leader(world)
    await leader.at(NOON + 2)

    await leader.at(NOON + 5 * HOUR + 600)

    skipped, started = await leader.times(trigger)
    assert (skipped.state, skipped.why, skipped.count) == ("skipped", "missed", 4)
    assert (skipped.due, skipped.last, started.due) == (NOON + HOUR, NOON + 4 * HOUR, NOON + 5 * HOUR)
    assert leader.measures.missed.values[()] == 4


async def test_a_schedule_that_is_changed_runs_at_its_new_times_alone(world: World) -> None:
    _, trigger = await scheduled(world)
    leader = Leader(world)
    await leader.at(NOON + 2)
    world.now = NOON + 100

    await scheduled(world, {"mode": "cron", "cron_expression": "30 * * * *"})
    await leader.at(NOON + 200)

    assert (await leader.state(trigger)).wake == NOON + 1800
    assert await leader.times(trigger) == []


async def test_a_new_version_with_the_same_schedule_loses_no_due_time(world: World) -> None:
    _, trigger = await scheduled(world)
    leader = Leader(world)
    await leader.at(NOON + 2)
    world.now = NOON + HOUR + 10

    await scheduled(world, nodes=("other",))
    await leader.at(NOON + HOUR + 20)

    assert len(await leader.records(trigger)) == 1
    assert world.script.ran["work"] == 0


async def test_a_schedule_whose_node_is_gone_or_wrong_runs_nothing(world: World) -> None:
    app, trigger = await scheduled(world)
    leader = Leader(world)
    await leader.at(NOON + 2)

    await world.chain(app.name, "work")
    await leader.at(NOON + HOUR)
    assert (await leader.state(trigger)).wake is None

    await scheduled(world, {"mode": "cron", "cron_expression": "0 9 31 2 *"})
    await leader.at(NOON + 2 * HOUR)
    assert (await leader.state(trigger)).wake is None
    assert await leader.times(trigger) == []

    await world.apps.delete(app)
    await leader.at(NOON + 3 * HOUR)


async def test_a_schedule_that_is_switched_off_makes_up_for_nothing_once_it_is_on_again(world: World) -> None:
    _, trigger = await scheduled(world)
    leader = Leader(world)
    await leader.at(NOON + 2)
    await leader.triggers.enable(trigger, False)

    await leader.at(NOON + HOUR)
    world.now = NOON + HOUR + 1800
    await leader.triggers.enable(trigger, True)
    await leader.store.change(trigger.id, world.now, paused=None)
    await leader.at(NOON + HOUR + 1801)

    assert await leader.times(trigger) == []
    assert (await leader.state(trigger)).wake == NOON + 2 * HOUR


async def test_a_pause_is_over_when_its_time_has_come(world: World) -> None:
    _, trigger = await scheduled(world)
    leader = Leader(world)
    await leader.at(NOON + 2)
    await leader.store.change(trigger.id, world.now, paused="移行 🚚", until=NOON + HOUR + 1)

    await leader.at(NOON + HOUR)
    assert (await leader.state(trigger)).wake == NOON + HOUR + 1
    await leader.at(NOON + HOUR + 1)
    await leader.at(NOON + 2 * HOUR)

    assert [(time.state, time.why) for time in await leader.times(trigger)] == [("skipped", "paused"), ("started", "")]
    assert (await leader.state(trigger)).paused is None


async def test_a_schedule_is_paused_after_failures_in_a_row_until_it_is_switched_on_again(world: World) -> None:
    _, trigger = await scheduled(world)
    leader = Leader.by(world, pause_after_failures=2)
    await leader.at(NOON + 2)
    for hour, fails in enumerate([True, False, True, True], start=1):
        world.script.failing = {"work"} if fails else set()
        await leader.at(NOON + hour * HOUR)
        last = (await leader.records(trigger))[-1].identity.run_id
        await world.ended(last)

    await leader.at(NOON + 5 * HOUR)
    paused = await leader.state(trigger)
    assert paused.paused == f"2 runs in a row failed, the last of them {last}"
    assert paused.wake is None
    assert len(await leader.records(trigger)) == 4

    world.now = NOON + 5 * HOUR + 60
    await leader.store.change(trigger.id, world.now, paused=None, until=world.now)
    await leader.at(NOON + 5 * HOUR + 61)
    await leader.at(NOON + 6 * HOUR)
    assert len(await leader.records(trigger)) == 5


async def test_where_runs_may_overlap_all_run(world: World) -> None:
    _, trigger = await scheduled(world)
    world.script.held = {"work"}
    leader = Leader(world)
    for hour in range(3):
        await leader.at(NOON + 2 + hour * HOUR)

    assert [record.is_open for record in await leader.records(trigger)] == [True, True]


async def test_a_due_time_is_skipped_while_the_run_before_it_is_under_way(world: World) -> None:
    _, trigger = await scheduled(world)
    world.script.held = {"work"}
    leader = Leader.by(world, overlap="skip")
    for hour in range(3):
        await leader.at(NOON + 2 + hour * HOUR)

    assert [(time.state, time.why) for time in await leader.times(trigger)] == [("started", ""), ("skipped", "overlap")]


async def test_due_times_that_wait_start_one_after_the_other_as_runs_end(world: World) -> None:
    _, trigger = await scheduled(world)
    world.script.held = {"work"}
    leader = Leader.by(world, overlap="queue_all")
    for hour in range(4):
        await leader.at(NOON + 2 + hour * HOUR)
    assert [time.state for time in await leader.times(trigger)] == ["started", "waiting", "waiting"]

    world.script.release("work")
    for count in (1, 2, 3):
        [*_, record] = await leader.records(trigger)
        await world.ended(record.identity.run_id)
        # The alarm, and no time, says that it has.
        await leader.alarm.wait(None)
        await leader.schedules.look()
        assert len(await leader.records(trigger)) == min(3, count + 1)
        if count == 2:
            break
    assert [time.state for time in await leader.times(trigger)] == ["started"] * 3
    await leader.schedules.close()


async def test_the_next_leader_takes_up_the_queue(world: World) -> None:
    _, trigger = await scheduled(world)
    world.script.held = {"work"}
    leader = Leader.by(world, overlap="queue_one")
    for hour in range(4):
        await leader.at(NOON + 2 + hour * HOUR)
    await leader.schedules.close()
    world.script.release("work")
    [record] = await leader.records(trigger)
    await world.ended(record.identity.run_id)

    second = Leader.by(world, overlap="queue_one")
    await second.at(NOON + 3 * HOUR + 60)

    assert [(time.state, time.why) for time in await second.times(trigger)] == [
        ("started", ""),
        ("started", ""),
        ("skipped", "overlap"),
    ]


async def test_a_later_due_time_may_take_the_place_of_the_run_under_way(world: World) -> None:
    _, trigger = await scheduled(world)
    world.script.held = {"work"}
    leader = Leader.by(world, overlap="cancel_other")
    for hour in range(3):
        await leader.at(NOON + 2 + hour * HOUR)

    first, second = await leader.records(trigger)
    assert (first.status, second.is_open) == ("stopped", True)


async def test_a_run_that_finds_no_place_is_tried_again(world: World) -> None:
    _, trigger = await scheduled(world)
    world.script.held = {"work"}
    leader = Leader(world, at_once=1, max_per_app=1, queued_per_app=1)
    for hour in range(4):
        await leader.at(NOON + 2 + hour * HOUR)
    assert len(await leader.records(trigger)) == 2
    assert (await leader.state(trigger)).wake == NOON + 2 + 3 * HOUR + 5

    world.script.release("work")
    for record in await leader.records(trigger):
        await world.ended(record.identity.run_id)
    await leader.at(NOON + 2 + 3 * HOUR + 5)

    assert len(await leader.records(trigger)) == 3


async def test_one_schedule_that_cannot_be_read_does_not_hold_up_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, broken = await scheduled(world, name="壊れた", nodes=("work",))
    _, sound = await scheduled(world, name="正しい")
    leader = Leader(world)
    await leader.at(NOON + 2)
    world.classes["code"] = None
    read = Workflows.get

    async def failing(workflows: Workflows, app: App, workflow_id: str | None = None) -> Workflow:
        if app.name == "壊れた":
            raise RuntimeError("unreadable")
        return await read(workflows, app, workflow_id)

    monkeypatch.setattr(Workflows, "get", failing)
    await leader.at(NOON + HOUR)

    assert len(await leader.records(sound)) == 1
    assert (await leader.state(broken)).wake == NOON + HOUR + 5


async def test_options_of_the_operator_bound_a_schedule(world: World) -> None:
    _, trigger = await scheduled(world, {"mode": "cron", "cron_expression": "@every 1h", "timezone": "Asia/Tokyo"})
    options = ScheduleOptions(
        start=datetime(2026, 3, 2, 22, 10), end=datetime(2026, 3, 4, 1), exclude=((date(2026, 3, 3), date(2026, 3, 3)),)
    )
    leader = Leader(world, options)

    # 13:10 and 14:10 in UTC; the day of Tokyo behind it is excluded, and begins at 15:00.
    for minute in range(0, 60 * 60, 10):
        await leader.at(NOON + 60 + minute * 60)

    dues = [datetime.fromtimestamp(timestamp(each.inputs)).astimezone() for each in await leader.records(trigger)]
    assert [due.timestamp() - NOON for due in dues] == [4200.0, 7800.0, 27.0 * HOUR + 600]
    assert (await leader.state(trigger)).wake is None
