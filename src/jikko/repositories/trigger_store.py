"""Triggers of apps."""

from __future__ import annotations  # operations are functions created per call

from typing import Final

from jikko.ports.stores.trigger_store import Trigger, TriggerKind
from jikko.repositories.record_table import RecordTable
from jikko.repositories.shared_sql import Operation, Row, SqlDatabase

_TABLE: Final = RecordTable(
    "app_triggers", Trigger, columns={"id": "trigger_id", "node_id": "node"}, texts=["node_id"], blanks=["address"]
)
_IN_ORDER: Final = "ORDER BY created_at, key"
_OF_APP: Final = _TABLE.select(f"WHERE app_id = :app_id {_IN_ORDER}")
_ALL: Final = _TABLE.select(_IN_ORDER)
_OF_KIND: Final = _TABLE.select(f"WHERE kind = :kind {_IN_ORDER}")
_FIND: Final = _TABLE.select("WHERE trigger_id = :id")
_AT: Final = _TABLE.select("WHERE address = :address")
_ENABLE: Final = "UPDATE app_triggers SET enabled = :enabled WHERE trigger_id = :id"


class TriggerStore:
    """Triggers. ``AppStore.publish`` adds them; they are deleted with their app. Every result is up to date."""

    def __init__(self, database: SqlDatabase) -> None:
        self._sql = database.sql.with_text_ids()

    async def of_app(self, app_id: str) -> list[Trigger]:
        """Return the triggers of an app, including nodes missing from its current version; oldest first."""
        return _TABLE.records(await self._sql.rows(_OF_APP, app_id=app_id))

    async def all(self, kind: TriggerKind | None = None) -> list[Trigger]:
        """Return the triggers of all apps, oldest first."""
        rows = await (self._sql.rows(_ALL) if kind is None else self._sql.rows(_OF_KIND, kind=kind))
        return _TABLE.records(rows)

    async def find(self, trigger_id: str) -> Trigger | None:
        """Return a trigger. ``trigger_id``: Case-insensitive."""
        return _TABLE.found(await self._sql.row(_FIND, id=trigger_id.lower()))

    async def at(self, address: str) -> Trigger | None:
        """Return the webhook of an address. On the path of every call."""

        def find() -> Operation[Trigger | None]:
            return _TABLE.found((yield Row(_AT, address=address)))

        return await self._sql.once(("webhook", address), find)

    async def enable(self, trigger_id: str, enabled: bool) -> bool:
        """Switch a trigger on or off, durably. Returns whether it exists."""
        return bool(await self._sql.count(_ENABLE, id=trigger_id.lower(), enabled=enabled))
