"""Triggers of apps. Who publishes an app adds them: see ``app_store``."""

from typing import Final

from jikko.ports.stores.trigger_store import Trigger, TriggerKind
from jikko.store.identifiers import id_text
from jikko.store.sql import Record, SqlDatabase

_SELECT: Final = "SELECT trigger_id, app_id, node, kind, address, enabled, created_at FROM app_triggers"
_IN_ORDER: Final = "ORDER BY created_at, key"
_OF_APP: Final = f"{_SELECT} WHERE app_id = :app_id {_IN_ORDER}"
_ALL: Final = f"{_SELECT} {_IN_ORDER}"
_OF_KIND: Final = f"{_SELECT} WHERE kind = :kind {_IN_ORDER}"
_FIND: Final = f"{_SELECT} WHERE trigger_id = :id"
_AT: Final = f"{_SELECT} WHERE address = :address"
_ENABLE: Final = "UPDATE app_triggers SET enabled = :enabled WHERE trigger_id = :id"


class SqlTriggerStore:
    """A ``TriggerStore`` in a database, which its opener closes."""

    def __init__(self, database: SqlDatabase) -> None:
        self._sql = database.sql.with_text_ids()

    async def of_app(self, app_id: str) -> list[Trigger]:
        return [_trigger(row) for row in await self._sql.rows(_OF_APP, app_id=app_id)]

    async def all(self, kind: TriggerKind | None = None) -> list[Trigger]:
        rows = await (self._sql.rows(_ALL) if kind is None else self._sql.rows(_OF_KIND, kind=kind))
        return [_trigger(row) for row in rows]

    async def find(self, trigger_id: str) -> Trigger | None:
        row = await self._sql.row(_FIND, id=trigger_id.lower())
        return None if row is None else _trigger(row)

    async def at(self, address: str) -> Trigger | None:
        row = await self._sql.row(_AT, address=address)
        return None if row is None else _trigger(row)

    async def enable(self, trigger_id: str, enabled: bool) -> bool:
        return bool(await self._sql.count(_ENABLE, id=trigger_id.lower(), enabled=enabled))


def _trigger(row: Record) -> Trigger:
    return Trigger(
        id=id_text(row[0]),
        app_id=id_text(row[1]),
        node_id=row[2],
        kind=row[3],
        address=row[4] or "",
        enabled=bool(row[5]),
        created_at=row[6],
    )
