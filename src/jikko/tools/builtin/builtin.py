"""Built-in tools, as in Dify's own tree."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from jikko.diagnostics.diagnostic import Phrase
from jikko.events import Usage
from jikko.ports.clock import Clock
from jikko.ports.files.documents import DocumentReader
from jikko.ports.http import HttpClient
from jikko.ports.sandbox import Sandbox, SandboxFailure
from jikko.ports.tools import Emit, TextMessage, Tool, ToolCall, ToolFailure, ToolName, ToolNotFound
from jikko.tools.builtin.builtin_audio import Audio
from jikko.tools.builtin.builtin_tool import Act, BuiltinTool, parameter, setting
from jikko.tools.builtin.webscraper import Webscraper
from jikko.values import Json

BUILTIN: Final = ("audio", "code", "time", "webscraper")
"""Providers."""
_SYMBOLS: Final = {"audio": "🔊", "code": "⌨️", "time": "🕐", "webscraper": "🕸️"}
_SVG: Final = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><text y="19" font-size="20">{}</text></svg>'


class BuiltinTools:
    """``Tools`` of ``BUILTIN``. Implements ``ToolListing``. Source: docs/dify-behaviour.md, “Built-in tools”."""

    def __init__(
        self, *, audio: Audio, http: HttpClient, documents: DocumentReader, sandbox: Sandbox, clock: Clock
    ) -> None:
        self._providers: Mapping[str, Mapping[str, BuiltinTool]] = {
            "audio": audio.tools(),
            "code": code_tools(sandbox),
            "time": time_tools(clock),
            "webscraper": Webscraper(http, documents).tools(),
        }
        self._icons = {name: f"data:image/svg+xml,{quote(_SVG.format(symbol))}" for name, symbol in _SYMBOLS.items()}

    def icon(self, name: ToolName) -> Json | None:
        return self._icons.get(name.provider)

    def known(self, name: ToolName, *, app_id: str = "") -> Tool | None:
        found = self._providers.get(name.provider, {}).get(name.tool)
        if found is None:
            has = {"provider": name.provider, "known": ", ".join(self._providers.get(name.provider, ()))}
            raise ToolNotFound(Phrase("tool.no_builtin", {"name": name.tool}), Phrase("remedy.provider_has", has))
        return Tool(
            name=name, parameters=found.parameters, description=found.description, open_settings=found.open_settings
        )

    async def find(self, name: ToolName, *, app_id: str = "") -> Tool:
        tool = self.known(name)
        assert tool is not None
        return tool

    async def call(self, call: ToolCall, emit: Emit) -> Usage | None:
        name = call.tool.name
        await self._providers[name.provider][name.tool].act(call.parameters, call, emit)
        return None

    def providers(self) -> list[ToolName]:
        return [ToolName(provider_type="builtin", provider=name, tool="") for name in self._providers]

    async def offered(self, provider: ToolName) -> list[Tool]:
        names = self._providers.get(provider.provider, ())
        return [await self.find(replace(provider, tool=name)) for name in names]


# The tool of the provider ``code``: runs a program in the sandbox and returns its output.
#
# Source: docs/dify-behaviour.md, “Built-in tools”.

_PYTHON: Final = """\
def main(code):
    import contextlib, io
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "<code>", "exec"), {"__name__": "__main__"})
    return {"printed": printed.getvalue()}
"""
_JAVASCRIPT: Final = """\
function main({code}) {
  const printed = [];
  const shown = (value) => typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
  const log = (...values) => { printed.push(values.map(shown).join(" ") + "\\n"); };
  new Function("console", code)({...globalThis.console, log, info: log, debug: log});
  return {printed: printed.join("")};
}
"""
_PROGRAMS: Final = {"python3": _PYTHON, "javascript": _JAVASCRIPT}


def code_tools(sandbox: Sandbox) -> Mapping[str, BuiltinTool]:
    """Return the tools of ``code``. ``sandbox``: Runs the programs."""

    async def act(values: Mapping[str, Json], call: ToolCall, emit: Emit) -> None:
        language = values.get("language")
        program = _PROGRAMS.get(language) if isinstance(language, str) else None
        if program is None or not isinstance(language, str):
            raise ToolFailure(f"Only python3 and javascript are supported, not {language}", reported=False)
        try:
            result = await sandbox.run_code(language, program, {"code": values.get("code") or ""}, app_id=call.app_id)
        except SandboxFailure as failure:
            raise ToolFailure(str(failure)) from None
        emit(TextMessage(str(result["printed"])))

    return {
        "simple_code": BuiltinTool(
            (parameter("language", required=True), parameter("code", required=True)),
            act,
            "runs a program and returns its output",
        )
    }


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
    return {
        "current_time": BuiltinTool(
            (setting("format", default=_FORMAT), setting("timezone", "select", default="UTC", options=_ZONES)),
            _saying(lambda values: _current_time(values, clock)),
            "returns the current time",
        ),
        "localtime_to_timestamp": BuiltinTool(
            (parameter("localtime", required=True), parameter("timezone", default=_SHANGHAI)),
            _saying(_to_timestamp),
            "converts a local time to a Unix timestamp",
        ),
        "timestamp_to_localtime": BuiltinTool(
            (parameter("timestamp", "number", required=True), parameter("timezone", default=_SHANGHAI)),
            _saying(_from_timestamp),
            "converts a Unix timestamp to a local time",
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
    zone = _zone(values.get("timezone", _SHANGHAI))
    try:
        # Not by the C library, which supports fewer years.
        moment = (datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)).astimezone(zone)
    except (OverflowError, ValueError):
        raise ToolFailure("the timestamp is out of range: it must be of the years 1 to 9999") from None
    return moment.strftime(_FORMAT)


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
