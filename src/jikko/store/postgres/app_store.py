"""Apps in PostgreSQL, shared by several servers: the app of a key is cached, so that runs need no query.

Triggers notify each process of any change of apps or keys, over a dedicated connection, and the cache is cleared.
Without it nothing is cached. Since it may be silently dead, entries expire after ``SECONDS``.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

from jikko.errors import JikkoError
from jikko.repositories.app_store import APPS, App, AppStore, app_of
from jikko.repositories.shared_sql import Operation
from jikko.store.postgres.database import Connection, Postgres
from jikko.store.postgres.runs.query_batcher import QueryBatcher
from jikko.values import Json

SECONDS: Final = 5.0
"""Seconds until a revoked key is rejected, even without a notification."""
_CHANNEL: Final = "jikko_apps"
_MAX_KEYS: Final = 10_000
_RETRY_SECONDS: Final = 1.0


class KnownKeys:
    """A process's cache of the apps of keys."""

    def __init__(self, database: Postgres, ask: Callable[[bytes], Awaitable[App | None]]) -> None:
        """``ask``: Queries the database for the app of a key."""
        self._database = database
        self._ask = ask
        self._apps: dict[bytes, tuple[App, float]] = {}
        """Each with its expiry."""
        self._changes = 0
        self._hears = False
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._closed = False

    async def app(self, digest: bytes) -> App | None:
        """Return the app of a key. Raises ``StoreUnavailable``: it is not cached, and the database is unreachable."""
        known = self._apps.get(digest)
        if known is not None and time.monotonic() < known[1]:
            return known[0]
        self._listen()
        hears, changes = self._hears, self._changes
        app = await self._database.patiently(self._ask(digest))
        # A result read before a change must not be cached after it.
        if app is not None and hears and self._hears and changes == self._changes:
            if len(self._apps) >= _MAX_KEYS:
                self._apps.clear()
            self._apps[digest] = app, time.monotonic() + SECONDS
        return app

    def forget(self) -> None:
        self._changes += 1
        self._apps.clear()

    async def close(self) -> None:
        self._closed = True
        if self._connecting is not None:
            await asyncio.gather(self._connecting, return_exceptions=True)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.remove_termination_listener(self._lost)
            try:
                await connection.close(timeout=1)
            except Exception:
                connection.terminate()

    def _listen(self) -> None:
        is_due = self._connection is None and self._connecting is None and time.monotonic() >= self._not_before
        if is_due and not self._closed:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        connection: Connection | None = None
        try:
            connection = await self._database.connect()
            connection.add_termination_listener(self._lost)
            await connection.add_listener(_CHANNEL, lambda *_: self.forget())
            self._connection, self._hears = connection, True
        except Exception as error:
            self._not_before = time.monotonic() + _RETRY_SECONDS
            if connection is not None:
                connection.terminate()
            if not isinstance(error, (JikkoError, OSError)) and not self._database.is_its_error(error):
                raise
        finally:
            self._connecting = None

    def _lost(self, connection: Connection) -> None:
        self._connection, self._hears = None, False
        self._not_before = time.monotonic() + _RETRY_SECONDS
        self.forget()


T = TypeVar("T")

_ENVIRONMENTS: Final = "SELECT name, environment FROM apps WHERE environment <> ''"
_OF_KEY: Final = f"SELECT 1::int8, {APPS.columns} FROM "
_APP_OF_KEY: Final = f"{_OF_KEY} api_keys k JOIN apps USING (app_id) WHERE k.digest = $1"
_APPS_OF_KEYS: Final = (
    f"{_OF_KEY.replace('1::int8', 'u.number')} unnest($1::bytea[]) WITH ORDINALITY AS u (digest, number) "
    "JOIN api_keys k USING (digest) JOIN apps USING (app_id)"
)


class PostgresAppStore(AppStore):
    """An ``AppStore`` in PostgreSQL. The database is closed by its opener."""

    def __init__(self, database: Postgres) -> None:
        super().__init__(database)
        self._of_keys = QueryBatcher(database, _APPS_OF_KEYS, one=_APP_OF_KEY)
        self._known = KnownKeys(database, self._asked_app_of_key)
        database.on_close(self._of_keys.close)
        database.on_close(self._known.close)

    async def app_of_key(self, digest: bytes) -> App | None:
        return await self._known.app(digest)

    async def _asked_app_of_key(self, digest: bytes) -> App | None:
        row = await self._of_keys.ask(digest)
        return None if row is None else app_of(tuple(row)[1:])

    async def environments(self) -> dict[str, Mapping[str, Json]]:
        """Return the environment variables that were set, by app name."""
        return {row[0]: json.loads(row[1]) for row in await self._sql.rows(_ENVIRONMENTS)}

    async def _change(self, operation: Callable[[], Operation[T]]) -> T:
        try:
            return await super()._change(operation)
        finally:
            # Others are notified; this process must not lag behind its own answer.
            self._known.forget()
