"""Projections of a run: everything written besides its row and log, in the same transaction.

Those of ``ports/stores/run_store.py`` come with an append. Standing projections apply to every run: they see each run
that is created, changes its status, or is removed.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from jikko.errors import KeyTaken
from jikko.ports.stores.run_store import (
    CallbackRequest,
    DeliveryReceived,
    KeyClaim,
    Projection,
    TurnBegan,
    TurnChanged,
    TurnRepeated,
    VariablesAssigned,
)
from jikko.repositories.callback_store import PENDING, RUN_OPEN, receiver_of
from jikko.repositories.shared_sql import StoredId, id_text, storable, stored_id
from jikko.store.sqlite.conversation_store import add_turn, turn_changed, turn_repeated, variables_assigned

# The key of a removed run is free again.
_FIND_KEY: Final = """
SELECT run_id, fingerprint FROM idempotency_keys
WHERE app_id = ? AND key = ? AND expires_at > ? AND run_id IN (SELECT run_id FROM runs)
"""
_CLAIM: Final = """
INSERT OR REPLACE INTO idempotency_keys (app_id, key, run_id, fingerprint, expires_at) VALUES (?, ?, ?, ?, ?)
"""
# More than one per claim, so that their number falls.
_FORGET: Final = """
DELETE FROM idempotency_keys WHERE (app_id, key) IN (
  SELECT app_id, key FROM idempotency_keys WHERE expires_at <= ? ORDER BY expires_at LIMIT 4)
"""
_ADD_CALLBACK: Final = """
INSERT INTO callbacks (run_id, app_id, url, receiver, created_at, state, attempts, next_at)
VALUES (?, ?, ?, ?, ?, ?, 0, 0)
"""
_ADD_DELIVERY: Final = """
INSERT OR IGNORE INTO deliveries (
  delivery_id, app_id, trigger_id, received_at, verdict, reason, sender, method, size, run_id, retries, look_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_RELEASE_CALLBACK: Final = f"UPDATE callbacks SET state = {PENDING} WHERE run_id = ? AND state = {RUN_OPEN}"
_REMOVE_CALLBACK: Final = "DELETE FROM callbacks WHERE run_id = ?"


class Target(NamedTuple):
    """Run of an append."""

    run_id: StoredId
    app_id: StoredId
    created_at: float
    is_open: bool
    """After the append."""


class RunChange(NamedTuple):
    key: int
    app: int
    run_id: StoredId
    created_at: float
    before: int | None
    """Previous status; ``None``: there was no row."""
    after: int | None
    price: str | None = None
    """As in the row, if the run has ended and cost something."""
    workflow: int = 0
    """For a created run: the number of its version."""


class StandingProjection:
    """Projection of every run. A ``Participant`` of the writer, called on its thread."""

    def changed(self, change: RunChange, connection: sqlite3.Connection) -> None:
        """Note that a run was created, changed its status, or was removed."""
        raise NotImplementedError

    def before_commit(self, connection: sqlite3.Connection) -> None:
        """Write noted changes, if any."""

    def rolled_back(self) -> None:
        """Drop noted changes."""


class DueCallbacks(StandingProjection):
    """Makes a run's callback due at its end, and removes it with the run."""

    def changed(self, change: RunChange, connection: sqlite3.Connection) -> None:
        if change.after is None:
            connection.execute(_REMOVE_CALLBACK, (change.run_id,))
        elif change.after > 1 and change.before is not None:
            connection.execute(_RELEASE_CALLBACK, (change.run_id,))


class Projections(StandingProjection):
    """All projections of runs. A ``Participant`` of the writer."""

    def __init__(self, standing: Sequence[StandingProjection]) -> None:
        self._standing = standing

    @staticmethod
    def check(wanted: Sequence[Projection], target: Target, connection: sqlite3.Connection) -> None:
        """Refuse forbidden projections before anything is changed, unless the same append was done before. Raises
        ``KeyTaken``: an idempotency key has another run."""
        for projection in wanted:
            if isinstance(projection, KeyClaim):
                first = _run_of_key(target.app_id, projection.key, projection.at, connection)
                # Claimed by the run itself: it was written before, and the answer was lost.
                if first is not None and first[0] != id_text(target.run_id):
                    raise KeyTaken(*first)

    @staticmethod
    def write(wanted: Sequence[Projection], target: Target, connection: sqlite3.Connection) -> None:
        """Write an append's projections, after it."""
        for projection in wanted:
            _write(projection, target, connection)

    def changed(self, change: RunChange, connection: sqlite3.Connection) -> None:
        for standing in self._standing:
            standing.changed(change, connection)

    def before_commit(self, connection: sqlite3.Connection) -> None:
        for standing in self._standing:
            standing.before_commit(connection)

    def rolled_back(self) -> None:
        for standing in self._standing:
            standing.rolled_back()


def _write(projection: Projection, target: Target, connection: sqlite3.Connection) -> None:
    match projection:
        case KeyClaim(key=key, fingerprint=fingerprint, at=at, lifetime=lifetime):
            connection.execute(_FORGET, (at,))
            connection.execute(_CLAIM, (target.app_id, storable(key), target.run_id, fingerprint, at + lifetime))
        case CallbackRequest():
            url, state = storable(projection.url), RUN_OPEN if target.is_open else PENDING
            values = (target.run_id, target.app_id, url, receiver_of(url), target.created_at, state)
            connection.execute(_ADD_CALLBACK, values)
        case DeliveryReceived(delivery=given):
            ids = stored_id(given.id), target.app_id, stored_id(given.trigger_id)
            texts = map(storable, (given.verdict, given.reason, given.sender_id, given.method))
            rest = given.size, target.run_id, given.retries, given.look_at
            connection.execute(_ADD_DELIVERY, (*ids, given.received_at, *texts, *rest))
        case TurnBegan(message=message, new=new, variables=variables):
            run_id = None if message.run_id is None else target.run_id
            add_turn(message, new, variables, connection, run_id=run_id)
        case TurnRepeated():
            turn_repeated(projection, target.run_id, connection)
        case TurnChanged():
            turn_changed(projection, target.run_id, connection)
        case VariablesAssigned():
            variables_assigned(projection, target.run_id, connection)


def run_of_key(app_id: str, key: str, now: float, connection: sqlite3.Connection) -> tuple[str, bytes] | None:
    """Return the run of a key, and the fingerprint of the request that started it."""
    return _run_of_key(stored_id(app_id), key, now, connection)


def _run_of_key(app_id: StoredId, key: str, now: float, connection: sqlite3.Connection) -> tuple[str, bytes] | None:
    row = connection.execute(_FIND_KEY, (app_id, storable(key), now)).fetchone()
    return None if row is None else (id_text(row[0]), row[1])
