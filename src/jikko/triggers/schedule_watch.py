"""Timer of schedules and deliveries: all that a server without any loads of them."""

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
    from jikko.triggers.deliveries import DeliveryRetries
    from jikko.triggers.schedules import Schedules

log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 10.0
"""Poll interval, in seconds: imports, commands and clock changes notify no server."""
_RETRY_SECONDS: Final = 5.0


def new_alarm(clock: Clock) -> Alarm:
    return Alarm(clock, look_seconds=_POLL_SECONDS)


class ScheduleWatch(Struct, eq=False):
    """Wakes the leader's schedules and delivery retries when due."""

    store: "ScheduleStore"
    schedules: "Schedules"
    """Created, with its imports, when first due."""
    deliveries: "DeliveryStore"
    retries: "DeliveryRetries"
    clock: Clock
    alarm: Alarm
    has_options: bool
    """Whether the operator's options may have changed."""

    async def watch(self) -> None:
        try:
            # Independent: slow deliveries of an app delay no schedule.
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch("schedules", self._of_schedules, self.alarm))
                group.create_task(self._watch("deliveries", self._of_deliveries, new_alarm(self.clock)))
        finally:
            if is_made(self.schedules):
                await self.schedules.close()

    def options_changed(self) -> None:
        """Re-plan all schedules after a change of the operator's options."""
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
            return self.clock() + _RETRY_SECONDS

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
