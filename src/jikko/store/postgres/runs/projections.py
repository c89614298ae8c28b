"""What comes with an append, in its savepoint. See ``ports/stores/projections.py``."""

from collections.abc import Sequence
from typing import Final

from jikko.errors import KeyTaken
from jikko.ports.stores.callback_store import receiver_of
from jikko.ports.stores.projections import (
    CallbackRequest,
    KeyClaim,
    TurnBegan,
    TurnChanged,
    TurnRepeated,
    VariablesAssigned,
)
from jikko.store.callback_states import PENDING, RUN_GOES_ON
from jikko.store.postgres.columns import id_of, text
from jikko.store.postgres.conversations.turn_writes import add_turn, turn_changed, turn_repeated, variables_assigned
from jikko.store.postgres.database import Connection, Row
from jikko.store.postgres.runs.run_rows import RunWrite

_IS_THERE: Final = (
    "(EXISTS (SELECT FROM runs x WHERE x.run_id = k.run_id) "
    "OR EXISTS (SELECT FROM open_runs x WHERE x.run_id = k.run_id))"
)
OWNER_OF_KEY: Final = f"""
SELECT run_id, fingerprint FROM idempotency_keys k
WHERE app_id = $1 AND key = $2 AND expires_at > $3 AND {_IS_THERE}
"""
# Two claims at once: the second waits for the first, and then looks at what that has left. That takes a statement of
# its own, once the row is locked: one that has waited sees other tables as they were before, so no run of the first.
_CLAIM: Final = """
INSERT INTO idempotency_keys (app_id, key, run_id, fingerprint, expires_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (app_id, key) DO NOTHING RETURNING 1
"""
_LOCK: Final = "SELECT 1 FROM idempotency_keys WHERE app_id = $1 AND key = $2 FOR UPDATE"
# A key whose time is over, or whose run was removed, is free again.
_TAKE: Final = f"""
UPDATE idempotency_keys k SET run_id = $3, fingerprint = $4, expires_at = $5
WHERE app_id = $1 AND key = $2 AND (k.expires_at <= $6 OR k.run_id = $3 OR NOT {_IS_THERE}) RETURNING 1
"""
_OWNER: Final = "SELECT run_id, fingerprint FROM idempotency_keys WHERE app_id = $1 AND key = $2"
_FORGET: Final = """
DELETE FROM idempotency_keys WHERE (app_id, key) IN (
  SELECT app_id, key FROM idempotency_keys WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)
"""
_FORGOTTEN: Final = 4
"""By each claim: more than one, so that they become fewer."""
_ADD_CALLBACK: Final = """
INSERT INTO callbacks (run_id, app_id, url, receiver, created_at, state, attempts, next_at)
VALUES ($1, $2, $3, $4, $5, $6, 0, 0)
"""


def owner_of(row: Row | None) -> tuple[str, bytes] | None:
    """The run that a key belongs to, and the fingerprint of its request."""
    return None if row is None else (id_of(row[0]), row[1])


async def claim_keys(connection: Connection, write: RunWrite) -> None:
    """Take the idempotency keys of an append.

    Raises:
        KeyTaken: One belongs to another run.
    """
    for claim in write.projections:
        if not isinstance(claim, KeyClaim):
            continue
        key = (write.app_id, text(claim.key))
        values = (*key, write.run_id, claim.fingerprint, claim.at + claim.lifetime)
        while await connection.fetchval(_CLAIM, *values) is None:
            if await connection.fetchval(_LOCK, *key) is None:
                continue  # it was forgotten just now
            if await connection.fetchval(_TAKE, *values, claim.at) is None:
                owner = owner_of(await connection.fetchrow(_OWNER, *key))
                assert owner is not None
                raise KeyTaken(*owner)
            break


async def forget_keys(connection: Connection, writes: Sequence[RunWrite]) -> None:
    """Remove some keys whose time is over. Behind all claims of a transaction: it has an order of locks of its own."""
    claims = [claim for write in writes for claim in write.projections if isinstance(claim, KeyClaim)]
    if claims:
        await connection.execute(_FORGET, claims[0].at, _FORGOTTEN * len(claims))


def order_of_locks(write: RunWrite) -> list[str]:
    """What all writers take locks by, so that no two wait for each other."""
    return sorted(claim.key for claim in write.projections if isinstance(claim, KeyClaim))


async def project(connection: Connection, write: RunWrite) -> None:
    """Write what comes with an append, behind it; but for its keys."""
    for projection in write.projections:
        match projection:
            case KeyClaim():
                pass
            case CallbackRequest(url=url):
                state = RUN_GOES_ON if write.is_open else PENDING
                values = (write.run_id, write.app_id, text(url), text(receiver_of(url)), write.created_at, state)
                await connection.execute(_ADD_CALLBACK, *values)
            case TurnBegan():
                await add_turn(connection, projection.message, projection.new, projection.variables)
            case TurnRepeated():
                await turn_repeated(connection, write.run_id, projection)
            case TurnChanged():
                await turn_changed(connection, write.run_id, projection)
            case VariablesAssigned():
                await variables_assigned(connection, write.run_id, projection)
