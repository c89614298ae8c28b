"""Formats of the lines of the log: text for people, or as one JSON object a line for machines.

A caller may add fields to a line: ``extra={"fields": {...}}``, of names and short values. No line has the inputs or
outputs of runs, headers, keys, or addresses of files.
"""

import logging
import re
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import msgspec

from jikko.log_context import log_context

Fields: TypeAlias = dict[str, Any]

FORMATS: Final = ("text", "json")
_OURS: Final = "jikko"
"""The logger that tells as much as the setting says. Those of libraries tell what they warn of: below that they tell
what they send, and so inputs and keys."""

_quoted: Final = re.compile(r'[ "\n=]').search
_encode: Final = msgspec.json.Encoder(enc_hook=str).encode


def set_up_log(level: str, form: str) -> None:
    """Have the process log to standard error.
    ``level``: ``debug``, ``info``, ``warning`` or ``error``. ``form``: one of ``FORMATS``."""
    # Nothing of this is in a line, and finding it out takes a third of the time of one. Source: “Optimization” in the
    # logging how-to of Python.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    least = getattr(logging, level.upper())
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.WARNING, least))
    logging.getLogger(_OURS).setLevel(least)


class TextLines(logging.Formatter):
    """Level, logger, message, then what the line is about and its fields as ``name=value``."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        more = "".join(f" {name}={_word(value)}" for name, value in _fields(record))
        return super().formatMessage(record) + more


class JsonLines(logging.Formatter):
    """One JSON object a line.

    ``ts`` (RFC 3339, microseconds, UTC), ``level``, ``logger``, ``msg``; ``request``, ``run``, ``app`` and ``trace``
    where it is about one; the fields of the line; and ``error`` with ``type``, ``message`` and ``stack`` of an
    exception.
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


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
    """What a line is about, and its own fields, which win."""
    own: Fields = getattr(record, "fields", {})
    context = log_context.get()
    # One that begins with the run is called as the run is.
    trace_id = context.trace_id
    trace = "" if trace_id == context.run.replace("-", "") else trace_id
    about = {"request": context.request, "run": context.run, "app": context.app, "trace": trace}
    for name, value in about.items():
        if value and name not in own:
            yield name, value
    yield from own.items()


def _word(value: object) -> str:
    text = str(value)
    return text if text and _quoted(text) is None else _encode(text).decode()
