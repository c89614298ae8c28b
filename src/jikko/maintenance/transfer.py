"""Carrying ended runs, with their logs, from one database to another: as JSON Lines, one run a line.

A line has the identity and the log of a run. The record is not kept, since it follows from the log.
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
"""Of a line. A later one may add fields. In lines of format 1, marks stand for secrets."""
MAX_LINE: Final = 1 << 30
"""Bytes of a line. A whole log is in one."""
_MIN_SECONDS, _MAX_SECONDS = -62_135_596_800, 253_402_300_800
"""Seconds between which lie the years 1 to 9999; nothing that events count comes near."""


class BadLine(Exception):
    """A line is not what `jikko runs export` writes. The message says which, and what is wrong."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(f"line {number} is no run: {what}")


class _Line(msgspec.Struct, kw_only=True):
    format: int
    identity: RunIdentity = msgspec.field(name="owner")
    events: list[Event]


_decode = msgspec.json.Decoder(_Line).decode


def run_line(identity: RunIdentity, events: list[Event]) -> bytes:
    """The line of an ended run."""
    return encode_json({"format": FORMAT, "owner": identity, "events": events}) + b"\n"


def read_run(number: int, text: bytes, *, app_id: str | None = None) -> Append:
    """What adds the run of a line to a store. Raises ``BadLine``: it is no such line.

    Args:
        number: Of the line, counted from 1.
        app_id: The app whose run it becomes; by default that which it was of.
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
        # What cannot be shown later is no run either.
        node_executions(events, status=record.status, error=record.error)
    except Exception as error:
        # Whatever a line can hold: that it is no run is all that there is to know.
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
    """The times and counts of an event; not what users put into it."""
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
    """The identity with its ids as they are spelled here: in lower case, or a known run would not be known again."""
    values = {**_ids(identity), "end_user_id": identity.end_user_id}
    return msgspec.structs.replace(
        identity, **{name: value.lower() for name, value in values.items() if is_uuid(value)}
    )


def _ids(identity: RunIdentity) -> dict[str, str]:
    """The ids that every run has, and that of the run which it repeats, by their names."""
    names = ("run_id", "task_id", "app_id", "workflow_id", "retry_of")
    found = {name: getattr(identity, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _moved(identity: RunIdentity, events: list[Event], app_id: str) -> tuple[RunIdentity, list[Event]]:
    """The run as one of another app."""
    identity = msgspec.structs.replace(identity, app_id=app_id, end_user_id=end_user(app_id, identity.user))
    first: Any = events[0]
    if "app_id" in first.system:
        first = msgspec.structs.replace(first, system={**first.system, "app_id": app_id})
    return identity, [first, *events[1:]]


_MAX_CONCURRENT_RUNS: Final = 64
"""Runs that are being written at one time: they share commits."""


class ImportResult(Struct):
    """What came of an import."""

    added: int = 0
    known: int = 0
    """Runs that were there already."""
    apps: Counter[str] = field(default_factory=Counter)
    """How many runs were read of each app, by its id."""


async def export_lines(
    store: RunStore,
    *,
    app_id: str | None = None,
    since: float = 0.0,
    until: float = math.inf,
    damaged: Callable[[JikkoError], None],
) -> AsyncIterator[bytes]:
    """The ended runs: in the order of their ids, and behind them those of the archive.

    Runs that end or are pruned meanwhile may be among them or not. One that is archived meanwhile may be there twice,
    which is no harm: who imports them leaves the second alone.

    Args:
        app_id: Only runs of this app.
        since: Only runs that were created then or later, in seconds since the Unix epoch.
        until: Only runs that were created before.
        damaged: Called for each run, or object of the archive, that is left out because it cannot be read.
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
                if events:  # not pruned meanwhile
                    yield run_line(record.identity, events)
        after = records[-1].identity.run_id
    async for record, events in store.archived(app_id=app_id, since=since, until=until, on_damaged=damaged):
        yield run_line(record.identity, events)


async def export_named(
    store: RunStore, records: Iterable[RunRecord], *, damaged: Callable[[JikkoError], None]
) -> AsyncIterator[bytes]:
    """Some runs, wherever they are.
    ``damaged``: as of ``export_lines``; called, too, for each run that goes on, or was pruned meanwhile."""
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
    """Add runs. Those whose ids are known are left as they are, so that an import can be repeated.
    ``app_id``: the app whose runs they become; by default, each stays the run of the app that it was of.
    Raises ``BadLine``: a line cannot be read. Runs of the lines before it were added."""
    imported, archived = ImportResult(), await store.archived_until()
    pending: deque[tuple[int, asyncio.Future[None]]] = deque()
    try:
        for number, text in enumerate(lines, 1):
            if not text.strip():
                continue
            append = read_run(number, text, app_id=app_id)
            imported.apps[append.record.identity.app_id] += 1
            # What is in the archive is there already, though its log could begin once more.
            if archived is not None and append.record.created_at <= archived and await store.log_end(append.run_id):
                imported.known += 1
                continue
            pending.append((number, store.append(append)))
            if len(pending) >= _MAX_CONCURRENT_RUNS:
                await _await_append(*pending.popleft(), imported)
    finally:
        # All of them, so that each is looked at, whatever became of the first.
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
