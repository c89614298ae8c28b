"""Appends in several transactions: those with large values, and those that close a long log.

Long logs are compressed outside the event loop and the writer thread: 100 MB take a second, which would block all other
appends. A log of ``MAX_CLOSING_BYTES`` or less is compressed by the writer, in the transaction that closes it: that
takes a few milliseconds and one answer.
"""

import asyncio
import sqlite3
from functools import partial
from typing import Final

import msgspec

from jikko.concurrency.background_tasks import start_task
from jikko.errors import JikkoError
from jikko.repositories.shared_sql import StoredId
from jikko.store.event_codec import Compressor
from jikko.store.sqlite.database import Database
from jikko.store.sqlite.runs.large_values import (
    PIECE_BYTES,
    REFERENCE_BYTES,
    LargeValues,
    drop,
    reference,
    referred,
    whole,
)
from jikko.store.sqlite.runs.run_writes import MAX_CLOSING_BYTES, LogWrite, LongLog, RunWrites

_PIECES: Final = """
SELECT position, events FROM run_log
WHERE run = (SELECT key FROM runs WHERE run_id = ?) AND position > ? ORDER BY position LIMIT ?
"""
_SIZES: Final = f"""
SELECT run, position, length(events), substr(events, 1, {REFERENCE_BYTES}) FROM run_log
WHERE run = (SELECT key FROM runs WHERE run_id = ? AND status > 1) ORDER BY position LIMIT ?
"""
_CLEAR: Final = "DELETE FROM run_log WHERE run = ? AND position <= ?"
_BATCH_PIECES: Final = 8
"""Pieces of a log, usually a megabyte at most, that are read or removed at once."""
_REMOVED_BYTES: Final = 4 << 20
"""Bytes after which a removal stops: a piece may be larger if an event is."""


def _pieces(run_id: StoredId, after: int, connection: sqlite3.Connection) -> list[tuple[int, bytes]]:
    pieces = connection.execute(_PIECES, (run_id, after, _BATCH_PIECES)).fetchall()
    return [(position, whole(connection, events)) for position, events in pieces]


def _clear(run_id: StoredId, connection: sqlite3.Connection) -> bool:
    """Remove the first pieces. Returns whether there may be more."""
    pieces = connection.execute(_SIZES, (run_id, _BATCH_PIECES)).fetchall()
    size = removed = 0
    while removed < len(pieces) and size < _REMOVED_BYTES:
        _, _, length, beginning = pieces[removed]
        value = referred(beginning)
        if value is not None:
            drop(connection, [value])
        size += length if value is None else _REMOVED_BYTES
        removed += 1
    if removed:
        connection.execute(_CLEAR, pieces[removed - 1][:2])
    return removed < len(pieces) or removed == _BATCH_PIECES


class LargeAppends:
    """Performs appends in several transactions, the last of which is decisive. Belongs to one event loop."""

    def __init__(self, database: Database, writes: RunWrites) -> None:
        self._database = database
        self._writes = writes
        self._values = LargeValues(database)
        self._doing: set[asyncio.Task[None]] = set()
        self._clearing: set[asyncio.Task[None]] = set()

    def append(self, write: LogWrite) -> "asyncio.Future[None]":
        """Perform an append; see ``RunWrites.append``."""
        return start_task(self._close(write) if write.closes else self._append(write), self._doing)

    async def rest(self) -> None:
        """Wait until all appends and removals are done."""
        await asyncio.gather(*self._doing, return_exceptions=True)
        await asyncio.gather(*self._clearing, return_exceptions=True)

    async def _append(self, write: LogWrite) -> None:
        write = await self._after_large_inputs(write)
        if len(write.events) > PIECE_BYTES:
            async with self._values.kept(write.values):
                value = await self._values.write(write.events)
            write = msgspec.structs.replace(write, events=reference(value), values=(*write.values, value))
        async with self._values.kept(write.values):
            await self._database.submit(partial(self._writes.append, write))

    async def _close(self, write: LogWrite) -> None:
        write = await self._after_large_inputs(write)
        async with self._values.kept(write.values):
            if len(write.events) <= MAX_CLOSING_BYTES:
                try:
                    await self._database.submit(partial(self._writes.append, write))
                    return
                except LongLog:
                    pass
            await self._close_long(write)

    async def _close_long(self, write: LogWrite) -> None:
        """Close a log, whose part before the append cannot change: if another process adds to it, the append fails."""
        archive = await self._compressed(write)
        values = write.values
        if len(archive) > PIECE_BYTES:
            value = await self._values.write(archive)
            archive, values = reference(value), (*values, value)
        closing = msgspec.structs.replace(write, archive=archive, values=values)
        async with self._values.kept(values):
            await self._database.submit(partial(self._writes.append, closing))
        # From now on the archive counts; its pieces are removed one by one.
        start_task(self._clear(write.run_id), self._clearing)

    async def _compressed(self, write: LogWrite) -> bytes:
        compressor, last = Compressor(), -1
        while last + 1 < write.at:
            pieces = await self._database.read(partial(_pieces, write.run_id, last))
            if not pieces:
                break
            last = pieces[-1][0]
            for position, events in pieces:
                if position < write.at:
                    await self._database.in_thread(compressor.add, events)
        await self._database.in_thread(compressor.add, write.events)
        return await self._database.in_thread(compressor.end)

    async def _clear(self, run_id: StoredId) -> None:
        try:
            while await self._database.submit(partial(_clear, run_id)):
                pass
        except JikkoError:
            # They stay, harmlessly, until the run is removed.
            return

    async def _after_large_inputs(self, write: LogWrite) -> LogWrite:
        """Write large inputs, unless they were written, and return the append that refers to them."""
        if write.at > 0 or len(write.inputs) <= PIECE_BYTES:
            return write
        value = await self._values.write(write.inputs)
        return msgspec.structs.replace(write, large_inputs=value, values=(value,))
