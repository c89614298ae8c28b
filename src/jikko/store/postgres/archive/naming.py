"""Entries of the database about objects of the archive, and the search for a run: by its id, which tells its time."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from jikko.store.archive.archived_run import ArchivedRun
from jikko.store.postgres.columns import id_column
from jikko.store.postgres.database import Connection
from jikko.store.run_columns import STATUS_NUMBERS

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
    """An object that is in the bucket, and has runs."""

    path: str
    size: int
    """Bytes."""
    check_sum: int
    """See ``check_of``."""
    runs: Sequence[ArchivedRun]
    """In the order of their ids; one at least."""


async def add_object(connection: Connection, new: NewObject) -> None:
    """Name an object: its runs are in the archive from the end of the transaction on."""
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
    """Whether an id, as it is stored, tells its time: a UUID of version 7. No other run is archived."""
    return len(run_id) == _ID_BYTES and run_id[6] >> 4 == 7


def day_of(run_id: bytes) -> str:
    """The day (UTC) that an id tells."""
    return datetime.fromtimestamp(_time_of(run_id) // 1000, UTC).strftime("%Y-%m-%d")


def later(run_id: bytes) -> bytes:
    """An id behind all of the same day: the runs of one object are of one."""
    return (_time_of(run_id) + _DAY_MS).to_bytes(6) + b"\xff" * 10


def _time_of(run_id: bytes) -> int:
    return int.from_bytes(run_id[:6])
