"""The metadata of files in PostgreSQL."""

import asyncio
import math
from collections.abc import Sequence
from typing import Final

from jikko.errors import Conflict, JikkoError
from jikko.ports.stores.file_index import NOTHING_KEPT, Expired, FileTotals, Kept, StoredFile
from jikko.store.postgres.columns import id_column, id_of, text
from jikko.store.postgres.database import Connection, Postgres
from jikko.store.row_reader import ORIGINS, RowReader

_COLUMNS: Final = "file_id, app_id, end_user_id, name, size, extension, mime_type, digest, created_at, origin"
_ADD: Final = f"""
INSERT INTO files ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING
"""
_FIND: Final = f"SELECT {_COLUMNS} FROM files WHERE file_id = $1"
_LISTED: Final = f"SELECT {_COLUMNS} FROM files WHERE app_id = $1 ORDER BY created_at DESC, file_id DESC LIMIT $2"
_USED: Final = "UPDATE files SET used_at = $1 WHERE file_id = $2"
_OLD: Final = """
SELECT file_id, app_id, end_user_id, created_at FROM files
WHERE created_at < $1 AND (used_at IS NULL OR used_at < $1) AND (created_at, file_id) > ($2, $3)
ORDER BY created_at, file_id LIMIT $4
"""
_OF_USER: Final = "SELECT file_id FROM files WHERE app_id = $1 AND end_user_id = $2 LIMIT $3"
# Another server may have used one since it was looked at, or have removed it.
_FORGET: Final = """
DELETE FROM files WHERE file_id = ANY($1::bytea[]) AND (used_at IS NULL OR used_at < $2) RETURNING digest
"""
_UNNAMED: Final = """
SELECT digest FROM unnest($1::bytea[]) AS u (digest) WHERE NOT EXISTS (SELECT FROM files f WHERE f.digest = u.digest)
"""
_TOTALS: Final = "SELECT count(*), coalesce(sum(size), 0)::bigint FROM files"
_PAGE: Final = 1000
"""Old files that are looked at in one go."""

_READER: Final = RowReader(id_of)


class PostgresFileIndex:
    """A ``FileIndex`` in PostgreSQL. The database is closed by its opener."""

    def __init__(self, database: Postgres) -> None:
        self._database = database
        self._noting: set[asyncio.Task[None]] = set()
        database.on_close(self._rest)

    async def add(self, file: StoredFile) -> None:
        values = (
            id_column(file.id),
            id_column(file.app_id),
            id_column(file.end_user_id),
            text(file.name),
            file.size,
            text(file.extension),
            text(file.mime_type),
            bytes.fromhex(file.digest),
            file.created_at,
            ORIGINS.index(file.origin),
        )
        if await self._database.execute(_ADD, *values) == 0:
            raise Conflict(f"There is a file {file.id} already.")

    async def find(self, file_id: str) -> StoredFile | None:
        row = await self._database.row(_FIND, id_column(file_id.lower()))
        return None if row is None else _READER.file(row)

    async def listed(self, app_id: str, *, limit: int = 100) -> list[StoredFile]:
        return [_READER.file(row) for row in await self._database.fetch(_LISTED, id_column(app_id), limit)]

    async def used(self, file_id: str, at: float) -> None:
        # Not waited for: at worst the file is removed as if it had not been used again.
        task = asyncio.ensure_future(self._note(file_id, at))
        self._noting.add(task)
        task.add_done_callback(self._noting.discard)

    async def _note(self, file_id: str, at: float) -> None:
        try:
            await self._database.execute(_USED, at, id_column(file_id.lower()))
        except JikkoError:
            return

    async def _rest(self) -> None:
        await asyncio.gather(*self._noting)

    async def expire(self, before: float, *, limit: int = 500, keep: Kept = NOTHING_KEPT) -> Expired:
        await self._rest()

        async def work(connection: Connection) -> Expired:
            old: list[bytes] = []
            at, file_id = float("-inf"), b""
            while len(old) < limit:
                rows = await connection.fetch(_OLD, before, at, file_id, _PAGE)
                for row in rows:
                    at, file_id = row[3], row[0]
                    if len(old) < limit and not keep.has(id_of(row[0]), id_of(row[1]), id_of(row[2])):
                        old.append(row[0])
                if len(rows) < _PAGE:
                    break
            return await _forget(connection, old, before)

        return await self._database.transact(work)

    async def forget_of_user(self, app_id: str, end_user_id: str, *, limit: int = 500) -> Expired:
        async def work(connection: Connection) -> Expired:
            wanted = (id_column(app_id), id_column(end_user_id.lower()), limit)
            return await _forget(connection, [row[0] for row in await connection.fetch(_OF_USER, *wanted)], math.inf)

        return await self._database.transact(work)

    async def totals(self) -> FileTotals:
        [(files, size)] = await self._database.fetch(_TOTALS)
        return FileTotals(files, size)

    async def unnamed(self, digests: Sequence[str]) -> list[str]:
        rows = await self._database.fetch(_UNNAMED, [bytes.fromhex(digest) for digest in digests])
        return [row[0].hex() for row in rows]


async def _forget(connection: Connection, file_ids: Sequence[bytes], unused_since: float) -> Expired:
    gone = [row[0] for row in await connection.fetch(_FORGET, file_ids, unused_since)]
    rows = await connection.fetch(_UNNAMED, sorted(set(gone)))
    return Expired(len(gone), [row[0].hex() for row in rows])
