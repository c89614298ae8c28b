"""Planning of a schedule's due times. Decides; does no I/O.

All times are in seconds since the Unix epoch.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from hashlib import blake2b
from itertools import islice
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from msgspec import Struct

from jikko.lang.cron import Cron, Every

_NO_LATER: Final = datetime(9999, 12, 30, tzinfo=UTC).timestamp()
"""Last moment that is a date in every time zone."""


class DueTimes(Struct, frozen=True, kw_only=True):
    recurrence: Cron | Every
    zone: ZoneInfo
    """Time zone of the excluded days."""
    start: float = -math.inf
    end: float = math.inf
    """Inclusive, like ``start``."""
    excluded: Sequence[tuple[date, date]] = ()
    """Excluded days, first and last of each range."""

    def after(self, moment: float) -> float | None:
        """Return the first due time after a moment; ``None`` if there are no more."""
        # Just before the start, which may be due itself.
        moment = max(moment, math.nextafter(self.start, -math.inf))
        end = min(self.end, _NO_LATER)
        while (found := self.recurrence.after(moment)) is not None and found <= end:
            last = self._last_excluded(found)
            if last is None:
                return found
            if last == date.max:
                return None
            midnight = datetime.combine(last + timedelta(days=1), time(), self.zone)
            moment = math.nextafter(midnight.timestamp(), -math.inf)
        return None

    def _last_excluded(self, moment: float) -> date | None:
        if not self.excluded:
            return None
        day = datetime.fromtimestamp(moment, UTC).astimezone(self.zone).date()
        return max((last for first, last in self.excluded if first <= day <= last), default=None)


Recurrence: TypeAlias = Cron | Every | DueTimes
"""Recurring moments."""


def jitter_of(schedule_id: str, most: float) -> float:
    """Return a schedule's jitter in seconds, from 0 to ``most``: constant for one schedule."""
    share = int.from_bytes(blake2b(schedule_id.encode("utf-8", "surrogatepass"), digest_size=7).digest()) / 2**56
    return share * most


Missed: TypeAlias = Literal["skip", "last", "all"]
Overlap: TypeAlias = Literal["allow", "skip", "queue_one", "queue_all", "cancel_other"]
SkipReason: TypeAlias = Literal["missed", "paused", "overlap"]

ON_TIME_SECONDS: Final = 60.0
"""Grace period of the newest due time, after which it counts as missed; earlier ones do at once."""
SET_BACK_SECONDS: Final = 86_400.0
"""A clock set back by more than that was wrong before: schedules do not wait for it to catch up."""
MOST_AT_ONCE: Final = 100
"""Maximum number of due times that one plan fires, or counts individually when skipping."""
_FIRST_SECONDS: Final = 60.0


class SchedulePolicy(Struct, frozen=True, kw_only=True):
    overlap: Overlap = "allow"
    """Policy for a due time while an earlier run is active."""
    missed: Missed = "last"
    """Policy for due times missed while no server was running."""
    missed_within: float = 3600.0
    """Maximum lateness of a missed due time, in seconds."""
    jitter: float = 0.0
    """Maximum jitter in seconds; see ``jitter_of``."""
    pause_after_failures: int = 0
    """Consecutive failures after which the schedule is paused; 0: never."""


class Pause(Struct, frozen=True):
    until: float | None = None
    """Exclusive; ``None``: no end."""


class Skipped(Struct, frozen=True):
    first: float
    last: float
    count: int
    """A minimum: not counted beyond ``MOST_AT_ONCE``."""
    why: SkipReason


class Plan(Struct, frozen=True):
    fire: tuple[float, ...] = ()
    """Due times to run now, oldest first."""
    skipped: tuple[Skipped, ...] = ()
    handled: float = -math.inf
    """Due times up to here are done."""
    wake: float | None = None
    """Time of the next plan; ``None``: never, the schedule is over or paused for good."""


