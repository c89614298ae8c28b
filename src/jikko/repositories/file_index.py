"""Index of file metadata."""

from __future__ import annotations  # operations are functions created per call

import math
from collections.abc import Sequence
from typing import Final

from jikko.errors import Conflict
from jikko.ports.stores.file_index import NOTHING_KEPT, Expired, FileTotals, Kept, Origin, StoredFile
from jikko.repositories.record_table import RecordTable
from jikko.repositories.shared_sql import Operation, Rows, SqlDatabase, id_text, written

_ORIGINS: Final[tuple[Origin, ...]] = ("upload", "node")
"""Names of the numbers in ``files.origin``."""
_TABLE: Final = RecordTable(
    "files",
    StoredFile,
    columns={"id": "file_id"},
    codecs={"digest": (bytes.fromhex, bytes.hex), "origin": (_ORIGINS.index, _ORIGINS.__getitem__)},
)
_ADD: Final = f"{_TABLE.insert} ON CONFLICT DO NOTHING"
_FIND: Final = _TABLE.select("WHERE file_id = :id")
_USED: Final = "UPDATE files SET used_at = :at WHERE file_id = :id"
_EXPIRED: Final = """
SELECT file_id, app_id, end_user_id, created_at FROM files
WHERE created_at < :before AND (used_at IS NULL OR used_at < :before) AND (created_at, file_id) > (:at, :file_id)
ORDER BY created_at, file_id LIMIT :limit
"""
_OF_USER: Final = """
SELECT file_id FROM files INDEXED BY files_of_app WHERE app_id = :app_id AND end_user_id = :end_user_id LIMIT :limit
"""
# Another server may have used or deleted a file since the selection.
_FORGET: Final = "DELETE FROM files WHERE file_id IN :ids AND (used_at IS NULL OR used_at < :before) RETURNING digest"
_UNNAMED: Final = """
WITH given (digest) AS (VALUES :digests::bytea)
SELECT digest FROM given WHERE NOT EXISTS (SELECT 1 FROM files WHERE files.digest = given.digest)
"""
_TOTALS: Final = "SELECT count(*), coalesce(sum(size), 0)::int8 FROM files"
_PAGE: Final = 1000
"""Old files examined per slice."""


class FileIndex:
    def __init__(self, database: SqlDatabase) -> None:
        self._sql = database.sql

    async def add(self, file: StoredFile) -> None:
        """Store a file's metadata, durably.

        Raises:
            Conflict: The id exists.
            StoreUnavailable: It could not be written.
        """
        if await self._sql.count(_ADD, **_TABLE.values(file)) == 0:
            raise Conflict(f"A file {file.id} already exists.")

    async def find(self, file_id: str) -> StoredFile | None:
        """Return a file of any app. ``file_id``: Case-insensitive."""
        return _TABLE.found(await self._sql.row(_FIND, id=file_id.lower()))

    async def used(self, file_id: str, at: float) -> None:
        """Record that a run takes a file as an input. Not yet durable on return: at worst the file expires as if it had
        not been used again."""
        self._sql.later(_USED, at=at, id=file_id.lower())

    async def expire(self, before: float, *, limit: int = 500, keep: Kept = NOTHING_KEPT) -> Expired:
        """Forget files neither created nor used since a time, oldest first. Returns fewer than ``limit`` if none are
        left.

        Args:
            limit: Maximum number of files.
            keep: Files to keep.
        """
        await self._sql.settled()

        def expire() -> Operation[Expired]:
            old: list[str] = []
            at, file_id = -math.inf, ""
            while len(old) < limit:
                rows = yield Rows(_EXPIRED, before=before, at=at, file_id=file_id, limit=_PAGE)
                for row in rows:
                    at, file_id = row[3], id_text(row[0])
                    if len(old) < limit and not keep.has(file_id, id_text(row[1]), id_text(row[2])):
                        old.append(file_id)
                if len(rows) < _PAGE:
                    break
            return (yield from _forget(old, before))

        return await self._sql.write(expire)

    @written
    def forget_of_user(self, app_id: str, end_user_id: str, *, limit: int = 500) -> Operation[Expired]:
        """Forget files of an end user. Returns as ``expire`` does."""
        rows = yield Rows(_OF_USER, app_id=app_id, end_user_id=end_user_id.lower(), limit=limit)
        return (yield from _forget([id_text(row[0]) for row in rows], math.inf))

    async def totals(self) -> FileTotals:
        """Return number and total size of the files. Scans all of them."""
        [row] = await self._sql.rows(_TOTALS)
        return FileTotals(row[0], row[1])

    async def unnamed(self, digests: Sequence[str]) -> list[str]:
        rows = await self._sql.rows(_UNNAMED, digests=[bytes.fromhex(digest) for digest in digests])
        return [row[0].hex() for row in rows]


def _forget(ids: Sequence[str], before: float) -> Operation[Expired]:
    gone = yield Rows(_FORGET, ids=ids, before=before)
    unnamed = yield Rows(_UNNAMED, digests=sorted({row[0] for row in gone}))
    return Expired(len(gone), [row[0].hex() for row in unnamed])
