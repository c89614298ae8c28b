"""What comes with an append, in its savepoint. See ``ports/stores/projections.py``."""

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
# A key whose time is over, or whose run was removed, is free again. Two claims at once: the second waits for the first.
_CLAIM: Final = f"""
INSERT INTO idempotency_keys AS k (app_id, key, run_id, fingerprint, expires_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (app_id, key) DO UPDATE
SET run_id = excluded.run_id, fingerprint = excluded.fingerprint, expires_at = excluded.expires_at
WHERE k.expires_at <= $6 OR k.run_id = excluded.run_id OR NOT {_IS_THERE}
RETURNING 1
"""
_OWNER: Final = "SELECT run_id, fingerprint FROM idempotency_keys WHERE app_id = $1 AND key = $2"
# More than one by each claim, so that they become fewer.
_FORGET: Final = """
DELETE FROM idempotency_keys WHERE (app_id, key) IN (
  SELECT app_id, key FROM idempotency_keys WHERE expires_at <= $1 ORDER BY expires_at LIMIT 4 FOR UPDATE SKIP LOCKED)
"""
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
        await connection.execute(_FORGET, claim.at)
        values = (write.app_id, text(claim.key), write.run_id, claim.fingerprint, claim.at + claim.lifetime, claim.at)
        if await connection.fetchval(_CLAIM, *values) is None:
            owner = owner_of(await connection.fetchrow(_OWNER, write.app_id, text(claim.key)))
            if owner is not None:
                raise KeyTaken(*owner)


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
