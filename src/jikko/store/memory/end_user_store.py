"""End users in memory: for tests, and as the plainest statement of the contract."""

import sys
from typing import Final

from jikko.ports.stores.end_user_store import EndUser
from jikko.store.memory.file_index import MemoryFileIndex
from jikko.store.memory.run_store import MemoryRunStore

_ALL: Final = sys.maxsize


class MemoryEndUserStore:
    """An ``EndUserStore`` beside a run store and a file index."""

    def __init__(self, runs: MemoryRunStore, files: MemoryFileIndex) -> None:
        self._runs = runs
        self._files = files
        self._added: dict[tuple[str, str], str] = {}

    async def add(self, app_id: str, end_user_id: str, user: str) -> None:
        self._added.setdefault((app_id, end_user_id.lower()), user)

    async def remove(self, app_id: str, end_user_id: str) -> None:
        self._added.pop((app_id, end_user_id.lower()), None)

    async def has(self, app_id: str, end_user_id: str) -> bool:
        wanted = (app_id, end_user_id.lower())
        records = await self._runs.scan(app_id=app_id, limit=_ALL)
        return wanted in self._added or any(record.identity.end_user_id == wanted[1] for record in records)

    async def find(self, app_id: str, end_user_id: str) -> EndUser | None:
        wanted = (app_id, end_user_id.lower())
        user = self._added.get(wanted)
        moments = [
            file.created_at for file in await self._files.listed(app_id, limit=_ALL) if file.end_user_id == wanted[1]
        ]
        for record in await self._runs.scan(app_id=app_id, limit=_ALL):
            if record.identity.end_user_id == wanted[1]:
                user = user or record.identity.user
                moments.append(record.created_at)
        if user is None or not moments:
            return None
        return EndUser(id=wanted[1], app_id=app_id, user=user, created_at=min(moments))
