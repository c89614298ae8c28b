"""Claims of idempotency keys: one by one in the savepoint of an append, or of many appends at once.

Nearly every append with a key is a start, with one key. Many such starts share a few statements, as appends without
keys do: one by one, each takes five round trips, and a batch of hundreds would take longer than any of them may wait.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from jikko.errors import KeyTaken
from jikko.ports.stores.run_store import KeyClaim
from jikko.repositories.shared_sql import id_text
from jikko.store.postgres.database import Connection, Row
from jikko.store.postgres.runs.run_rows import RunWrite
from jikko.store.postgres.sql import text

_IS_THERE: Final = (
    "(EXISTS (SELECT FROM runs x WHERE x.run_id = k.run_id) "
    "OR EXISTS (SELECT FROM open_runs x WHERE x.run_id = k.run_id))"
)
OWNER_OF_KEY: Final = f"""
SELECT run_id, fingerprint FROM idempotency_keys k
WHERE app_id = $1 AND key = $2 AND expires_at > $3 AND {_IS_THERE}
"""
_GIVEN: Final = (
    "unnest($1::bytea[], $2::text[], $3::bytea[], $4::bytea[], $5::float8[], $6::float8[]) WITH ORDINALITY "
    "AS u (app_id, key, run_id, fingerprint, expires_at, at, number)"
)
_OF_KEY: Final = "k.app_id = u.app_id AND k.key = u.key"
# Of two concurrent claims, the second waits for the first, and then reads its result. That needs a separate statement
# after locking the row: the snapshot of a statement that waited is older than the first one's run.
_CLAIM: Final = f"""
INSERT INTO idempotency_keys (app_id, key, run_id, fingerprint, expires_at)
SELECT app_id, key, run_id, fingerprint, expires_at FROM {_GIVEN} ORDER BY number
ON CONFLICT (app_id, key) DO NOTHING RETURNING run_id
"""
_LOCK: Final = f"""
SELECT u.run_id, k.run_id FROM (SELECT * FROM {_GIVEN} ORDER BY number) u, idempotency_keys k WHERE {_OF_KEY}
FOR UPDATE OF k
"""
# An expired key, or one whose run was removed, is free again.
_TAKE: Final = f"""
UPDATE idempotency_keys k SET run_id = u.run_id, fingerprint = u.fingerprint, expires_at = u.expires_at FROM {_GIVEN}
WHERE {_OF_KEY} AND (k.expires_at <= u.at OR k.run_id = u.run_id OR NOT {_IS_THERE}) RETURNING u.run_id
"""
_OWNERS: Final = f"""
SELECT u.run_id, k.run_id, k.fingerprint FROM {_GIVEN}, idempotency_keys k WHERE {_OF_KEY}
"""
_FREE_KEYS: Final = f"DELETE FROM idempotency_keys k USING {_GIVEN} WHERE {_OF_KEY} AND k.run_id = u.run_id"
_FORGET: Final = """
DELETE FROM idempotency_keys WHERE (app_id, key) IN (
  SELECT app_id, key FROM idempotency_keys WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)
"""
_FORGOTTEN: Final = 4
"""Expired keys removed per claim: more than one, so that their number falls."""


class Claims(NamedTuple):
    """Result of claims, each by run id."""

    held: set[bytes]
    """Runs that have their keys."""
    new: set[bytes]
    """Those of ``held`` that did not have them before: if their appends are refused, the keys are freed."""
    refused: dict[bytes, KeyTaken]
    """Runs whose keys belong to other runs."""


def owner_of(row: Row | None) -> tuple[str, bytes] | None:
    """Return the owner of a key, a run, and the fingerprint of its request."""
    return None if row is None else (id_text(row[0]), row[1])


def claims_of(write: RunWrite) -> list[KeyClaim]:
    """Return the keys of an append."""
    return [claim for claim in write.projections if isinstance(claim, KeyClaim)]


def order_of_locks(write: RunWrite) -> list[tuple[str, bytes]]:
    """Return the sort key of all writers' locks, which prevents deadlocks."""
    return sorted((claim.key, write.app_id) for claim in claims_of(write))


async def claim_together(connection: Connection, writes: Sequence[RunWrite]) -> Claims:
    """Claim the keys of appends with one key each, all different.

    A key removed meanwhile is in no part of the result: try again.
    """
    claimed = {row[0] for row in await connection.fetch(_CLAIM, *_values(writes))}
    others = [write for write in writes if write.run_id not in claimed]
    if not others:
        return Claims(claimed, claimed, {})
    owners = {row[0]: row[1] for row in await connection.fetch(_LOCK, *_values(others))}
    taken = {row[0] for row in await connection.fetch(_TAKE, *_values(others))}
    left = [write for write in others if write.run_id not in taken]
    rows = await connection.fetch(_OWNERS, *_values(left)) if left else []
    refused = {row[0]: KeyTaken(id_text(row[1]), row[2]) for row in rows}
    return Claims(claimed | taken, claimed | {run_id for run_id in taken if owners.get(run_id) != run_id}, refused)


async def free_keys(connection: Connection, writes: Sequence[RunWrite]) -> None:
    """Free the keys of runs that were refused."""
    await connection.execute(_FREE_KEYS, *_values(writes))


async def claim_keys(connection: Connection, write: RunWrite) -> None:
    """Claim the keys of one append. Raises ``KeyTaken``: one belongs to another run."""
    for claim in claims_of(write):
        values = _columns([(write, claim)])
        while not await connection.fetch(_CLAIM, *values):
            if not await connection.fetch(_LOCK, *values):
                continue  # it was removed just now
            if not await connection.fetch(_TAKE, *values):
                owner = await connection.fetchrow(_OWNERS, *values)
                raise KeyTaken(id_text(owner[1]), owner[2])
            break


async def forget_keys(connection: Connection, writes: Sequence[RunWrite]) -> None:
    """Remove some expired keys. Must follow all claims of a transaction: its lock order differs."""
    claims = [claim for write in writes for claim in claims_of(write)]
    if claims:
        await connection.execute(_FORGET, claims[0].at, _FORGOTTEN * len(claims))


def _values(writes: Sequence[RunWrite]) -> list[list[object]]:
    """Return the keys of appends, in lock order."""
    return _columns([(write, claim) for write in sorted(writes, key=order_of_locks) for claim in claims_of(write)])


def _columns(claims: Sequence[tuple[RunWrite, KeyClaim]]) -> list[list[object]]:
    """Return the columns of ``_GIVEN``."""
    rows = [
        (write.app_id, text(claim.key), write.run_id, claim.fingerprint, claim.at + claim.lifetime, claim.at)
        for write, claim in claims
    ]
    return [list(column) for column in zip(*rows, strict=True)]
