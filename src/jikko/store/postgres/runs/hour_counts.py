"""Runs of each hour, and their cost: counted by an index, and remembered if they are many.

What was counted of hours that are over is good for ten minutes: runs of theirs that end later, or are removed, are seen
then. The last hours are counted anew each time, so one who looks again and again has the runs of two hours counted, and
not those of a day, or all.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias
from weakref import WeakValueDictionary

from jikko.ports.clock import Clock
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.runs.run_rows import ALL_RUNS

HOUR: Final = 3600
_TTL_SECONDS: Final = 600.0
_TURN_SECONDS: Final = 10.0
"""For which another count is waited for."""
_MOVING: Final = 2
"""Hours, the one that goes on included, that are counted anew."""
MIN_KEPT_RUNS: Final = 20_000
"""Runs from which on what was counted is remembered."""
_CACHE_SIZE: Final = 32
_HOUR_OF: Final = f"floor(created_at / {HOUR})::int4"
_OF_ALL: Final = f"""
SELECT NULL, {_HOUR_OF}, status, count(*), count(*) FROM {ALL_RUNS} WHERE created_at >= $1 GROUP BY 2, 3
"""
_OF_APPS: Final = f"""
SELECT app_id, {_HOUR_OF}, status, count(*), count(*) FROM {ALL_RUNS}
WHERE created_at >= $1 AND app_id = ANY($2::bytea[]) GROUP BY 1, 2, 3
"""
_COSTS: Final = f"""
SELECT app_id, {_HOUR_OF}, NULL, sum(split_part(price, ' ', 1)::float8), count(*), split_part(price, ' ', 2) FROM runs
WHERE created_at >= $1 AND price IS NOT NULL GROUP BY 1, 2, 6
"""


_Key: TypeAlias = tuple[str, tuple[bytes, ...]]
"""A statement, and the apps that it is for."""


class HourCount(NamedTuple):
    """How many runs an hour brought, or what they cost."""

    of: bytes | None
    """An app as it is stored, ``None`` for all."""
    hour: int
    """Since the Unix epoch."""
    status: int | None
    """The number of it; of costs ``None``."""
    value: float
    """How many runs, or what they cost."""
    runs: int
    currency: str = ""
    """Of costs."""


class _Kept(NamedTuple):
    until: float
    """By a clock that nobody sets."""
    first: int
    end: int
    """The first hour behind what was counted."""
    counts: Sequence[HourCount]


class HourCounts:
    """The counts of one database, as one process knows them."""

    def __init__(
        self, database: Postgres, clock: Clock = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """``monotonic``: by which ten minutes are measured: the clock may be set back."""
        self._database = database
        self._clock = clock
        self._monotonic = monotonic
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._counting: WeakValueDictionary[_Key, asyncio.Lock] = WeakValueDictionary()
        """Of many who look for the same at the same moment, one at a time has the database count. It is waited for as
        long as for an answer: or those who look at a database that says nothing would wait for each other."""

    async def runs(self, apps: Sequence[bytes] | None, first: int) -> Sequence[HourCount]:
        """Runs that were created in some hour or later.

        Args:
            apps: Of these, each by itself; ``None``: of all together.
            first: Hours since the Unix epoch.
        """
        return await (self._counted(_OF_ALL, (), first) if apps is None else self._counted(_OF_APPS, apps, first))

    async def costs(self, first: int) -> Sequence[HourCount]:
        """What runs of each app cost that were created in some hour or later."""
        return await self._counted(_COSTS, (), first)

    async def _counted(self, sql: str, apps: Sequence[bytes], first: int) -> list[HourCount]:
        key = (sql, tuple(apps))
        counting = self._counting.setdefault(key, asyncio.Lock())
        async with self._database.guard(), asyncio.timeout(_TURN_SECONDS):
            await counting.acquire()
        try:
            known = self._kept.get(key)
            if known is None or self._monotonic() >= known.until or first < known.first:
                known = None
            begin = first if known is None else max(known.end, first)
            values = (begin * HOUR, list(apps)) if apps else (begin * HOUR,)
            new = [HourCount(*row) for row in await self._database.fetch(sql, *values)]
            if known is None and sum(count.runs for count in new) > MIN_KEPT_RUNS:
                self._keep(key, first, new)
            old = () if known is None else known.counts
            return [count for count in old if count.hour >= first] + new
        finally:
            counting.release()

    def _keep(self, key: _Key, first: int, counts: Sequence[HourCount]) -> None:
        end = int(self._clock() // HOUR) + 1 - _MOVING
        until = self._monotonic() + _TTL_SECONDS
        self._kept[key] = _Kept(until, first, end, [count for count in counts if count.hour < end])
        self._kept.move_to_end(key)
        if len(self._kept) > _CACHE_SIZE:
            self._kept.popitem(last=False)
