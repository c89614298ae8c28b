"""Due times of a schedule: its own times within a start, an end and excluded days."""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from hashlib import blake2b
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from msgspec import Struct

from jikko.lang.cron import Cron, Every

_NO_LATER: Final = datetime(9999, 12, 30, tzinfo=UTC).timestamp()
"""Behind which no moment is a date in every time zone."""


class DueTimes(Struct, frozen=True, kw_only=True):
    """The due times of one schedule."""

    recurrence: Cron | Every
    zone: ZoneInfo
    """What the excluded days are days in."""
    start: float = -math.inf
    end: float = math.inf
    """Both may be due."""
    excluded: Sequence[tuple[date, date]] = ()
    """Days that are left out, first and last."""

    def after(self, moment: float) -> float | None:
        """Return the first due time behind a moment; ``None`` if there are no more."""
        # A moment before the start, which may be due itself.
        moment = max(moment, math.nextafter(self.start, -math.inf))
        end = min(self.end, _NO_LATER)
        while (found := self.recurrence.after(moment)) is not None and found <= end:
            last = self._last_excluded(found)
            if last is None:
                return found
            if last == date.max:
                return None
            moment = math.nextafter(self._midnight_behind(last), -math.inf)
        return None

    def _last_excluded(self, moment: float) -> date | None:
        """The last day of the excluded ones that a moment is in."""
        if not self.excluded:
            return None
        day = datetime.fromtimestamp(moment, UTC).astimezone(self.zone).date()
        return max((last for first, last in self.excluded if first <= day <= last), default=None)

    def _midnight_behind(self, day: date) -> float:
        return datetime.combine(day + timedelta(days=1), time(), self.zone).timestamp()


Recurrence: TypeAlias = Cron | Every | DueTimes
"""Moments that recur."""


def jitter_of(schedule_id: str, most: float) -> float:
    """Return how many seconds later than due a schedule runs: from 0 to ``most``, always the same for one schedule."""
    share = int.from_bytes(blake2b(schedule_id.encode("utf-8", "surrogatepass"), digest_size=7).digest()) / 2**56
    return share * most
