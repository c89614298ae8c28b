"""Output of commands: runs, times, lists and files."""

import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import click

from jikko.apps.end_users import triggered_from
from jikko.cli.command_failure import Failure
from jikko.cli.terminal import cut, padded, width
from jikko.terminal_text import harmless, printable, shown

_DAY = 86_400.0
_EMPTY: Final[tuple[object, ...]] = (None, "", [], {})
_IN_WORDS: Final = ("version", "versions", "difference", "error", "exceptions", "lineage")
"""Fields whose objects are in words. Others, such as inputs, are the user's data, and stay JSON."""


def entry(record: Any) -> dict[str, Any]:
    """Return a run as JSON."""
    return {
        "workflow_run_id": record.identity.run_id,
        "task_id": record.identity.task_id,
        "app_id": record.identity.app_id,
        "workflow_id": record.identity.workflow_id,
        "user": record.identity.user,
        "triggered_from": triggered_from(record.identity.app_id, record.identity.end_user_id) or "app-run",
        "status": record.status,
        "inputs": json.loads(record.inputs),
        "outputs": json.loads(record.outputs),
        "error": record.error,
        "elapsed_time": record.elapsed,
        "total_steps": record.total_steps,
        "total_tokens": record.total_tokens,
        "exceptions_count": record.exceptions_count,
        "created_at": int(record.created_at),
        "finished_at": None if record.finished_at is None else int(record.finished_at),
        "started": iso(record.created_at),
        "finished": None if record.finished_at is None else iso(record.finished_at),
    }


def at_work(record: Any, at: Any) -> dict[str, Any]:
    """Return the JSON fields of an active run that only its log has."""
    return {
        "status": status_of(record, at),
        "elapsed_time": round(at.elapsed, 3),
        "total_steps": at.steps,
        "total_tokens": at.tokens,
        "current_nodes": at.current,
    }


def status_of(record: Any, at: Any) -> str:
    """Return the status, with ``queued`` for a waiting run."""
    return "queued" if record.status == "running" and at is not None and not at.has_begun else str(record.status)


def iso(seconds: float, timespec: str = "milliseconds") -> str:
    """Format a time in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def ago(seconds: float, now: float | None = None) -> str:
    """Format a time for people: how long ago, or the local date and time if that is over a day or in the future."""
    passed = (time.time() if now is None else now) - seconds
    if -5 < passed < 90:  # servers' clocks differ a little
        return f"{max(0.0, passed):.0f} s ago"
    if 0 < passed < 5400:
        return f"{passed / 60:.0f} min ago"
    if 0 < passed < _DAY:
        return f"{passed / 3600:.0f} h ago"
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def took(seconds: float) -> str:
    """Format a duration: ``1.25 s``, ``3:20 min``, ``2:05 h``."""
    if seconds < 100:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 100:
        return f"{minutes}:{rest:02} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours}:{rest:02} h"


def show_entry(entry: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """Print one thing: as a line of JSON, or as text."""
    click.echo(shown(json.dumps(entry, ensure_ascii=False) if as_json else text))


def show_table(
    head: Sequence[str],
    rows: Iterable[tuple[Mapping[str, Any], Sequence[str]]],
    *,
    as_json: bool,
    most: int | None = None,
) -> None:
    """Print a list as lines of JSON, or as a table. An empty table has no head. ``rows``: JSON and columns of each.
    ``most``: Columns to which lines are shortened."""
    listed = list(rows)
    if as_json:
        for entry, _ in listed:
            click.echo(shown(json.dumps(entry, ensure_ascii=False)))
        return
    table = [head, *(line for _, line in listed)] if listed else []
    widths = [max(map(width, column)) for column in zip(*table, strict=True)]
    for line in table:
        text = printable("  ".join(map(padded, line, widths)).rstrip())
        click.echo(text if most is None else cut(text, most))


def some(names: Sequence[str], noun: str = "", most: int = 8) -> Iterator[str]:
    """Iterate over the first names, and the number of the others."""
    yield from names[:most]
    if len(names) > most:
        yield f"and {len(names) - most} more {noun}".rstrip()


def counted(number: int, noun: str) -> str:
    """Format a count: ``1 run``, ``2 runs``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def show_nothing(text: str, *, as_json: bool) -> None:
    """Report an empty list to a person; in a pipe print nothing, as programs expect of an empty list."""
    if sys.stdout.isatty() and not as_json:
        click.echo(text, err=True)


