"""Going through runs, piece by piece."""

from typing import Final

from jikko.store.postgres.columns import id_column
from jikko.store.postgres.database import Postgres, Row
from jikko.store.postgres.runs.run_rows import ALL_RUNS, COLUMNS

_LOOKED_AT: Final = 20_000
"""Runs of all apps that one statement looks at for those of one: no index has these by their ids."""
_OF_ALL: Final = f"SELECT {COLUMNS} FROM {ALL_RUNS} WHERE run_id > $1 ORDER BY run_id LIMIT $2"
_OF_APP: Final = f"""
SELECT run_id, is_own, is_last FROM (
  SELECT run_id, app_id = $2 AS is_own, row_number() OVER (ORDER BY run_id) = $4 AS is_last FROM (
    SELECT run_id, app_id FROM {ALL_RUNS} WHERE run_id > $1 ORDER BY run_id LIMIT $4) AS r) AS looked_at
WHERE is_own OR is_last ORDER BY run_id LIMIT $3
"""
_THESE: Final = f"SELECT {COLUMNS} FROM {ALL_RUNS} WHERE run_id = ANY($1::bytea[]) ORDER BY run_id"
_CREATED_BEFORE: Final = f"""
SELECT created_at, key, run_id FROM {ALL_RUNS} WHERE (created_at, key) > ($2, $3) AND created_at < $1
ORDER BY created_at, key LIMIT $4
"""


async def scan(database: Postgres, app_id: str | None, after: str, limit: int) -> list[Row]:
    """See ``RunStore.scan``: rows with the columns ``COLUMNS``."""
    behind = id_column(after) if after else b""
    if app_id is None:
        return await database.fetch(_OF_ALL, behind, limit)
    own: list[bytes] = []
    more = True
    while more and len(own) < limit:
        rows = await database.fetch(_OF_APP, behind, id_column(app_id), limit - len(own), _LOOKED_AT)
        own += [row[0] for row in rows if row[1]]
        behind, more = (rows[-1][0], len(own) == limit or rows[-1][2]) if rows else (behind, False)
    return await database.fetch(_THESE, own)


async def created_before(database: Postgres, before: float) -> list[bytes]:
    """The ids of all runs that were created before a time, oldest first."""
    ids: list[bytes] = []
    place = (float("-inf"), 0)
    while rows := await database.fetch(_CREATED_BEFORE, before, *place, _LOOKED_AT):
        ids += [row[2] for row in rows]
        place = (rows[-1][0], rows[-1][1])
    return ids
