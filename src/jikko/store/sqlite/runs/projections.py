"""What is written of a run besides its row and log, in the same transaction.

Kinds of ``ports/stores/projections.py`` come with an append; for each there is a class here. Others follow from every
run by itself: they see each run that is created, changes its status, or is removed.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from jikko.errors import KeyTaken
from jikko.ports.stores.callback_store import receiver_of
from jikko.ports.stores.projections import (
    CallbackRequest,
    DeliveryReceived,
    KeyClaim,
    Projection,
    TurnBegan,
    TurnChanged,
    TurnRepeated,
    VariablesAssigned,
)
from jikko.repositories.callback_states import PENDING, RUN_GOES_ON
from jikko.repositories.identifiers import StoredId, id_text, storable, stored_id
from jikko.store.sqlite.conversation_store import turn_began, turn_changed, turn_repeated, variables_assigned

# A key whose run was removed is free again.
_FIND_KEY: Final = """
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
_ADD_DELIVERY: Final = """
INSERT OR IGNORE INTO deliveries (
  delivery_id, app_id, trigger_id, received_at, verdict, reason, sender, method, size, run_id, retries, look_at
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_RELEASE_CALLBACK: Final = f"UPDATE callbacks SET state = {PENDING} WHERE run_id = ? AND state = {RUN_GOES_ON}"
_REMOVE_CALLBACK: Final = "DELETE FROM callbacks WHERE run_id = ?"


class Target(NamedTuple):
    """The run that an append is of."""

    run_id: StoredId
    app_id: StoredId
    created_at: float
    is_open: bool
    """Behind the append."""


class RunChange(NamedTuple):
    """What became of the row of a run."""

    key: int
    app: int
    run_id: StoredId
    created_at: float
    before: int | None
    """Its status; ``None``: there was no row."""
    after: int | None
    price: str | None = None
    """As in the row, if it has ended and cost something."""
    workflow: int = 0
    """Of a run that is created: the number of its version."""


class ProjectionWriter(Protocol):
    """How one kind of projection is written."""

    def check(self, projection: Any, target: Target, connection: sqlite3.Connection) -> None:
        """Refuse it by raising a ``JikkoError``. Nothing was changed yet, unless the same append was done before."""
        ...

    def write(self, projection: Any, target: Target, connection: sqlite3.Connection) -> None:
        """Write it. The run is there as it is behind the append."""
        ...


class StandingProjection(Protocol):
    """What follows from every run. A ``Participant`` of the writer, on whose thread it is called."""

    def changed(self, change: RunChange, connection: sqlite3.Connection) -> None:
        """A run was created, changed its status, or was removed."""
        ...

    def before_commit(self, connection: sqlite3.Connection) -> None: ...

    def rolled_back(self) -> None: ...


class IdempotencyKeys:
    """``KeyClaim``."""

    def check(self, claim: KeyClaim, target: Target, connection: sqlite3.Connection) -> None:
        first = _run_of_key(target.app_id, claim.key, claim.at, connection)
        # By the run itself: it was written before, and the answer was lost.
        if first is not None and first[0] != id_text(target.run_id):
            raise KeyTaken(*first)

    def write(self, claim: KeyClaim, target: Target, connection: sqlite3.Connection) -> None:
        connection.execute(_FORGET, (claim.at,))
        expires_at = claim.at + claim.lifetime
        connection.execute(_CLAIM, (target.app_id, storable(claim.key), target.run_id, claim.fingerprint, expires_at))


class CallbackRequests:
    """``CallbackRequest``."""

    def check(self, request: CallbackRequest, target: Target, connection: sqlite3.Connection) -> None:
        pass

    def write(self, request: CallbackRequest, target: Target, connection: sqlite3.Connection) -> None:
        url, state = storable(request.url), RUN_GOES_ON if target.is_open else PENDING
        connection.execute(
            _ADD_CALLBACK, (target.run_id, target.app_id, url, receiver_of(url), target.created_at, state)
        )


class ReceivedDeliveries:
    """``DeliveryReceived``."""

    def check(self, received: DeliveryReceived, target: Target, connection: sqlite3.Connection) -> None:
        pass

    def write(self, received: DeliveryReceived, target: Target, connection: sqlite3.Connection) -> None:
        given = received.delivery
        ids = stored_id(given.id), target.app_id, stored_id(given.trigger_id)
        texts = storable(given.verdict), storable(given.reason), storable(given.sender_id), storable(given.method)
        rest = given.size, target.run_id, given.retries, given.look_at
        connection.execute(_ADD_DELIVERY, (*ids, given.received_at, *texts, *rest))


class DueCallbacks:
    """The call-back of a run is due once the run has ended, and goes with it."""

    def changed(self, change: RunChange, connection: sqlite3.Connection) -> None:
        if change.after is None:
            connection.execute(_REMOVE_CALLBACK, (change.run_id,))
        elif change.after > 1 and change.before is not None:
            connection.execute(_RELEASE_CALLBACK, (change.run_id,))

    def before_commit(self, connection: sqlite3.Connection) -> None:
        pass

    def rolled_back(self) -> None:
        pass


class OfTurns:
    """What follows for a conversation. Nothing of it is refused."""

    def __init__(self, write: Callable[[Any, StoredId, sqlite3.Connection], None]) -> None:
        self._write = write

    def check(self, projection: Any, target: Target, connection: sqlite3.Connection) -> None:
        pass

    def write(self, projection: Any, target: Target, connection: sqlite3.Connection) -> None:
        self._write(projection, target.run_id, connection)


KINDS: Final[Mapping[type, ProjectionWriter]] = {
    KeyClaim: IdempotencyKeys(),
    CallbackRequest: CallbackRequests(),
    DeliveryReceived: ReceivedDeliveries(),
    TurnBegan: OfTurns(turn_began),
    TurnRepeated: OfTurns(turn_repeated),
    TurnChanged: OfTurns(turn_changed),
    VariablesAssigned: OfTurns(variables_assigned),
}


class Projections:
    """All that is written of runs besides rows and logs. A ``Participant`` of the writer."""

    def __init__(self, standing: Sequence[StandingProjection]) -> None:
        self._standing = standing

    def check(self, wanted: Sequence[Projection], target: Target, connection: sqlite3.Connection) -> None:
        """Raises:
        JikkoError: One of them is refused. Nothing was changed.
        """
        for projection in wanted:
            KINDS[type(projection)].check(projection, target, connection)

    def write(self, wanted: Sequence[Projection], target: Target, connection: sqlite3.Connection) -> None:
        """Write what came with an append, behind it."""
        for projection in wanted:
            KINDS[type(projection)].write(projection, target, connection)

    def changed(self, change: RunChange, connection: sqlite3.Connection) -> None:
        """See ``StandingProjection``."""
        for standing in self._standing:
            standing.changed(change, connection)

    def before_commit(self, connection: sqlite3.Connection) -> None:
        """See ``Participant``."""
        for standing in self._standing:
            standing.before_commit(connection)

    def rolled_back(self) -> None:
        """See ``Participant``."""
        for standing in self._standing:
            standing.rolled_back()


def run_of_key(app_id: str, key: str, now: float, connection: sqlite3.Connection) -> tuple[str, bytes] | None:
    """The run that a key belongs to, and the fingerprint of the request that started it."""
    return _run_of_key(stored_id(app_id), key, now, connection)


def _run_of_key(app_id: StoredId, key: str, now: float, connection: sqlite3.Connection) -> tuple[str, bytes] | None:
    row = connection.execute(_FIND_KEY, (app_id, storable(key), now)).fetchone()
    return None if row is None else (id_text(row[0]), row[1])
