"""Tools of the provider ``time``. Source: docs/dify-behaviour.md, “Built-in tools”."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from jikko.ports.clock import Clock
from jikko.ports.tools import Emit, TextMessage, ToolCall, ToolFailure
from jikko.tools.builtin.builtin_tool import Act, BuiltinTool, parameter, setting
from jikko.values import Json

_FORMAT: Final = "%Y-%m-%d %H:%M:%S"
_SHANGHAI: Final = "Asia/Shanghai"
_TOKYO: Final = "Asia/Tokyo"
_MAX_FORMAT_LENGTH: Final = 1000
"""Maximum characters; the output can be hundreds of times as long."""
_ZONES: Final = (
    *("UTC", "America/New_York", "America/Los_Angeles", "America/Chicago", "America/Sao_Paulo", "Asia/Shanghai"),
    *("Asia/Ho_Chi_Minh", "Asia/Tokyo", "Asia/Dubai", "Asia/Kolkata", "Asia/Seoul", "Asia/Singapore"),
    *("Europe/London", "Europe/Berlin", "Europe/Moscow", "Australia/Sydney", "Pacific/Auckland", "Africa/Cairo"),
)
"""Choices of old nodes for ``current_time``: the 18 of Dify's editor."""
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_Values = Mapping[str, Json]


def time_tools(clock: Clock) -> Mapping[str, BuiltinTool]:
    """Return the tools of ``time``."""
    return {
        "current_time": BuiltinTool(
            (setting("format", default=_FORMAT), setting("timezone", "select", default="UTC", options=_ZONES)),
            _saying(lambda values: _current_time(values, clock)),
            "returns the current time",
        ),
        "localtime_to_timestamp": BuiltinTool(
            (parameter("localtime", required=True), parameter("timezone", default=_SHANGHAI)),
            _saying(_to_timestamp),
            "makes a Unix timestamp of a local time",
        ),
        "timestamp_to_localtime": BuiltinTool(
            (parameter("timestamp", "number", required=True), parameter("timezone", default=_SHANGHAI)),
            _saying(_from_timestamp),
            "makes a local time of a Unix timestamp",
        ),
        "timezone_conversion": BuiltinTool(
            (
                parameter("current_time", required=True),
                parameter("current_timezone", default=_SHANGHAI),
                parameter("target_timezone", default=_TOKYO),
            ),
            _saying(_converted),
            "converts a time to another time zone",
        ),
        "weekday": BuiltinTool(
            tuple(parameter(name, "number", required=True) for name in ("year", "month", "day")),
            _saying(_weekday),
            "returns the day of the week",
        ),
    }


def _saying(text_of: Callable[[_Values], str]) -> Act:

    async def act(values: _Values, call: ToolCall, emit: Emit) -> None:
        try:
            text = text_of(values)
        except (ValueError, OverflowError, TypeError) as error:
            raise ToolFailure(str(error)) from None
        emit(TextMessage(text))

    return act


def _current_time(values: _Values, clock: Clock) -> str:
    written = values.get("format") or f"{_FORMAT} %Z"
    if len(written) > _MAX_FORMAT_LENGTH:
        raise ToolFailure(f"the format has more than {_MAX_FORMAT_LENGTH} characters")
    name = values.get("timezone") or "UTC"
    try:
        zone = _zone(name)
    except ToolFailure:
        return f"Invalid timezone: {name}"
    return datetime.fromtimestamp(clock(), zone).strftime(written)


def _to_timestamp(values: _Values) -> str:
    written = values.get("localtime")
    moment = _local(written, _zone(values.get("timezone", _SHANGHAI)))
    seconds = int(moment.timestamp())
    # A quirk of Dify: the start of the epoch counts as invalid.
    return str(seconds) if seconds else f"Invalid localtime: {written}"


def _from_timestamp(values: _Values) -> str:
    seconds = values.get("timestamp")
    if not isinstance(seconds, (int, float)):
        raise ToolFailure("the timestamp is not a number")
    # Not by the C library, which supports fewer years.
    moment = datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
    return moment.astimezone(_zone(values.get("timezone", _SHANGHAI))).strftime(_FORMAT)


def _converted(values: _Values) -> str:
    moment = _local(values.get("current_time"), _zone(values.get("current_timezone", _SHANGHAI)))
    return moment.astimezone(_zone(values.get("target_timezone", _TOKYO))).strftime(_FORMAT)


def _weekday(values: _Values) -> str:
    if not values.get("month"):
        raise ToolFailure("Month is required", reported=False)
    numbers = [values.get(name) for name in ("year", "month", "day")]
    if any(number is None for number in numbers):
        raise ToolFailure("year, month and day are numbers", reported=False)
    year, month, day = (int(number or 0) for number in numbers)
    try:
        on = date(year, month, day)
    except (ValueError, OverflowError):
        return f"Invalid date: Year {year}, Month {month}, Day {day}."
    return f"{_MONTHS[month - 1]} {day}, {year} is {_DAYS[on.weekday()]}."


def _local(written: Json, zone: tzinfo) -> datetime:
    """Convert a local time to a moment. Ambiguous and skipped times are taken as standard time."""
    if not isinstance(written, str):
        raise ToolFailure(f"a time was expected, such as {datetime(2024, 2, 29, 12, 30):{_FORMAT}}")
    found = datetime.strptime(written, _FORMAT).replace(tzinfo=zone)
    return min(found, found.replace(fold=1), key=lambda moment: moment.dst() or timedelta())


def _zone(name: Json) -> tzinfo:
    if name == "UTC":
        return timezone(timedelta(), "UTC")
    try:
        return ZoneInfo(name if isinstance(name, str) else "")
    except (ValueError, OSError, LookupError):  # not a file name, or no such file
        raise ToolFailure(f"Invalid timezone: {name}") from None