def plan(
    times: Recurrence,
    policy: SchedulePolicy,
    *,
    handled: float,
    now: float,
    offset: float = 0.0,
    pause: Pause | None = None,
) -> Plan:
    """Plan the due times since the last plan.

    Args:
        handled: From the last plan. After ``now``, the clock was set back: nothing runs until it catches up.
        offset: Delay of the schedule in seconds.
    """
    until = now - offset
    if handled - until > SET_BACK_SECONDS:
        handled = until
    if pause is not None and pause.until is None:
        return Plan(handled=handled)
    skipped: list[Skipped] = []
    if pause is not None and pause.until is not None:
        end = math.nextafter(pause.until, -math.inf) - offset
        skipped += _skipped(times, handled, min(end, until), "paused")
        handled = max(handled, min(end, until))
        if now < pause.until:
            return Plan((), tuple(skipped), handled, pause.until)
    fire, more = _to_fire(times, policy, handled, until)
    if fire:
        skipped += _skipped(times, handled, math.nextafter(fire[0], -math.inf), "missed")
    else:
        skipped += _skipped(times, handled, until, "missed")
    handled = fire[-1] if more else max(handled, until)
    following = times.after(handled)
    return Plan(tuple(fire), tuple(skipped), handled, None if following is None else following + offset)


def _to_fire(times: Recurrence, policy: SchedulePolicy, since: float, until: float) -> tuple[list[float], bool]:
    """Return the due times to run, adjacent ones together, and whether there are more."""
    newest = _last(times, since, until)
    if newest is None:
        return [], False
    if policy.missed == "all":
        begin = max(since, math.nextafter(until - policy.missed_within, -math.inf))
        found = list(islice(between(times, begin, until), MOST_AT_ONCE + 1))
        if found:
            return found[:MOST_AT_ONCE], len(found) > MOST_AT_ONCE
    late = until - newest
    runs = late <= ON_TIME_SECONDS or (policy.missed != "skip" and late <= policy.missed_within)
    return [newest] if runs else [], False


def between(times: Recurrence, since: float, until: float = math.inf) -> Iterator[float]:
    """Yield due times after one moment, up to another."""
    moment: float | None = since
    while moment is not None and (moment := times.after(moment)) is not None and moment <= until:
        yield moment


def _last(times: Recurrence, since: float, until: float) -> float | None:
    """Return the last of ``between`` without enumerating them: there may be millions."""
    back = _FIRST_SECONDS
    while until > since:
        begin = max(since, until - back)
        found = deque(between(times, begin, until), maxlen=1)
        if found or begin == since:
            return found[0] if found else None
        back *= 2
    return None


def _skipped(times: Recurrence, since: float, until: float, why: SkipReason) -> list[Skipped]:
    first = list(islice(between(times, since, until), MOST_AT_ONCE))
    if not first:
        return []
    last = first[-1] if len(first) < MOST_AT_ONCE else _last(times, first[-1], until) or first[-1]
    return [Skipped(first[0], last, len(first), why)]


class Turn(Struct, frozen=True):
    """Decision on due times while others run."""

    start: tuple[float, ...] = ()
    """To start now, in this order."""
    wait: tuple[float, ...] = ()
    """To start after the earlier runs, in this order."""
    skip: tuple[float, ...] = ()
    cancel: bool = False
    """Whether to stop active runs first."""


def take_turns(overlap: Overlap, *, under_way: bool, waiting: Sequence[float], fire: Sequence[float]) -> Turn:
    """Decide which due times start.

    Args:
        under_way: Whether a run of the schedule is active.
        waiting: Due times waiting already, oldest first.
        fire: New due times, oldest first.
    """
    queue = [*waiting, *fire]
    if overlap == "allow" or not queue:
        return Turn(start=tuple(queue))
    if overlap == "cancel_other":
        return Turn(start=(queue[-1],), skip=tuple(queue[:-1]), cancel=under_way)
    start, rest = ([], queue) if under_way else (queue[:1], queue[1:])
    room = {"skip": 0, "queue_one": 1}.get(overlap, len(rest))
    return Turn(start=tuple(start), wait=tuple(rest[:room]), skip=tuple(rest[room:]))
