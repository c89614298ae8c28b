"""Log formats: text for people, or one JSON object a line.

A caller may add fields: ``extra={"fields": {...}}``, of names and short values. Lines never contain inputs or outputs
of runs, headers, keys, or URLs of files.
"""

import asyncio
import logging
import re
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import msgspec

from jikko.log_context import log_context

Fields: TypeAlias = dict[str, Any]

FORMATS: Final = ("text", "json")
_OURS: Final = "jikko"
"""The logger with the configured level. Libraries log warnings only: below that they log what they send, and so inputs
and keys."""

_quoted: Final = re.compile(r'[ "\n=]').search
_encode: Final = msgspec.json.Encoder(enc_hook=str).encode


def set_up_log(level: str, form: str) -> None:
    """Configure logging to standard error. ``level``: ``debug``, ``info``, ``warning`` or ``error``. ``form``: One of
    ``FORMATS``."""
    # Lines have no source location. Source: “Optimization” in the logging how-to of Python.
    logging._srcfile = None
    logging.setLogRecordFactory(line_record)
    least = getattr(logging, level.upper())
    handler = LogLines(at_once=least == logging.DEBUG)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.WARNING, least))
    logging.getLogger(_OURS).setLevel(least)


class LineRecord(logging.LogRecord):
    """Log record without source location, which costs half of the time of a line."""

    pathname = filename = ""
    lineno = 0

    def __init__(
        self, name: str, level: int, pathname: str, lineno: int, msg: object, args: Any, exc_info: Any, *place: Any
    ) -> None:
        self.name, self.levelno, self.levelname = name, level, logging.getLevelName(level)
        self.msg, self.exc_info, self.created = str(msg), exc_info, time.time()
        self.args = args[0] if args and len(args) == 1 and isinstance(args[0], Mapping) and args[0] else args


def line_record(name: str, *line: Any) -> logging.LogRecord:
    """Make a line's record. Libraries get standard ones: they may have formatters of their own."""
    return (LineRecord if name.startswith(_OURS) else logging.LogRecord)(name, *line)


class LogLines(logging.StreamHandler[Any]):
    """Writes lines to standard error, batched per turn of the event loop; a warning flushes the batch. A killed or
    crashed process loses the lines of its last turn."""

    def __init__(self, *, at_once: bool) -> None:
        """``at_once``: Write each line immediately, to see the last thing that a process did."""
        super().__init__()
        self._at_once = at_once
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.append(self.format(record) + self.terminator)
        except Exception:
            self.handleError(record)
        is_urgent = self._at_once or record.levelno >= logging.WARNING
        loop = None if is_urgent else asyncio._get_running_loop()
        if loop is None:
            self.flush()
        elif len(self._lines) == 1:
            loop.call_soon(self.flush)

    def flush(self) -> None:
        self.acquire()
        try:
            lines, self._lines = self._lines, []
            # There is nowhere to report a failure to.
            with suppress(OSError, ValueError):
                self.stream.write("".join(lines))
                super().flush()
        finally:
            self.release()


class TextLines(logging.Formatter):
    """Level, logger and message, then context and fields as ``name=value``."""

    def format(self, record: logging.LogRecord) -> str:
        more = "".join([f" {name}={_word(value)}" for name, value in _fields(record)])
        line = f"{record.levelname} {record.name}: {record.getMessage()}{more}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonLines(logging.Formatter):
    """One JSON object a line.

    ``ts`` (RFC 3339, microseconds, UTC), ``level``, ``logger``, ``msg``; ``request``, ``run``, ``app`` and ``trace``
    where known; the line's fields; and ``error`` with ``type``, ``message`` and ``stack`` of an exception.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: Fields = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        line.update(_fields(record))
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            stack = "".join(traceback.format_exception(error))
            line["error"] = {"type": type(error).__name__, "message": str(error), "stack": stack}
        return _encode(line).decode()


def _fields(record: logging.LogRecord) -> list[tuple[str, Any]]:
    """Return a line's context and its own fields, which take precedence."""
    own: Fields = getattr(record, "fields", {})
    context = log_context.get()
    # A trace that begins with the run has the run's id.
    trace = context.trace_id if context.came or not context.run else ""
    about = {"request": context.request, "run": context.run, "app": context.app, "trace": trace}
    return [*[(name, value) for name, value in about.items() if value and name not in own], *own.items()]


def _word(value: object) -> str:
    text = str(value)
    return text if text and _quoted(text) is None else _encode(text).decode()
