"""Mapping between ``RunRecord`` and the columns of ``runs``."""

import sqlite3
from typing import Any, Final, TypeAlias

from jikko.record import RunIdentity, RunRecord
from jikko.repositories.shared_sql import StoredId, id_text, storable, stored_id
from jikko.store import run_columns
from jikko.store.sqlite.runs.large_values import text_of

# Interned values: many runs share them, and hold a small number instead.

Values: TypeAlias = tuple[Any, ...]


_MAX_ENTRIES: Final = 20_000
"""Maximum cached rows of each table."""


class Interned:
    """Table of values by number. Append-only, so that cached rows stay valid.

    Each instance belongs to one thread: the writer's, or the readers'.
    """

    def __init__(self, *, find: str, add: str, read: str) -> None:
        self._find: Final = find
        self._add: Final = add
        self._read: Final = read
        self._keys: dict[Values, int] = {}
        self._values: dict[int, Values] = {}

    def key(self, connection: sqlite3.Connection, values: Values) -> int:
        """Return the number of the values, assigning one if needed."""
        known = self._keys.get(values)
        if known is not None:
            return known
        row = connection.execute(self._find, values).fetchone()
        key: int | None = row[0] if row else connection.execute(self._add, values).lastrowid
        assert key is not None
        if len(self._keys) >= _MAX_ENTRIES:
            self._keys.clear()
        self._keys[values] = key
        return key

    def values(self, connection: sqlite3.Connection, key: int) -> Values:
        known = self._values.get(key)
        if known is None:
            known = connection.execute(self._read, (key,)).fetchone()
            if len(self._values) >= _MAX_ENTRIES:
                self._values.clear()
            self._values[key] = known
        return known

    def forget(self) -> None:
        """Clear the cache: added rows may have been rolled back."""
        self._keys.clear()


Row: TypeAlias = tuple[Any, ...]

MAX_INPUTS_IN_ROW: Final = 8_192
"""Maximum characters of inputs in the run's row, which is rewritten with each append. Larger ones are in
``run_inputs``, or in a large value referenced there, and empty in the row, which inputs never are."""

_MAX_KNOWN: Final = 5_000
"""Maximum cached identities."""


def inputs_of(runs: str) -> str:
    """Return a SQL expression for the inputs of a run, wherever stored. ``runs``: The statement's name of ``runs``."""
    beside = f"SELECT iif(value IS NULL, text, {text_of('run_inputs.value')}) FROM run_inputs WHERE run = {runs}.key"
    return f"iif({runs}.inputs = '', ({beside}), {runs}.inputs)"


COLUMNS: Final = (
    f"run_id, task_id, app, workflow, version, end_user, retry_of, created_at, {inputs_of('runs')}, "
    f"{', '.join(run_columns.MOVING)}, lease_owner"
)
"""Columns for ``RunRows.record``, in order. ``lease_owner`` is the holder; leases are not used."""


def names() -> Interned:
    """Ids of apps and versions, and the versions' times."""
    return Interned(
        find="SELECT key FROM names WHERE text = ?",
        add="INSERT INTO names (text) VALUES (?)",
        read="SELECT text FROM names WHERE key = ?",
    )


def end_users() -> Interned:
    """End users: app (a number of ``names``), ``user`` of the request, id."""
    return Interned(
        find="SELECT key FROM end_users WHERE app = ? AND session = ? AND end_user_id = ?",
        add="INSERT INTO end_users (app, session, end_user_id) VALUES (?, ?, ?)",
        read="SELECT app, session, end_user_id FROM end_users WHERE key = ?",
    )


class IdentityColumns:
    """Maps identities to the numbers in rows. For the writer's thread."""

    def __init__(self) -> None:
        self._names = names()
        self._end_users = end_users()
        self._known: dict[tuple[str, ...], tuple[int, int, int, int]] = {}
        """Cached columns by identity: most runs share one with earlier runs."""

    def of(self, connection: sqlite3.Connection, identity: RunIdentity) -> tuple[int, int, int, int]:
        """Return the columns ``app, workflow, version, end_user``."""
        parts = (identity.app_id, identity.workflow_id, identity.version, identity.user, identity.end_user_id)
        known = self._known.get(parts)
        if known is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            known = self._known[parts] = self._found(connection, identity)
        return known

    def _found(self, connection: sqlite3.Connection, identity: RunIdentity) -> tuple[int, int, int, int]:
        app = self._names.key(connection, (storable(identity.app_id),))
        return (
            app,
            self._names.key(connection, (storable(identity.workflow_id),)),
            self._names.key(connection, (storable(identity.version),)),
            self._end_users.key(connection, (app, storable(identity.user), stored_id(identity.end_user_id))),
        )

    def forget(self) -> None:
        """Clear the cache: added rows may have been rolled back."""
        self._known.clear()
        self._names.forget()
        self._end_users.forget()


class RunRows:
    """Maps rows to records. Thread-safe."""

    def __init__(self) -> None:
        self._names = names()
        self._end_users = end_users()

    def named(self, connection: sqlite3.Connection, key: int) -> str:
        """Return the id of an app or a version, by its number."""
        return str(self._names.values(connection, key)[0])

    def user(self, connection: sqlite3.Connection, key: int) -> str:
        """Return an end user's ``user`` by number."""
        return str(self._end_users.values(connection, key)[1])

    def record(self, connection: sqlite3.Connection, row: Row) -> RunRecord:
        names = self._names.values
        retry_of: StoredId | None = row[6]
        _, user, end_user_id = self._end_users.values(connection, row[5])
        identity = RunIdentity(
            run_id=id_text(row[0]),
            task_id=id_text(row[1]),
            app_id=names(connection, row[2])[0],
            workflow_id=names(connection, row[3])[0],
            version=names(connection, row[4])[0],
            end_user_id=id_text(end_user_id),
            user=user,
            retry_of=None if retry_of is None else id_text(retry_of),
        )
        return run_columns.record_of(identity, row[7], row[8], row[9:23], row[23] or "")
