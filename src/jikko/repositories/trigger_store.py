"""Triggers of apps. Who publishes an app adds them: see ``app_store``."""

from typing import Final

from jikko.ports.stores.trigger_store import Trigger, TriggerKind
from jikko.repositories.identifiers import id_text
from jikko.repositories.sql import Record, SqlDatabase

_SELECT: Final = "SELECT trigger_id, app_id, node, kind, address, enabled, created_at FROM app_triggers"
_IN_ORDER: Final = "ORDER BY created_at, key"
_OF_APP: Final = f"{_SELECT} WHERE app_id = :app_id {_IN_ORDER}"
_ALL: Final = f"{_SELECT} {_IN_ORDER}"
_OF_KIND: Final = f"{_SELECT} WHERE kind = :kind {_IN_ORDER}"
_FIND: Final = f"{_SELECT} WHERE trigger_id = :id"
_AT: Final = f"{_SELECT} WHERE address = :address"
_ENABLE: Final = "UPDATE app_triggers SET enabled = :enabled WHERE trigger_id = :id"


class TriggerStore:
    """Triggers. ``AppStore.publish`` makes them; they go with their app. Every answer is up to date."""

    def __init__(self, database: SqlDatabase) -> None:
        self._sql = database.sql.with_text_ids()

    async def of_app(self, app_id: str) -> list[Trigger]:
        """The triggers of an app, also of nodes that its current version has no more; oldest first."""
        return [_trigger(row) for row in await self._sql.rows(_OF_APP, app_id=app_id)]

    async def all(self, kind: TriggerKind | None = None) -> list[Trigger]:
        """The triggers of all apps, oldest first."""
        rows = await (self._sql.rows(_ALL) if kind is None else self._sql.rows(_OF_KIND, kind=kind))
        return [_trigger(row) for row in rows]

    async def find(self, trigger_id: str) -> Trigger | None:
        """One trigger. ``trigger_id`` in any case."""
        row = await self._sql.row(_FIND, id=trigger_id.lower())
        return None if row is None else _trigger(row)

    async def at(self, address: str) -> Trigger | None:
        """The webhook of an address."""
        row = await self._sql.row(_AT, address=address)
        return None if row is None else _trigger(row)

    async def enable(self, trigger_id: str, enabled: bool) -> bool:
        """Switch a trigger on or off. Durable when it returns. Returns whether there is one."""
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
