"""Waiting until a schedule is due, or a delivery to be looked at: all that a server without them has of them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from jikko.concurrency.alarm import Alarm
from jikko.concurrency.lazy_proxy import is_made
from jikko.errors import JikkoError
from jikko.ports.clock import Clock

if TYPE_CHECKING:
    from jikko.repositories.delivery_store import DeliveryStore
    from jikko.repositories.schedule_store import ScheduleStore
    from jikko.triggers.delivery_retries import DeliveryRetries
    from jikko.triggers.schedules import Schedules

log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 10.0
"""After which there is a look though nothing is due: imports and commands tell no server, nor does a clock that is set
forward."""
_TRY_AGAIN_SECONDS: Final = 5.0


def new_alarm(clock: Clock) -> Alarm:
    """What wakes a ``ScheduleWatch``."""
    return Alarm(clock, look_seconds=_POLL_SECONDS)


class ScheduleWatch(Struct, eq=False):
    """Wakes the schedules of the leader when one is due, and the retries of deliveries."""

    store: "ScheduleStore"
    schedules: "Schedules"
    """Made, with what they import, when the first one is due."""
    deliveries: "DeliveryStore"
    retries: "DeliveryRetries"
    clock: Clock
    alarm: Alarm
    has_options: bool
    """Whether the operator has set something for schedules, perhaps anew."""

    async def watch(self) -> None:
        try:
            # Neither waits for the other: an app whose deliveries take long makes no schedule late.
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch("schedules", self._of_schedules, self.alarm))
                group.create_task(self._watch("deliveries", self._of_deliveries, new_alarm(self.clock)))
        finally:
            if is_made(self.schedules):
                await self.schedules.close()

    def options_changed(self) -> None:
        """Have all schedules looked at: what the operator sets is another now."""
        self.has_options = True
        self.alarm.set(self.clock())

    async def _watch(self, what: str, look: Callable[[], Awaitable[float | None]], alarm: Alarm) -> None:
        while True:
            await alarm.wait(await self._next(what, look))

    async def _next(self, what: str, look: Callable[[], Awaitable[float | None]]) -> float | None:
        try:
            return await look()
        except JikkoError as error:
            log.error("%s cannot be read, trying again: %s", what, error)
            return self.clock() + _TRY_AGAIN_SECONDS

    async def _of_deliveries(self) -> float | None:
        next_at = await self.deliveries.next_look()
        if next_at is None or next_at > self.clock():
            return next_at
        await self.retries.look()
        return await self.deliveries.next_look()

    async def _of_schedules(self) -> float | None:
        if self.has_options:
            await self.store.rouse_all()
            self.has_options = False
        next_at = await self.store.next_wake()
        if next_at is None or next_at > self.clock():
            return next_at
        await self.schedules.look()
        return await self.store.next_wake()
