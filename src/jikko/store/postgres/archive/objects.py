"""Objects of the archive: written to the bucket, named in the database, read back, and found by run id."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from msgspec import Struct

from jikko.errors import StoreUnavailable
from jikko.extras import how_to_install
from jikko.ids import new_id
from jikko.ports.stores.object_store import ObjectStore
from jikko.record import RunRecord
from jikko.store.postgres.database import Connection
from jikko.store.postgres.sql import id_column
from jikko.store.run_columns import STATUS_NUMBERS

if TYPE_CHECKING:
    from jikko.store.postgres.archive.parquet import ArchiveFile


class ArchivedRun(Struct, frozen=True):
    """An ended run, with its log."""

    record: RunRecord
    log: bytes
    """Events as a JSON array."""
    log_end: int
    """Number of events."""


class DamagedArchive(Exception):
    """An object is not part of the archive, or was altered. The message says why."""


_DAY_MS: Final = 24 * 3600 * 1000
_ID_BYTES: Final = 16
_ADD: Final = """
INSERT INTO archives (path, size, check_sum, runs, first_id, last_id, first_created, last_created, last_finished)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING key
"""
_ADD_USERS: Final = """
INSERT INTO archived_users (archive, app_id, end_user_id, runs)
SELECT $1, u.app, u.end_user, u.runs FROM unnest($2::bytea[], $3::bytea[], $4::int4[]) AS u (app, end_user, runs)
"""

_ADD_RETRIES: Final = """
INSERT INTO archived_retries (archive, retry_of, run_id, status, created_at)
SELECT $1, r.* FROM unnest($2::bytea[], $3::bytea[], $4::int2[], $5::float8[]) AS r
"""


class NewObject(Struct, frozen=True):
    """An object in the bucket, with its runs."""

    path: str
    size: int
    """Size in bytes."""
    check_sum: int
    """See ``check_of``."""
    runs: Sequence[ArchivedRun]
    """At least one, in the order of ids."""


async def add_object(connection: Connection, new: NewObject) -> None:
    """Name an object: its runs are archived once the transaction commits."""
    records = [run.record for run in new.runs]
    ids = [id_column(record.identity.run_id) for record in records]
    created = [record.created_at for record in records]
    finished = [record.finished_at or record.created_at for record in records]
    values = (new.path, new.size, new.check_sum, len(ids), ids[0], ids[-1], min(created), max(created), max(finished))
    key = await connection.fetchval(_ADD, *values)
    users = Counter((id_column(r.identity.app_id), id_column(r.identity.end_user_id)) for r in records)
    apps, end_users = [app for app, _ in users], [user for _, user in users]
    await connection.execute(_ADD_USERS, key, apps, end_users, list(users.values()))
    retries = [
        (id_column(r.identity.retry_of), id_column(r.identity.run_id), STATUS_NUMBERS[r.status], r.created_at)
        for r in records
        if r.identity.retry_of is not None
    ]
    if retries:
        await connection.execute(_ADD_RETRIES, key, *map(list, zip(*retries, strict=True)))


def is_dated(run_id: bytes) -> bool:
    """Return whether a stored id contains its time: a UUID of version 7. Other runs are not archived."""
    return len(run_id) == _ID_BYTES and run_id[6] >> 4 == 7


def day_of(run_id: bytes) -> str:
    """Return the day (UTC) in an id."""
    return datetime.fromtimestamp(_time_of(run_id) // 1000, UTC).strftime("%Y-%m-%d")


def later(run_id: bytes) -> bytes:
    """Return an id after all others of the same day: an object has runs of one day."""
    return (_time_of(run_id) + _DAY_MS).to_bytes(6) + b"\xff" * 10


def _time_of(run_id: bytes) -> int:
    return int.from_bytes(run_id[:6])


T = TypeVar("T")
FOLDER: Final = "archive/v1"


class Stored(NamedTuple):
    """Row of ``archives``: an object of the bucket."""

    key: int
    path: str
    check_sum: int


class ArchiveObjects:
    """Objects of the archive, by path. Bucket calls run in threads."""

    def __init__(self, bucket: ObjectStore) -> None:
        self._bucket = bucket

    async def write(self, day: str, runs: Sequence[ArchivedRun]) -> NewObject:
        """Write runs, in the order of their ids, to a new object, and verify it.

        Raises:
            StoreUnavailable: Writing or verification failed.
            DamagedArchive: One of the runs cannot be encoded.
        """
        return await asyncio.to_thread(self._write, f"{FOLDER}/{day}/{new_id()}.parquet", runs)

    def _write(self, path: str, runs: Sequence[ArchivedRun]) -> NewObject:
        from jikko.store.postgres.archive.parquet import check_of, encode

        content = encode(runs)
        self._bucket.put(path, content)
        if self._bucket.get(path) != content:
            raise StoreUnavailable(f"{path} in {self._bucket.name} does not read as it was written")
        return NewObject(path, len(content), check_of(content), runs)

    async def find(self, each: Stored, run_id: str) -> ArchivedRun | None:
        """Return a run of an object.

        Raises:
            FileMissing: There is no such object.
            StoreUnavailable: It cannot be read, or is damaged.
        """
        return await self._read(each, lambda file: file.find(run_id))

    async def all(self, each: Stored) -> list[ArchivedRun]:
        """Return all runs of an object. Raises ``FileMissing`` or ``StoreUnavailable`` like ``find``."""
        return await self._read(each, lambda file: list(file.runs()))

    async def delete(self, path: str) -> None:
        """Remove an unreferenced object. Raises ``StoreUnavailable``: it cannot be removed."""
        await asyncio.to_thread(self._bucket.delete, path)

    async def written(self) -> dict[str, float]:
        """Return the Unix time at which each object was written. Raises ``StoreUnavailable``: listing failed."""
        listed = await asyncio.to_thread(self._bucket.listed, FOLDER)
        return {path: at for path, (_, at) in listed.items()}

    def label(self, path: str) -> str:
        return f"{path} in {self._bucket.name}"

    async def _read(self, each: Stored, read: "Callable[[ArchiveFile], T]") -> T:
        def opened() -> T:
            try:
                from jikko.store.postgres.archive.parquet import ArchiveFile
            except ModuleNotFoundError:
                raise StoreUnavailable(
                    f"The run is in the archive, which needs another library to be read: {how_to_install('archive')}"
                ) from None
            # Whole: objects are small, and not every storage supports ranges.
            return read(ArchiveFile(self._bucket.get(each.path), each.check_sum))

        try:
            return await asyncio.to_thread(opened)
        except DamagedArchive as error:
            raise StoreUnavailable(
                f"{self.label(each.path)}, which has runs of the archive, is damaged: {error}. Restore it from a "
                "backup of the bucket."
            ) from error
