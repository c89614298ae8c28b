"""A file index in memory: for tests, and as the plainest statement of the contract."""

from collections.abc import Sequence

from jikko.errors import Conflict
from jikko.ports.stores.file_index import NOTHING_KEPT, Expired, FileTotals, Kept, StoredFile


class MemoryFileIndex:
    """A ``FileIndex`` that forgets everything when the process ends."""

    def __init__(self) -> None:
        self._files: dict[str, StoredFile] = {}
        self._used: dict[str, float] = {}

    async def add(self, file: StoredFile) -> None:
        if file.id in self._files:
            raise Conflict(f"There is a file {file.id} already.")
        self._files[file.id] = file

    async def find(self, file_id: str) -> StoredFile | None:
        return self._files.get(file_id.lower())

    async def listed(self, app_id: str, *, limit: int = 100) -> list[StoredFile]:
        found = [file for file in self._files.values() if file.app_id == app_id]
        return sorted(found, key=lambda file: (file.created_at, file.id), reverse=True)[:limit]

    async def used(self, file_id: str, at: float) -> None:
        self._used[file_id.lower()] = at

    async def expire(self, before: float, *, limit: int = 500, keep: Kept = NOTHING_KEPT) -> Expired:
        unused = [
            file
            for file in self._files.values()
            if max(file.created_at, self._used.get(file.id, 0.0)) < before
            and not keep.has(file.id, file.app_id, file.end_user_id)
        ]
        old = sorted(unused, key=lambda file: file.created_at)[:limit]
        for file in old:
            del self._files[file.id]
        kept = {file.digest for file in self._files.values()}
        return Expired(len(old), sorted({file.digest for file in old} - kept))

    async def forget_of_user(self, app_id: str, end_user_id: str, *, limit: int = 500) -> Expired:
        wanted = (app_id, end_user_id)
        own = [file for file in self._files.values() if (file.app_id, file.end_user_id) == wanted][:limit]
        for file in own:
            del self._files[file.id]
        kept = {file.digest for file in self._files.values()}
        return Expired(len(own), sorted({file.digest for file in own} - kept))

    async def totals(self) -> FileTotals:
        return FileTotals(len(self._files), sum(file.size for file in self._files.values()))

    async def unnamed(self, digests: Sequence[str]) -> list[str]:
        named = {file.digest for file in self._files.values()}
        return [digest for digest in digests if digest not in named]
