"""Hourly counts and costs of runs: counted with an index, and cached if there are many.

Counts of past hours are cached for ten minutes, or for an hour at most: runs of those hours that end or are removed
later show up afterwards. The last two hours are counted every time. Of older hours, a query recounts the oldest piece,
up to a number of runs. All runs are counted by the first query, and hourly at most if too few queries came to recount
all.
"""

import asyncio
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias
from weakref import WeakValueDictionary

from msgspec import Struct, field

from jikko.ports.clock import Clock
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.runs.run_rows import ALL_RUNS

HOUR: Final = 3600
_TTL_SECONDS: Final = 600.0
_MAX_AGE_SECONDS: Final = 3600.0
"""Maximum age of the oldest piece; then everything is recounted."""
_MAX_RECOUNTED: Final = 50_000
"""Maximum runs of a piece longer than an hour."""
_NEVER: Final = 10**9
"""An hour without runs."""
_TURN_SECONDS: Final = 10.0
"""Time to wait for another count."""
_MOVING: Final = 2
"""Hours always recounted, including the current one."""
MIN_KEPT_RUNS: Final = 20_000
"""Number of runs from which counts are cached."""
_CACHE_SIZE: Final = 32
_HOUR_OF: Final = f"floor(created_at / {HOUR})::int4"
_OF_ALL: Final = f"""
SELECT NULL, {_HOUR_OF}, status, count(*), count(*) FROM {ALL_RUNS}
WHERE created_at >= $1 AND created_at < $2 GROUP BY 2, 3
"""
_OF_APPS: Final = f"""
SELECT app_id, {_HOUR_OF}, status, count(*), count(*) FROM {ALL_RUNS}
WHERE created_at >= $1 AND created_at < $2 AND app_id = ANY($3::bytea[]) GROUP BY 1, 2, 3
"""
# No index covers runs with a price: all runs of an hour are read, and counted.
_COSTS: Final = f"""
SELECT app_id, {_HOUR_OF}, NULL, coalesce(sum(split_part(price, ' ', 1)::float8), 0), count(*),
  coalesce(split_part(price, ' ', 2), '')
FROM runs WHERE created_at >= $1 AND created_at < $2 GROUP BY 1, 2, 6
"""

_Key: TypeAlias = tuple[str, tuple[bytes, ...]]
"""A statement, and its apps."""


class HourCount(NamedTuple):
    """Number or cost of the runs of an hour."""

    of: bytes | None
    """An app's stored id, ``None`` for all."""
    hour: int
    """Since the Unix epoch."""
    status: int | None
    """Its number; ``None`` for costs."""
    value: float
    """Number of runs, or their cost."""
    runs: int
    currency: str = ""
    """For costs."""


class _Piece(NamedTuple):
    """Hours counted together."""

    at: float
    """Time of the count, by a monotonic clock."""
    first: int
    end: int
    """Exclusive."""


class _Kept(Struct):
    first: int
    end: int
    """Exclusive."""
    counts: dict[int, list[HourCount]] = field(default_factory=lambda: defaultdict(list))
    """By hour."""
    pieces: list[_Piece] = field(default_factory=list)
    """At least one, contiguous, oldest count first."""

    def runs(self, piece: _Piece) -> int:
        return sum(count.runs for hour in range(piece.first, piece.end) for count in self.counts.get(hour, ()))

    def put(self, piece: _Piece, counts: Sequence[HourCount]) -> None:
        self.pieces = [kept for kept in self.pieces if kept.first < piece.first or kept.end > piece.end]
        for hour in [hour for hour in self.counts if piece.first <= hour < piece.end]:
            del self.counts[hour]
        for count in counts:
            if piece.first <= count.hour < piece.end:
                self.counts[count.hour].append(count)
        begin, left = piece.first, _MAX_RECOUNTED
        for hour in sorted(hour for hour in self.counts if piece.first <= hour < piece.end):
            runs = sum(count.runs for count in self.counts[hour])
            if runs > left and begin < hour:
                self.pieces.append(_Piece(piece.at, begin, hour))
                begin, left = hour, _MAX_RECOUNTED
            left -= runs
        self.pieces.append(_Piece(piece.at, begin, piece.end))

    def next_piece(self, now: float) -> _Piece | None:
        """Return what to recount: the oldest piece, with small ones that follow it; ``None`` if all are recent. Old
        counts stay meanwhile: a database may fail, or a client disconnect."""
        found, *others = self.pieces
        if now < found.at + _TTL_SECONDS:
            return None
        left = _MAX_RECOUNTED - self.runs(found)
        for other in others:
            left -= self.runs(other)
            if left < 0 or other.first != found.end or now < other.at + _TTL_SECONDS:
                break
            found = found._replace(end=other.end)
        return found._replace(at=now)


