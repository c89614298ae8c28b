"""Configuration of schedule triggers: a cron expression, or choices of Dify's picker."""

import re
from collections.abc import Mapping
from typing import Any, Final

from jikko.lang.cron import Cron, Every, InvalidSchedule
from jikko.lang.durations import seconds_of

_TIME: Final = re.compile(r"(\d{1,2}):(\d{1,2}) (AM|PM)", re.IGNORECASE | re.ASCII)
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LAST: Final = "last"
_EVERY: Final = "@every "
_LONGEST: Final = 366 * 86_400.0


def recurrence_of(config: Mapping[str, Any]) -> Cron | Every:
    """Return the recurrence of a ``trigger-schedule``. Raises ``InvalidSchedule``: it is invalid, or never due.

    Beyond Dify, a cron expression may be an interval: ``@every 90s``, counted from the Unix epoch. Source:
    docs/dify-behaviour.md, “Trigger nodes”.
    """
    mode = config.get("mode") or "visual"
    if mode == "cron":
        given = config.get("cron_expression")
        expression = given if isinstance(given, str) else ""
        if expression.strip().lower().startswith(_EVERY):
            return _interval(expression.strip()[len(_EVERY) :])
        return Cron(expression, timezone_of(config))
    if mode != "visual":
        raise InvalidSchedule(f"mode {mode!r:.60} must be visual or cron")
    chosen = config.get("visual_config") or {}
    if not isinstance(chosen, Mapping):
        raise InvalidSchedule("visual_config is not a mapping")
    return Cron(_chosen(config.get("frequency"), chosen), timezone_of(config))


def never_due(config: Mapping[str, Any]) -> str:
    """Return why a schedule is never due; empty if it is."""
    try:
        recurrence_of(config)
    except InvalidSchedule as error:
        return str(error)
    return ""


def timezone_of(config: Mapping[str, Any]) -> str:
    """Return the name of its time zone."""
    return str(config.get("timezone") or "UTC")


def _interval(text: str) -> Every:
    try:
        seconds = seconds_of(text)
    except ValueError as error:
        raise InvalidSchedule(str(error)) from None
    if seconds < 1:
        raise InvalidSchedule(f"@every {text} is less than a second")
    if seconds > _LONGEST:
        raise InvalidSchedule(f"@every {text} is more than 366 days")
    return Every(seconds)


def _chosen(frequency: Any, chosen: Mapping[str, Any]) -> str:
    match frequency:
        case "hourly":
            return f"{_number(chosen.get('on_minute', 0), 0, 59, 'on_minute')} * * * *"
        case "daily":
            return f"{_time(chosen)} * * *"
        case "weekly":
            days = {_weekday(day) for day in _listed(chosen, "weekdays")}
            return f"{_time(chosen)} * * {','.join(map(str, sorted(days)))}"
        case "monthly":
            listed = _listed(chosen, "monthly_days")
            days = {_number(day, 1, 31, "monthly_days") for day in listed if day != _LAST}
            last = ["L"] if _LAST in listed else []
            return f"{_time(chosen)} {','.join([*map(str, sorted(days)), *last])} * *"
    raise InvalidSchedule(f"frequency {frequency!r:.60} must be hourly, daily, weekly or monthly")


def _time(chosen: Mapping[str, Any]) -> str:
    given = chosen.get("time", "12:00 AM")
    found = _TIME.fullmatch(given) if isinstance(given, str) else None
    if found is None or not 1 <= int(found[1]) <= 12 or int(found[2]) > 59:
        raise InvalidSchedule(f"time {given!r:.60} must be like '9:30 AM'")
    return f"{int(found[2])} {int(found[1]) % 12 + (12 if found[3].upper() == 'PM' else 0)}"


def _listed(chosen: Mapping[str, Any], name: str) -> list[Any]:
    days = chosen.get(name)
    if not isinstance(days, list) or not days:
        raise InvalidSchedule(f"{name} has no day")
    return days


def _weekday(day: Any) -> int:
    if day not in _WEEKDAYS:
        raise InvalidSchedule(f"weekday {day!r:.60} must be one of {', '.join(_WEEKDAYS)}")
    return _WEEKDAYS.index(day)


def _number(value: Any, lowest: int, highest: int, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise InvalidSchedule(f"{name} {value!r:.60} must be a number from {lowest} to {highest}")
    return value
