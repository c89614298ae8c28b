"""Apps in PostgreSQL, as several servers use them: which app a key opens is remembered (``KnownKeys``)."""

import json
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from jikko.ports.stores.app_store import App
from jikko.repositories.app_store import APP_COLUMNS, AppStore
from jikko.repositories.sql import Operation
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.known_keys import KnownKeys
from jikko.store.postgres.runs.query_batcher import QueryBatcher
from jikko.values import Json

T = TypeVar("T")

_ENVIRONMENTS: Final = "SELECT name, environment FROM apps WHERE environment <> ''"
_OF_KEY: Final = f"SELECT 1::int8, {', '.join('a.' + name for name in APP_COLUMNS.split(', '))} FROM "
_APP_OF_KEY: Final = f"{_OF_KEY} api_keys k JOIN apps a USING (app_id) WHERE k.digest = $1"
_APPS_OF_KEYS: Final = (
    f"{_OF_KEY.replace('1::int8', 'u.number')} unnest($1::bytea[]) WITH ORDINALITY AS u (digest, number) "
    "JOIN api_keys k USING (digest) JOIN apps a USING (app_id)"
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
        return None if row is None else self._app(tuple(row)[1:])

    async def environments(self) -> dict[str, Mapping[str, Json]]:
        """The values that were set for environment variables, by the names of apps."""
        return {row[0]: json.loads(row[1]) for row in await self._sql.rows(_ENVIRONMENTS)}

    async def _change(self, operation: Callable[[], Operation[T]]) -> T:
        try:
            return await super()._change(operation)
        finally:
            # Others hear of it; this process is not to be later than its own answer.
            self._known.forget()
