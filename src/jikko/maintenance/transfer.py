"""Export and import of ended runs with their logs, between databases: JSON Lines, one run a line.

A line has identity and log of a run. The record is derived from the log.
"""

import asyncio
import math
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from jikko.apps.end_users import end_user
from jikko.errors import Conflict, JikkoError, LogConflict, LogDamaged, NotFound, StoreUnavailable
from jikko.events import Event, Round, RunFinished, RunStarted, Usage
from jikko.ids import is_uuid
from jikko.ports.stores.run_store import Append, RunStore
from jikko.record import RunIdentity, RunRecord, folded
from jikko.runs.reading.node_executions import node_executions
from jikko.secret_marks import without_marks
from jikko.values import encode_json

FORMAT: Final = 2
"""Format of a line. Later ones may add fields. Lines of format 1 have masks in place of secrets."""
MAX_LINE: Final = 1 << 30
"""Maximum bytes of a line, which holds a whole log."""
_MIN_SECONDS, _MAX_SECONDS = -62_135_596_800, 253_402_300_800
"""The years 1 to 9999; counts of events never come near."""


class BadLine(Exception):
    """A line is not an export of `jikko runs export`. The message says which, and what is wrong."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(f"line {number} is not a run: {what}")


class _Line(msgspec.Struct, kw_only=True):
    format: int
    identity: RunIdentity = msgspec.field(name="owner")
    events: list[Event]


_decode = msgspec.json.Decoder(_Line).decode


def run_line(identity: RunIdentity, events: list[Event]) -> bytes:
    return encode_json({"format": FORMAT, "owner": identity, "events": events}) + b"\n"


def read_run(number: int, text: bytes, *, app_id: str | None = None) -> Append:
    """Parse a line into the write that adds its run. Raises ``BadLine`` if it is invalid.

    Args:
        number: Line number, from 1.
        app_id: Target app; by default the run's own.
    """
    try:
        if len(text) > MAX_LINE:
            raise ValueError(f"it has more than {MAX_LINE} bytes")
        line = _decode(text)
        if not 1 <= line.format <= FORMAT:
            raise ValueError(f"it has format {line.format}; this version of Jikko reads up to {FORMAT}")
        if line.format == 1:
            line.events = msgspec.convert(without_marks(msgspec.to_builtins(line.events)), list[Event])
        _check(line)
        identity, events = _identity(line.identity), line.events
        if app_id is not None and app_id != identity.app_id:
            identity, events = _moved(identity, events, app_id)
        record = folded(identity, events)
        # A run that cannot be displayed later is rejected as well.
        node_executions(events, status=record.status, error=record.error)
    except Exception as error:
        # Any exception: a line may contain anything.
        what = str(error) or type(error).__name__
        if what.endswith(".event`"):
            what += "; a newer version of Jikko, which knows that event, may have written it"
        raise BadLine(number, what) from error
    return Append(identity.run_id, 0, events, record)


def _check(line: _Line) -> None:
    for name, given in _ids(line.identity).items():
        if not is_uuid(given):
            raise ValueError(f"{name} {given[:60]!r} is not a UUID")
    begins = [isinstance(event, RunStarted) for event in line.events]
    ends = [isinstance(event, RunFinished) for event in line.events]
    if not (begins and begins[0] and ends[-1] and sum(begins) == sum(ends) == 1):
        raise ValueError(f"the log of run {line.identity.run_id} is not whole")
    for event in line.events:
        for name, value in _numbers(event):
            if not _MIN_SECONDS <= value < _MAX_SECONDS:
                raise ValueError(f"{name} {value} of an event is out of range")


def _numbers(struct: msgspec.Struct) -> Iterator[tuple[str, float]]:
    """Yield the times and counts of an event, but not values of users."""
    for name in struct.__struct_fields__:
        match getattr(struct, name):
            case bool():
                pass
            case int() | float() as value:
                yield name, value
            case Usage() as usage:
                yield from _numbers(usage)
            case tuple() as items:
                for item in items:
                    if isinstance(item, Round):
                        yield from _numbers(item)


def _identity(identity: RunIdentity) -> RunIdentity:
    """Return the identity with ids in lower case, as stored: otherwise a known run would be added twice."""
    values = {**_ids(identity), "end_user_id": identity.end_user_id}
    return msgspec.structs.replace(
        identity, **{name: value.lower() for name, value in values.items() if is_uuid(value)}
    )


def _ids(identity: RunIdentity) -> dict[str, str]:
    """Return the ids that every run has, and that of the repeated run, by name."""
    names = ("run_id", "task_id", "app_id", "workflow_id", "retry_of")
    found = {name: getattr(identity, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _moved(identity: RunIdentity, events: list[Event], app_id: str) -> tuple[RunIdentity, list[Event]]:
    identity = msgspec.structs.replace(identity, app_id=app_id, end_user_id=end_user(app_id, identity.user))
    first: Any = events[0]
    if "app_id" in first.system:
        first = msgspec.structs.replace(first, system={**first.system, "app_id": app_id})
    return identity, [first, *events[1:]]


_MAX_CONCURRENT_RUNS: Final = 64
"""Concurrent writes of runs, which share commits."""


class ImportResult(Struct):
    added: int = 0
    known: int = 0
    """Runs that existed already."""
    apps: Counter[str] = field(default_factory=Counter)
    """Number of runs read, by app id."""


async def export_lines(
    store: RunStore,
    *,
    app_id: str | None = None,
    since: float = 0.0,
    until: float = math.inf,
    damaged: Callable[[JikkoError], None],
) -> AsyncIterator[bytes]:
    """Yield the ended runs by id, then those of the archive.

    Runs that end or are deleted meanwhile may or may not be included. A run that is archived meanwhile may appear
    twice, which imports tolerate.

    Args:
        app_id: Only runs of this app.
        since: Only runs created then or later, in seconds since the Unix epoch.
        until: Only runs created before.
        damaged: Called for each unreadable run or archive object, which is skipped.
    """
    after = ""
    while records := await store.scan(app_id=app_id, after=after):
        for record in records:
            if record.is_open or not since <= record.created_at < until:
                continue
            try:
                events = await store.events(record.identity.run_id)
            except LogDamaged as error:
                damaged(error)
            else:
                if events:  # not deleted meanwhile
                    yield run_line(record.identity, events)
        after = records[-1].identity.run_id
    async for record, events in store.archived(app_id=app_id, since=since, until=until, on_damaged=damaged):
        yield run_line(record.identity, events)


async def export_named(
    store: RunStore, records: Iterable[RunRecord], *, damaged: Callable[[JikkoError], None]
) -> AsyncIterator[bytes]:
    """Yield the lines of given runs, wherever they are. ``damaged``: As for ``export_lines``; also called for open and
    deleted runs."""
    for record in records:
        run_id = record.identity.run_id
        if record.is_open:
            damaged(Conflict(f"Run {run_id} has not ended."))
            continue
        try:
            events = await store.events(run_id)
        except (LogDamaged, StoreUnavailable) as error:
            damaged(error)
            continue
        if events:
            yield run_line(record.identity, events)
        else:
            damaged(NotFound(f"Run {run_id} was removed just now."))


async def import_lines(store: RunStore, lines: Iterable[bytes], *, app_id: str | None = None) -> ImportResult:
    """Import runs. Known ids are skipped, so an import can be repeated. ``app_id``: Target app; by default each run's
    own. Raises ``BadLine``; runs of earlier lines were added."""
    imported, archived = ImportResult(), await store.archived_until()
    pending: deque[tuple[int, asyncio.Future[None]]] = deque()
    try:
        for number, text in enumerate(lines, 1):
            if not text.strip():
                continue
            append = read_run(number, text, app_id=app_id)
            imported.apps[append.record.identity.app_id] += 1
            # Archived already, although a log could be created for it again.
            if archived is not None and append.record.created_at <= archived and await store.log_end(append.run_id):
                imported.known += 1
                continue
            pending.append((number, store.append(append)))
            if len(pending) >= _MAX_CONCURRENT_RUNS:
                await _await_append(*pending.popleft(), imported)
    finally:
        # Wait for all, so that no exception goes unnoticed.
        await asyncio.gather(*[append for _, append in pending], return_exceptions=True)
        while pending:
            await _await_append(*pending.popleft(), imported)
    return imported


async def _await_append(number: int, append: "asyncio.Future[None]", imported: ImportResult) -> None:
    try:
        await append
    except LogConflict:
        imported.known += 1
    except JikkoError:
        raise
    except Exception as error:
        raise BadLine(number, f"it cannot be kept: {error}") from error
    else:
        imported.added += 1
