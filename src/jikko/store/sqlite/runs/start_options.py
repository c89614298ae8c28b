"""What is written in the transaction that creates a run: its idempotency key and its call-back."""

import sqlite3
from collections.abc import Callable
from typing import Final

from jikko.errors import KeyTaken
from jikko.ports.callback_store import receiver_of
from jikko.ports.run_store import KeyClaim, StartOptions
from jikko.record import RunRecord
from jikko.store.sqlite.callback_states import PENDING, RUN_GOES_ON
from jikko.store.sqlite.identifiers import StoredId, id_text, storable, stored_id

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
INSERT INTO callbacks (run_id, app_id, url, receiver, created_at, state, attempts, next_at)
VALUES (?, ?, ?, ?, ?, ?, 0, 0)
"""
_RELEASE_CALLBACK: Final = f"UPDATE callbacks SET state = {PENDING} WHERE run_id = ? AND state = {RUN_GOES_ON}"


def owner_of_key(app_id: str, key: str, now: float, connection: sqlite3.Connection) -> tuple[str, bytes] | None:
    """The run that a key belongs to, and the fingerprint of the request that started it."""
    row = connection.execute(_FIND, (stored_id(app_id), storable(key), now)).fetchone()
    return None if row is None else (id_text(row[0]), row[1])


def accepting(
    record: RunRecord, acceptance: StartOptions, create: Callable[[sqlite3.Connection], bool]
) -> Callable[[sqlite3.Connection], None]:
    """An operation that creates a run and keeps what was promised with it; or refuses, and changes nothing.

    Args:
        record: The run. Not looked at any more when this returns.
        create: Returns whether the run was still to be created; if not, all this was done with it.
    """
    app_id, run_id = record.owner.app_id, record.owner.run_id
    created_at, state = record.created_at, RUN_GOES_ON if record.is_open else PENDING

    def operation(connection: sqlite3.Connection) -> None:
        claim = acceptance.claim
        owner = None if claim is None else owner_of_key(app_id, claim.key, claim.at, connection)
        if owner is not None and owner[0] != run_id:
            raise KeyTaken(*owner)
        if not create(connection):
            return
        if claim is not None:
            _claim(app_id, run_id, claim, connection)
        if acceptance.callback_url is not None:
            url = storable(acceptance.callback_url)
            values = (stored_id(run_id), stored_id(app_id), url, receiver_of(url), created_at, state)
            connection.execute(_ADD_CALLBACK, values)

    return operation


def release_callback(run_id: StoredId, connection: sqlite3.Connection) -> None:
    """Have the call-back of a run, if it has one, delivered from now on: the run has ended."""
    connection.execute(_RELEASE_CALLBACK, (run_id,))


def _claim(app_id: str, run_id: str, claim: KeyClaim, connection: sqlite3.Connection) -> None:
    connection.execute(_FORGET, (claim.at,))
    connection.execute(
        _CLAIM,
        (stored_id(app_id), storable(claim.key), stored_id(run_id), claim.fingerprint, claim.at + claim.lifetime),
    )
