"""The metadata of files in SQLite."""

import sqlite3
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Final

from jikko.errors import Conflict
from jikko.ports.stores.file_index import NOTHING_KEPT, Expired, FileTotals, Kept, StoredFile
from jikko.store.identifiers import id_text, stored_id
from jikko.store.row_reader import ORIGINS, RowReader
from jikko.store.sqlite.database import Database

_COLUMNS: Final = "file_id, app_id, end_user_id, name, size, extension, mime_type, digest, created_at, origin"
_ADD: Final = f"INSERT INTO files ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_FIND: Final = f"SELECT {_COLUMNS} FROM files WHERE file_id = ?"
_LISTED: Final = f"SELECT {_COLUMNS} FROM files WHERE app_id = ? ORDER BY created_at DESC, file_id DESC LIMIT ?"
_USED: Final = "UPDATE files SET used_at = ? WHERE file_id = ?"
_OLD: Final = """
SELECT key, digest, file_id, app_id, end_user_id FROM files
WHERE created_at < ? AND (used_at IS NULL OR used_at < ?) ORDER BY created_at
"""
_OF_USER: Final = """
SELECT key, digest FROM files INDEXED BY files_of_app WHERE app_id = ? AND end_user_id = ? LIMIT ?
"""
_FORGET: Final = "DELETE FROM files WHERE key = ?"
_IN_USE: Final = "SELECT 1 FROM files WHERE digest = ? LIMIT 1"

_TOTALS: Final = "SELECT count(*), total(size) FROM files"

_READER: Final = RowReader(id_text)


class SqliteFileIndex:
    """A ``FileIndex`` in a SQLite file. What opened the database closes it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, file: StoredFile) -> None:
        await self._database.submit(partial(_add, file))

    async def find(self, file_id: str) -> StoredFile | None:
        stored = stored_id(file_id.lower())
        row = self._database.quick(lambda connection: connection.execute(_FIND, (stored,)).fetchone())
        return None if row is None else _READER.file(row)

    async def listed(self, app_id: str, *, limit: int = 100) -> list[StoredFile]:
        values = (stored_id(app_id), limit)
        rows = await self._database.read(lambda connection: connection.execute(_LISTED, values).fetchall())
        return [_READER.file(row) for row in rows]

    async def used(self, file_id: str, at: float) -> None:
        values = (at, stored_id(file_id.lower()))
        noted = self._database.submit(lambda connection: connection.execute(_USED, values).rowcount)
        # Not waited for: at worst the file is removed as if it had not been used again.
        noted.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def expire(self, before: float, *, limit: int = 500, keep: Kept = NOTHING_KEPT) -> Expired:
        expired: Expired = await self._database.submit(partial(_expire, before, limit, keep))
        return expired

    async def forget_of_user(self, app_id: str, end_user_id: str, *, limit: int = 500) -> Expired:
        expired: Expired = await self._database.submit(partial(_forget_of_user, app_id, end_user_id, limit))
        return expired

    async def totals(self) -> FileTotals:
        files, size = await self._database.read(lambda connection: connection.execute(_TOTALS).fetchone())
        return FileTotals(files, int(size))

    async def unnamed(self, digests: Sequence[str]) -> list[str]:
        return await self._database.read(partial(_unnamed, digests))


def _unnamed(digests: Sequence[str], connection: sqlite3.Connection) -> list[str]:
    return [digest for digest in digests if connection.execute(_IN_USE, (bytes.fromhex(digest),)).fetchone() is None]


def _add(file: StoredFile, connection: sqlite3.Connection) -> None:
    values = (
        stored_id(file.id),
        stored_id(file.app_id),
        stored_id(file.end_user_id),
        file.name,
        file.size,
        file.extension,
        file.mime_type,
        bytes.fromhex(file.digest),
        file.created_at,
        ORIGINS.index(file.origin),
    )
    if connection.execute(_ADD, values).rowcount == 0:
        raise Conflict(f"There is a file {file.id} already.")


def _expire(before: float, limit: int, keep: Kept, connection: sqlite3.Connection) -> Expired:
    old = connection.execute(_OLD, (before, before))
    unused = ((key, digest) for key, digest, *ids in old if not keep.has(*map(id_text, ids)))
    return _forget(list(islice(unused, limit)), connection)


def _forget_of_user(app_id: str, end_user_id: str, limit: int, connection: sqlite3.Connection) -> Expired:
    values = (stored_id(app_id), stored_id(end_user_id.lower()), limit)
    return _forget(connection.execute(_OF_USER, values).fetchall(), connection)


def _forget(rows: Sequence[tuple[int, bytes]], connection: sqlite3.Connection) -> Expired:
    connection.executemany(_FORGET, [(key,) for key, _ in rows])
    digests = {digest for _, digest in rows}
    return Expired(len(rows), _unnamed(sorted(digest.hex() for digest in digests), connection))
