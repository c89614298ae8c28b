"""Carrying ended runs, with their logs, from one database to another: as JSON Lines, one run a line."""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from jikko.errors import LogConflict, LogDamaged
from jikko.events import Event, RunFinished, RunStarted
from jikko.ports.run_store import Append, RunStore
from jikko.record import RunOwner, RunRecord
from jikko.values import encode_json

FORMAT: Final = 1
"""Of a line. A later one may add fields."""
_AT_ONCE: Final = 64
"""Runs that are being written at one time: they share commits."""


class BadLine(Exception):
    """A line is not what `jikko runs export` writes. The message says which, and what is wrong."""


class Line(msgspec.Struct, kw_only=True):
    """One run. The record is not kept: it follows from the log."""

    format: int
    owner: RunOwner
    events: list[Event]


_decode = msgspec.json.Decoder(Line).decode


@dataclass(slots=True)
class Imported:
    """What came of an import."""

    added: int = 0
    known: int = 0
    """Runs that were there already."""


async def export_lines(
    store: RunStore, *, app_id: str | None = None, damaged: Callable[[LogDamaged], None]
) -> AsyncIterator[bytes]:
    """The ended runs, in the order of their ids. Runs that end meanwhile may be among them or not.

    Args:
        app_id: Only runs of this app.
        damaged: Told of each run that is left out because its log cannot be read.
    """
    after = ""
    while records := await store.scan(app_id=app_id, after=after):
        for record in records:
            if record.is_open:
                continue
            try:
                events = await store.events(record.owner.run_id)
            except LogDamaged as error:
                damaged(error)
            else:
                yield encode_json({"format": FORMAT, "owner": record.owner, "events": events}) + b"\n"
        after = records[-1].owner.run_id


async def import_lines(store: RunStore, lines: Iterable[bytes]) -> Imported:
    """Add runs. Those whose ids are known are left as they are, so that an import can be repeated.

    Raises:
        BadLine: A line cannot be read. Runs of the lines before it were added.
    """
    imported = Imported()
    pending: deque[Awaitable[Any]] = deque()
    try:
        for number, text in enumerate(lines, 1):
            if not text.strip():
                continue
            pending.append(store.append(_read(number, text)))
            if len(pending) >= _AT_ONCE:
                await _settle(pending.popleft(), imported)
    finally:
        while pending:
            await _settle(pending.popleft(), imported)
    return imported


async def _settle(append: Awaitable[Any], imported: Imported) -> None:
    try:
        await append
    except LogConflict:
        imported.known += 1
    else:
        imported.added += 1


def _read(number: int, text: bytes) -> Append:
    try:
        line = _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadLine(f"line {number} is no run: {error}") from None
    if line.format > FORMAT:
        raise BadLine(f"line {number} has format {line.format}; this version of Jikko reads up to {FORMAT}.")
    events = line.events
    if not events or not isinstance(events[0], RunStarted) or not isinstance(events[-1], RunFinished):
        raise BadLine(f"line {number}: the log of run {line.owner.run_id} is not whole.")
    record = RunRecord(owner=line.owner)
    for event in events:
        record.apply(event)
    return Append(line.owner.run_id, 0, events, record)
