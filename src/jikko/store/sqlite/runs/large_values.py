"""Large values: written in pieces, each in a transaction of its own, before the row that refers to them.

There is one writer. A value of 8 MB that is written at once takes 16 ms, for which every other commit waits.

=========  ============================================  ==============================================================
state      what it means                                 what becomes of it
=========  ============================================  ==============================================================
begun      it has a row without a run, and some pieces   ``take`` gives it to a run; who is refused drops it; what a
                                                         process leaves behind goes after an hour, with the next value
taken      its run's key is in the row; a row of the     it goes with that row, or with the run
           run refers to it
=========  ============================================  ==============================================================

Invariant: whoever reads a row that refers to a value finds all of its pieces, in the same transaction.
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
"""Of a value that are written in one transaction. What is no larger is written where it belongs."""
ABANDONED_SECONDS: Final = 3600.0
"""After which a value that no row refers to is one that a process has left behind."""
_MARK: Final = b"\x7f"
"""What a reference begins with, and neither a JSON array nor a compressed log."""
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

    Of all that are being written, one piece is in a transaction, and they take turns.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turn = asyncio.Lock()
        self._dropping: set[asyncio.Future[None]] = set()

    async def write(self, data: bytes | str) -> int:
        """Write a value; a text has ASCII only. Returns its number.
        Raises ``StoreUnavailable``: it is not written; what is there of it is dropped."""
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
        """Drop values if the block, which has them taken, fails."""
        try:
            yield
        except BaseException:
            self._drop(values)
            raise

    def _drop(self, values: Sequence[int]) -> None:
        dropping = self._database.submit(partial(_drop_begun, values))
        self._dropping.add(dropping)
        # If that fails, they go after a while.
        dropping.add_done_callback(self._dropped)

    def _dropped(self, done: "asyncio.Future[None]") -> None:
        self._dropping.discard(done)
        if not done.cancelled():
            done.exception()


def reference(value: int) -> bytes:
    """What stands for a value where a blob would be."""
    return _MARK + value.to_bytes(_NUMBER_BYTES)


def referred(blob: bytes) -> int | None:
    """The value that a blob refers to; ``None``: it is one itself."""
    return int.from_bytes(blob[1:]) if blob[:1] == _MARK and len(blob) == REFERENCE_BYTES else None


def whole(connection: sqlite3.Connection, blob: bytes) -> bytes:
    """The blob, or the value that it refers to; empty if that is missing."""
    value = referred(blob)
    if value is None:
        return blob
    return b"".join(piece for (piece,) in connection.execute(_READ, (value,)))


def text_of(value: str) -> str:
    """The text of a value as an expression of SQL. ``value``: its number, as an expression."""
    pieces = f"SELECT bytes FROM large_pieces WHERE large_pieces.value = {value} ORDER BY number"
    return f"(SELECT group_concat(CAST(bytes AS TEXT), '') FROM ({pieces}))"


def require_begun(connection: sqlite3.Connection, values: Sequence[int]) -> None:
    """Raises ``StoreUnavailable``: one was taken to be left behind. It has to be written again."""
    for value in values:
        if connection.execute(_IS_BEGUN, (value,)).fetchone() is None:
            raise StoreUnavailable("A large value took too long to be written.")


def take(connection: sqlite3.Connection, values: Sequence[int], run_id: StoredId) -> None:
    """Give values to a run, a row of which refers to them."""
    for value in values:
        connection.execute(_TAKE, (run_id, value))


def drop(connection: sqlite3.Connection, values: Sequence[int]) -> None:
    """Remove values."""
    for value in values:
        connection.execute(_REMOVE_PIECES, (value,))
        connection.execute(_REMOVE, (value,))


def drop_of_run(connection: sqlite3.Connection, run: int) -> None:
    """Remove the values of a run. ``run``: its key."""
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
