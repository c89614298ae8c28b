"""Recurring moments: cron expressions in a time zone, and fixed intervals. All in seconds since the Unix epoch."""

import math
import re
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from msgspec import Struct

_MAX_LENGTH: Final = 250
_FIELDS: Final = 5
_WORDS: Final = {"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"}
_BY_CHANCE: Final = re.compile(r"(?<![a-z])[hr](?![a-z])", re.IGNORECASE)
"""Random fields of other cron dialects: each process would compute other times."""


class InvalidSchedule(ValueError):
    """Not a cron expression that is ever due, or not a time zone. The message says why, without a full stop."""


class Cron:
    """Cron expression in a time zone. Source: docs/dify-behaviour.md, “Trigger nodes”.

    Five fields, or a word such as ``@daily``. A time skipped by a clock change is due once, at the first moment after
    the gap (unless any hour matches); a repeated time is due twice. If both day of month and day of week are
    restricted, either suffices.
    """

    def __init__(self, expression: str, timezone: str = "UTC") -> None:
        """Raises ``InvalidSchedule``: the expression or the time zone is invalid, or it is never due."""
        self._zone = zone_of(timezone)
        self._moments = _parsed(expression, self._zone)

    def after(self, moment: float) -> float | None:
        """Return the first due moment after another; ``None`` if there is none within fifty years."""
        from croniter import CroniterBadDateError

        try:
            # Due times are whole minutes; a moment just before one must not be rounded up to it.
            start = datetime.fromtimestamp(math.floor(moment), UTC).astimezone(self._zone)
            found: datetime = self._moments.get_next(datetime, start_time=start)
        except (CroniterBadDateError, OverflowError, ValueError, OSError):
            return None
        return found.timestamp()


class Every(Struct, frozen=True):
    """Interval: due at ``start`` and every ``seconds`` after it."""

    seconds: float
    """1 or more."""
    start: float = 0.0

    def after(self, moment: float) -> float:
        if moment < self.start:
            return self.start
        return self.start + (math.floor((moment - self.start) / self.seconds) + 1) * self.seconds


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone of the IANA database. Raises ``InvalidSchedule`` if there is none of that name."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise InvalidSchedule(f"{name!r:.60} is not a time zone; use an IANA name such as Europe/Berlin") from None


def _parsed(expression: str, zone: ZoneInfo) -> Any:
    from croniter import CroniterBadDateError, croniter  # only with a schedule

    fields = expression.lower().split()
    if not fields:
        raise InvalidSchedule("the expression is empty")
    if len(expression) > _MAX_LENGTH:
        raise InvalidSchedule(f"the expression has more than {_MAX_LENGTH} characters")
    if len(fields) == 1 and fields[0].startswith("@"):
        if fields[0] not in _WORDS:
            raise InvalidSchedule(f"{fields[0]!r} is not one of {', '.join(sorted(_WORDS))}")
    elif len(fields) != _FIELDS:
        raise InvalidSchedule(f"it has {len(fields)} fields, not 5: minute, hour, day of month, month, day of week")
    elif chance := _BY_CHANCE.search(expression):
        raise InvalidSchedule(f"{chance[0]!r} would be a random time")
    try:
        moments = croniter(" ".join(fields), datetime.now(zone))
        moments.get_next(datetime)
    except CroniterBadDateError:
        raise InvalidSchedule("no such date ever comes") from None
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise InvalidSchedule(f"not a cron expression: {error}") from None
    return moments
