"""Audit log. Entries are never changed; retention removes those of starts, as it does runs."""

from __future__ import annotations  # operations are functions created per call

from typing import Any, Final

import msgspec

from jikko.ports.stores.audit_store import STARTS, AuditEntry, AuditFilter
from jikko.repositories.record_table import Codec, RecordTable
from jikko.repositories.shared_sql import SqlDatabase
from jikko.values import Json

_MAX_BYTES: Final = 4096
"""Limit of a value before or after, as JSON."""


def _cut(value: Json) -> str:
    text = msgspec.json.encode(value)
    if len(text) > _MAX_BYTES:
        text = msgspec.json.encode(f"{text[: _MAX_BYTES // 2].decode(errors='ignore')}…")
    return text.decode()


_JSON: Final[Codec] = (_cut, msgspec.json.decode)
_AUDIT: Final = RecordTable(
    "audit",
    AuditEntry,
    columns={"id": "entry_id", "what": "target", "before": "value_before", "after": "value_after"},
    codecs={"before": _JSON, "after": _JSON},
)
_CONDITIONS: Final = {
    "app_ids": "app_id IN :app_ids",
    "actor": "actor = :actor",
    "action": "action = :action",
    "since": "at >= :since::float8",
    "until": "at <= :until::float8",
    "behind": "entry_id < :entry_id",
}
_EXPIRED_STARTS: Final = "WHERE at < :before::float8 AND action IN :actions LIMIT :limit"
_DELETE: Final = "DELETE FROM audit WHERE entry_id IN :entry_ids"


class AuditStore:
    """Audit entries of a server."""

    def __init__(self, database: SqlDatabase) -> None:
        self._sql = database.sql.with_text_ids()

    async def add(self, entry: AuditEntry) -> None:
        """Store an entry, durably. Values above 4 kB are cut to their first half, as text."""
        await self._sql.write(lambda: _AUDIT.add([entry]))

    async def entries(self, wanted: AuditFilter, *, limit: int) -> list[AuditEntry]:
        """Return the newest matching entries, newest first."""
        given: dict[str, Any] = {
            name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not None
        }
        where = " AND ".join(_CONDITIONS[name] for name in given)
        if "behind" in given:
            given["entry_id"] = given.pop("behind")
        rest = f"{f'WHERE {where} ' if where else ''}ORDER BY entry_id DESC LIMIT :limit"
        return await self._sql.read(lambda: _AUDIT.all(rest, limit=limit, **given))

    async def prune_starts(self, before: float, *, limit: int = 500) -> int:
        """Delete entries of starts older than ``before``. Returns their number; fewer than ``limit`` if none
        are left."""
        # This scans them all: with a reader, so that no write waits.
        old = await self._sql.read(lambda: _AUDIT.all(_EXPIRED_STARTS, before=before, actions=STARTS, limit=limit))
        return await self._sql.count(_DELETE, entry_ids=tuple(entry.id for entry in old)) if old else 0
