"""Runs of each hour, and their cost: counted by an index, and remembered if they are many.

What was counted of hours that are over is good for ten minutes, and for an hour at most: runs of theirs that end later,
or are removed, are seen afterwards. The last two hours are counted anew each time. Of older ones a look has the piece
counted again that was counted first, with a bound on its runs. The first look has all runs counted, and so has one an
hour at most, if the looks of that hour were too few for all pieces.
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
"""Of the oldest piece; then all is counted anew."""
_MAX_RECOUNTED: Final = 50_000
"""Runs of a piece, if it is more than one hour."""
_NEVER: Final = 10**9
"""An hour that no run is created in."""
_TURN_SECONDS: Final = 10.0
"""For which another count is waited for."""
_MOVING: Final = 2
"""Hours, the one that goes on included, that are counted anew."""
MIN_KEPT_RUNS: Final = 20_000
"""Runs from which on what was counted is remembered."""
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
_COSTS: Final = f"""
SELECT app_id, {_HOUR_OF}, NULL, coalesce(sum(split_part(price, ' ', 1)::float8), 0), count(*),
  coalesce(split_part(price, ' ', 2), '')
FROM runs WHERE created_at >= $1 AND created_at < $2 GROUP BY 1, 2, 6
"""
# No index tells which runs have a price: all of an hour are looked at, and counted.


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


class _Piece(NamedTuple):
    """Hours that were counted together."""

    at: float
    """When, by a clock that nobody sets."""
    first: int
    end: int
    """The first hour behind them."""


class _Kept(Struct):
    first: int
    end: int
    """The first hour behind what was counted."""
    counts: dict[int, list[HourCount]] = field(default_factory=lambda: defaultdict(list))
    """By hour."""
    pieces: list[_Piece] = field(default_factory=list)
    """One at least, the oldest first. Each begins where another ends."""

    def runs(self, piece: _Piece) -> int:
        return sum(count.runs for hour in range(piece.first, piece.end) for count in self.counts.get(hour, ()))

    def put(self, piece: _Piece, counts: Sequence[HourCount]) -> None:
        """Put counts of the hours of a piece in the place of those that are there, and of their pieces."""
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
        """What is to be counted again: the oldest piece, with those behind it that are small; ``None``: all are new
        enough. They stay until they are counted: a database may fail, a client go away."""
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
        return [count for count in await self._counted(_COSTS, (), first) if count.currency]

    async def _counted(self, sql: str, apps: Sequence[bytes], first: int) -> list[HourCount]:
        key = (sql, tuple(apps))
        counting = self._counting.setdefault(key, asyncio.Lock())
        async with self._database.guard(), asyncio.timeout(_TURN_SECONDS):
            await counting.acquire()
        try:
            now, known = self._monotonic(), self._kept.get(key)
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
        return [HourCount(*row) for row in await self._database.fetch(sql, *values)]

    def _end(self) -> int:
        return int(self._clock() // HOUR) + 1 - _MOVING

    def _keep(self, key: _Key, now: float, first: int, counts: Sequence[HourCount]) -> None:
        kept = self._kept[key] = _Kept(first, max(self._end(), first))
        kept.put(_Piece(now, first, kept.end), counts)
        self._kept.move_to_end(key)
        if len(self._kept) > _CACHE_SIZE:
            self._kept.popitem(last=False)