def _file(_ctx: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and not path.parent.is_dir():
        raise click.UsageError(f"{path} cannot be written: no folder {path.parent}")
    return path


_PATH = click.Path(path_type=Path, dir_okay=False)
junit_option = click.option("--junit", type=_PATH, callback=_file, metavar="FILE", help="Write a JUnit report to FILE.")
lcov_option = click.option(
    "--lcov", type=_PATH, callback=_file, metavar="FILE", help="Write coverage to FILE, as LCOV."
)


def write_report(path: Path, content: bytes) -> None:
    """Write a file. Raises ``Failure``."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise unwritten(path, error) from None


def unwritten(path: Path | str, error: OSError) -> Failure:
    return Failure(f"{path} cannot be written: {error.strerror or error}")


def annotation(kind: str, file: str, text: str, *, title: str, line: int = 0, column: int = 0) -> str:
    """Return a GitHub Actions annotation. ``kind``: ``error`` or ``warning``. ``line``, ``column``: 0 for the whole
    file."""
    fields = {"file": file, "title": title}
    if line:
        fields |= {"line": str(line)} | ({"col": str(column)} if column else {})
    listed = ",".join(f"{name}={_escaped(value, more=True)}" for name, value in fields.items())
    return f"::{kind} {listed}::{_escaped(text)}"


def _escaped(text: str, *, more: bool = False) -> str:
    for character in "%\r\n" + (":," if more else ""):
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def show_list(entries: Iterable[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print a list. ``columns``: Nested fields have dotted names."""
    head = tuple(column.partition(".")[0].removesuffix("_at").upper() for column in columns)
    rows = [(entry, tuple(printable(_words(_at(entry, column), column)) for column in columns)) for entry in entries]
    show_table(head, rows, as_json=as_json)


def show_fields(entry: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one thing, a line a field; empty fields are omitted."""
    fields = [(name, _words(value, name)) for name, value in entry.items() if value not in _EMPTY]
    lines = [f"{name}  {words}" for name, words in fields if words]
    show_entry(entry, harmless("\n".join(lines)), as_json=as_json)


def _at(entry: Any, column: str) -> Any:
    for name in column.split("."):
        entry = entry.get(name) if isinstance(entry, Mapping) else None
    return entry


def _words(value: Any, column: str) -> str:
    if value is None:
        return ""
    if column.rpartition("_")[2] in ("at", "until", "timestamp") and isinstance(value, (int, float)):
        with suppress(ValueError, OverflowError, OSError):  # not a time, in the response of another server
            return iso(value, "seconds")
    if column in ("elapsed", "elapsed_time") and isinstance(value, (int, float)):
        return took(value)
    if column == "app" and isinstance(value, Mapping):
        return str(value.get("name", ""))
    if column == "schedule" and isinstance(value, Mapping):
        return _schedule_words(value)
    if column == "run_list" and isinstance(value, list):
        return ", ".join(f"{_at(run, 'id')} {_at(run, 'status')}" for run in value)
    if column in _IN_WORDS and isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(each, name)}" for name, each in value.items() if each not in _EMPTY)
    if column in _IN_WORDS and isinstance(value, list):
        return "; ".join(_words(each, column) for each in value)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _schedule_words(schedule: Mapping[str, Any]) -> str:
    if schedule.get("error"):
        return f"never runs: {schedule['error']}"
    if schedule.get("paused") is not None:
        until = _words(schedule.get("paused_until"), "paused_until")
        return f"paused{until and ' until '}{until} ({schedule['paused']})"
    following = schedule.get("next")
    return f"next {_words(following[0], 'next_at')}" if isinstance(following, list) and following else ""


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing, replaced atomically after the block; if the block raises, it is unchanged. Other than
    regular files, such as pipes, are written directly. Raises ``OSError``: it cannot be written."""
    # A symlink stays; its target is replaced.
    path = path.resolve()
    if path.exists() and not path.is_file():
        with path.open("wb") as target:
            yield target
        return
    # In the same folder: only there a rename is atomic.
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        if path.exists():
            shutil.copymode(path, part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
