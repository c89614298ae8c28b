"""Waiting until a schedule is due, or a delivery to be looked at: all that a server without them has of them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

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


class ScheduleWatch:
    """Wakes the schedules of the leader when one is due, and the retries of deliveries."""

    def __init__(
        self,
        store: "ScheduleStore",
        schedules: "Schedules",
        deliveries: "DeliveryStore",
        retries: "DeliveryRetries",
        clock: Clock,
        alarm: Alarm,
        *,
        has_options: bool,
    ) -> None:
        """``schedules``: made, with what they import, when the first one is due. ``has_options``: whether the operator
        has set something for schedules, perhaps anew."""
        self._has_options = has_options
        self._store = store
        self._schedules = schedules
        self._deliveries = deliveries
        self._retries = retries
        self._clock = clock
        self._alarm = alarm

    @staticmethod
    def alarm(clock: Clock) -> Alarm:
        return Alarm(clock, look_seconds=_POLL_SECONDS)

    async def watch(self) -> None:
        try:
            # Neither waits for the other: an app whose deliveries take long makes no schedule late.
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch("schedules", self._of_schedules, self._alarm))
                group.create_task(self._watch("deliveries", self._of_deliveries, self.alarm(self._clock)))
        finally:
            if is_made(self._schedules):
                await self._schedules.close()

    def options_changed(self) -> None:
        """Have all schedules looked at: what the operator sets is another now."""
        self._has_options = True
        self._alarm.set(self._clock())

    async def _watch(self, what: str, look: Callable[[], Awaitable[float | None]], alarm: Alarm) -> None:
        while True:
            await alarm.wait(await self._next(what, look))

    async def _next(self, what: str, look: Callable[[], Awaitable[float | None]]) -> float | None:
        try:
            return await look()
        except JikkoError as error:
            log.error("%s cannot be read, trying again: %s", what, error)
            return self._clock() + _TRY_AGAIN_SECONDS

    async def _of_deliveries(self) -> float | None:
        next_at = await self._deliveries.next_look()
        if next_at is None or next_at > self._clock():
            return next_at
        await self._retries.look()
        return await self._deliveries.next_look()

    async def _of_schedules(self) -> float | None:
        if self._has_options:
            await self._store.rouse_all()
            self._has_options = False
        next_at = await self._store.next_wake()
        if next_at is None or next_at > self._clock():
            return next_at
        await self._schedules.look()
        return await self._store.next_wake()
