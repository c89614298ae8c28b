"""Large values: written in pieces, each in a separate transaction, before the row that refers to them.

There is one writer. Writing 8 MB at once takes 16 ms, for which every other commit waits.

=========  ============================================  ==============================================================
state      what it means                                 what becomes of it
=========  ============================================  ==============================================================
begun      it has a row without a run, and some pieces   ``take`` gives it to a run; refused writers drop it; what a
                                                         process leaves behind goes after an hour, with the next value
taken      its run's key is in the row; a row of the     it goes with that row, or with the run
           run refers to it
=========  ============================================  ==============================================================

Invariant: a transaction that reads a row with a reference also finds all pieces of the value.
"""

import asyncio
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from jikko.errors import StoreUnavailable
from jikko.repositories.shared_sql import StoredId
from jikko.store.sqlite.database import Database

PIECE_BYTES: Final = 1 << 20
"""Bytes of a value written in one transaction. Smaller values are stored in place."""
ABANDONED_SECONDS: Final = 3600.0
"""Seconds after which an unreferenced value counts as abandoned by its process."""
_MARK: Final = b"\x7f"
"""First byte of a reference, which neither a JSON array nor a compressed log begins with."""
_NUMBER_BYTES: Final = 8
REFERENCE_BYTES: Final = len(_MARK) + _NUMBER_BYTES

_BEGIN: Final = "INSERT INTO large_values (value, run, begun_at) VALUES (?, NULL, ?)"
_IS_BEGUN: Final = "SELECT 1 FROM large_values WHERE value = ? AND run IS NULL"
_ADD: Final = "INSERT INTO large_pieces (value, number, bytes) VALUES (?, ?, ?)"
_TAKE: Final = "UPDATE large_values SET run = (SELECT key FROM runs WHERE run_id = ?) WHERE value = ?"
_ABANDONED: Final = "SELECT value FROM large_values WHERE run IS NULL AND begun_at < ? LIMIT 1"
_REMOVE_PIECES: Final = "DELETE FROM large_pieces WHERE value = ?"
_REMOVE: Final = "DELETE FROM large_values WHERE value = ?"
_OF_RUN: Final = "SELECT value FROM large_values WHERE run = ?"
_READ: Final = "SELECT bytes FROM large_pieces WHERE value = ? ORDER BY number"


class LargeValues:
    """Writes large values. Belongs to one event loop.

    Concurrent values take turns, one piece per transaction.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turn = asyncio.Lock()
        self._dropping: set[asyncio.Future[None]] = set()

    async def write(self, data: bytes | str) -> int:
        """Write a value; text must be ASCII. Returns its number. Raises ``StoreUnavailable``: failed, and dropped."""
        value = secrets.randbits(62)
        try:
            for number, begin in enumerate(range(0, len(data), PIECE_BYTES)):
                piece = data[begin : begin + PIECE_BYTES]
                encoded = piece.encode("ascii") if isinstance(piece, str) else piece
                async with self._turn:
                    await self._database.submit(partial(_add, value, number, encoded))
        except BaseException:
            self._drop([value])
            raise
        return value

    @asynccontextmanager
    async def kept(self, values: Sequence[int]) -> AsyncIterator[None]:
        """Drop values if the block, in which they are taken, fails."""
        try:
            yield
        except BaseException:
            self._drop(values)
            raise

    def _drop(self, values: Sequence[int]) -> None:
        dropping = self._database.submit(partial(_drop_begun, values))
        self._dropping.add(dropping)
        # If that fails, they expire.
        dropping.add_done_callback(self._dropped)

    def _dropped(self, done: "asyncio.Future[None]") -> None:
        self._dropping.discard(done)
        if not done.cancelled():
            done.exception()


def reference(value: int) -> bytes:
    """Return the reference to a value, stored in place of a blob."""
    return _MARK + value.to_bytes(_NUMBER_BYTES)


def referred(blob: bytes) -> int | None:
    """Return the value that a blob refers to; ``None``: it is not a reference."""
    return int.from_bytes(blob[1:]) if blob[:1] == _MARK and len(blob) == REFERENCE_BYTES else None


def whole(connection: sqlite3.Connection, blob: bytes) -> bytes:
    """Return the blob, or the value that it refers to; empty if that is missing."""
    value = referred(blob)
    if value is None:
        return blob
    return b"".join(piece for (piece,) in connection.execute(_READ, (value,)))


def text_of(value: str) -> str:
    """Return a SQL expression for a value's text. ``value``: Its number, as an expression."""
    pieces = f"SELECT bytes FROM large_pieces WHERE large_pieces.value = {value} ORDER BY number"
    return f"(SELECT group_concat(CAST(bytes AS TEXT), '') FROM ({pieces}))"


def require_begun(connection: sqlite3.Connection, values: Sequence[int]) -> None:
    """Raises ``StoreUnavailable``: a value was dropped as abandoned, and must be written again."""
    for value in values:
        if connection.execute(_IS_BEGUN, (value,)).fetchone() is None:
            raise StoreUnavailable("A large value took too long to be written.")


def take(connection: sqlite3.Connection, values: Sequence[int], run_id: StoredId) -> None:
    """Assign values to a run that has a row referring to them."""
    for value in values:
        connection.execute(_TAKE, (run_id, value))


def drop(connection: sqlite3.Connection, values: Sequence[int]) -> None:
    for value in values:
        connection.execute(_REMOVE_PIECES, (value,))
        connection.execute(_REMOVE, (value,))


def drop_of_run(connection: sqlite3.Connection, run: int) -> None:
    """Remove a run's values. ``run``: Its key."""
    drop(connection, [value for (value,) in connection.execute(_OF_RUN, (run,)).fetchall()])


def _add(value: int, number: int, piece: bytes, connection: sqlite3.Connection) -> None:
    if number == 0:
        now = time.time()
        drop(connection, [left for (left,) in connection.execute(_ABANDONED, (now - ABANDONED_SECONDS,)).fetchall()])
        connection.execute(_BEGIN, (value, now))
    else:
        require_begun(connection, [value])
    connection.execute(_ADD, (value, number, piece))


def _drop_begun(values: Sequence[int], connection: sqlite3.Connection) -> None:
    drop(connection, [value for value in values if connection.execute(_IS_BEGUN, (value,)).fetchone()])