class HourCounts(Struct, eq=False):
    """A process's cache of the counts of a database."""

    database: Postgres
    clock: Clock = time.time
    monotonic: Callable[[], float] = time.monotonic
    """Measures the ten minutes: the clock may be set back."""
    _kept: OrderedDict[_Key, _Kept] = field(default_factory=OrderedDict)
    _counting: WeakValueDictionary[_Key, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    """Serialises concurrent counts of the same. Waiting times out: waits for a hung database would add up."""

    async def runs(self, apps: Sequence[bytes] | None, first: int) -> Sequence[HourCount]:
        """Return the counts of runs created in an hour or later.

        Args:
            apps: Count each of these apps; ``None``: all together.
            first: Hours since the Unix epoch.
        """
        return await (self._counted(_OF_ALL, (), first) if apps is None else self._counted(_OF_APPS, apps, first))

    async def costs(self, first: int) -> Sequence[HourCount]:
        """Return the costs, per app, of runs created in an hour or later."""
        return [count for count in await self._counted(_COSTS, (), first) if count.currency]

    async def _counted(self, sql: str, apps: Sequence[bytes], first: int) -> list[HourCount]:
        key = (sql, tuple(apps))
        counting = self._counting.setdefault(key, asyncio.Lock())
        async with self.database.guard(), asyncio.timeout(_TURN_SECONDS):
            await counting.acquire()
        try:
            now, known = self.monotonic(), self._kept.get(key)
            if known is None or now >= known.pieces[0].at + _MAX_AGE_SECONDS or first < known.first:
                known = None
            new = await self._fetched(sql, apps, first if known is None else max(known.end, first))
            if known is None:
                if sum(count.runs for count in new) > MIN_KEPT_RUNS:
                    self._keep(key, now, first, new)
                return new
            if first <= known.end < (end := self._end()):
                known.put(_Piece(now, known.end, end), new)
                new, known.end = [count for count in new if count.hour >= end], end
            if (piece := known.next_piece(now)) is not None:
                known.put(piece, await self._fetched(sql, apps, piece.first, piece.end))
            return [count for hour, counts in known.counts.items() if hour >= first for count in counts] + new
        finally:
            counting.release()

    async def _fetched(self, sql: str, apps: Sequence[bytes], first: int, end: int = _NEVER) -> list[HourCount]:
        values = (first * HOUR, end * HOUR, list(apps)) if apps else (first * HOUR, end * HOUR)
        return [HourCount(*row) for row in await self.database.fetch(sql, *values)]

    def _end(self) -> int:
        return int(self.clock() // HOUR) + 1 - _MOVING

    def _keep(self, key: _Key, now: float, first: int, counts: Sequence[HourCount]) -> None:
        kept = self._kept[key] = _Kept(first, max(self._end(), first))
        kept.put(_Piece(now, first, kept.end), counts)
        self._kept.move_to_end(key)
        if len(self._kept) > _CACHE_SIZE:
            self._kept.popitem(last=False)
