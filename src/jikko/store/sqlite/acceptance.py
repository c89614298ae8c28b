"""What is written in the transaction that creates a run: its idempotency key and its call-back."""

import sqlite3
from collections.abc import Callable
from typing import Any, Final

from jikko.errors import KeyTaken
from jikko.ports.run_store import Acceptance, KeyClaim
from jikko.store.sqlite.identifiers import id_text, storable, stored_id

# A key whose run was removed is free again.
_FIND: Final = """
SELECT run_id, fingerprint FROM idempotency_keys
WHERE app_id = ? AND key = ? AND expires_at > ? AND run_id IN (SELECT run_id FROM runs)
"""
_CLAIM: Final = """
INSERT OR REPLACE INTO idempotency_keys (app_id, key, run_id, fingerprint, expires_at) VALUES (?, ?, ?, ?, ?)
"""
# More than one by each claim, so that they become fewer.
_FORGET: Final = """
DELETE FROM idempotency_keys WHERE (app_id, key) IN (
  SELECT app_id, key FROM idempotency_keys WHERE expires_at <= ? ORDER BY expires_at LIMIT 4)
"""
_ADD_CALLBACK: Final = """
INSERT INTO callbacks (run_id, app_id, url, created_at, state, attempts, next_at) VALUES (?, ?, ?, ?, 0, 0, 0)
"""


def owner_of_key(app_id: str, key: str, now: float, connection: sqlite3.Connection) -> tuple[str, bytes] | None:
    """The run that a key belongs to, and the fingerprint of the request that started it."""
    row = connection.execute(_FIND, (stored_id(app_id), storable(key), now)).fetchone()
    return None if row is None else (id_text(row[0]), row[1])


def accepting(
    app_id: str, run_id: str, created_at: float, acceptance: Acceptance, create: Callable[[sqlite3.Connection], Any]
) -> Callable[[sqlite3.Connection], None]:
    """An operation that creates a run and keeps what was promised with it; or refuses, and changes nothing."""

    def operation(connection: sqlite3.Connection) -> None:
        claim = acceptance.claim
        if claim is not None and (owner := owner_of_key(app_id, claim.key, claim.at, connection)) is not None:
            raise KeyTaken(*owner)
        create(connection)
        if claim is not None:
            _claim(app_id, run_id, claim, connection)
        if acceptance.callback_url is not None:
            values = (stored_id(run_id), stored_id(app_id), storable(acceptance.callback_url), created_at)
            connection.execute(_ADD_CALLBACK, values)

    return operation


def _claim(app_id: str, run_id: str, claim: KeyClaim, connection: sqlite3.Connection) -> None:
    connection.execute(_FORGET, (claim.at,))
    connection.execute(
        _CLAIM,
        (stored_id(app_id), storable(claim.key), stored_id(run_id), claim.fingerprint, claim.at + claim.lifetime),
    )
