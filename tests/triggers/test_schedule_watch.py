"""What wakes schedules and deliveries: neither waits for the other."""

import asyncio
from typing import Any

import pytest

from jikko.triggers.schedule_watch import ScheduleWatch
from tests.runs.world import PATIENCE, World

from .scene import NOON, Leader, scheduled

pytestmark = pytest.mark.anyio


class Deliveries:
    """Deliveries that are due, and take until they are let go."""

    def __init__(self) -> None:
        self.began, self.over = asyncio.Event(), asyncio.Event()

    async def next_look(self) -> float:
        return 0.0

    async def look(self) -> None:
        self.began.set()
        await self.over.wait()


async def test_a_schedule_runs_in_time_though_deliveries_take_long() -> None:
    world = World()
    world.now = NOON + 1
    _, trigger = await scheduled(world)
    leader, slow = Leader(world), Deliveries()
    await leader.at(NOON + 2)
    given: Any = slow
    watch = ScheduleWatch(
        leader.store, leader.schedules, given, given, lambda: world.now, leader.alarm, has_options=False
    )
    watching = asyncio.create_task(watch.watch())
    async with asyncio.timeout(PATIENCE):
        await slow.began.wait()

        world.now = NOON + 3600.0
        leader.alarm.set(world.now)
        while True:
            if await leader.times(trigger, "started"):
                break
            await asyncio.sleep(0.001)

    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await world.close()
