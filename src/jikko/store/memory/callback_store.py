"""Call-backs in memory: for tests, and as the plainest statement of the contract."""

from collections import Counter

from jikko.ports.stores.callback_store import Callback
from jikko.store.memory.run_store import MemoryRunStore


class MemoryCallbackStore:
    """A ``CallbackStore`` that forgets everything when the process ends."""

    def __init__(self, runs: MemoryRunStore) -> None:
        self._runs = runs
        self._secrets: dict[str, str] = {}

    async def due(self, now: float, *, each: int = 100, limit: int = 100) -> list[Callback]:
        found = [entry for entry in await self._ended() if entry.state == "pending" and entry.next_at <= now]
        seen: Counter[str] = Counter()
        due = []
        for entry in sorted(found, key=lambda entry: (entry.next_at, entry.run_id)):
            seen[entry.receiver] += 1
            if seen[entry.receiver] <= each:
                due.append(entry)
        return due[:limit]

    async def next_due(self, after: float) -> float | None:
        times = (entry.next_at for entry in await self._ended() if entry.state == "pending")
        return min((at for at in times if at > after), default=None)

    async def pending(self) -> tuple[int, float | None]:
        found = [entry for entry in await self._ended() if entry.state == "pending"]
        return len(found), min((entry.first_at for entry in found if entry.first_at is not None), default=None)

    async def save(self, callback: Callback) -> None:
        known = self._runs.callbacks.get(callback.run_id)
        is_late = known is not None and known.state == "delivered" and callback.first_at is not None
        if known is not None and not (is_late and callback.state != "delivered"):
            self._runs.callbacks[callback.run_id] = callback

    async def find(self, run_id: str) -> Callback | None:
        return self._runs.callbacks.get(run_id.lower())

    async def undelivered(
        self, *, app_id: str | None = None, after: Callback | None = None, limit: int = 1000
    ) -> list[Callback]:
        found = [
            entry
            for entry in await self._ended()
            if entry.state != "delivered"
            and app_id in (None, entry.app_id)
            and (after is None or _place(entry) > _place(after))
        ]
        return sorted(found, key=_place)[:limit]

    async def secret(self, app_id: str, new: str) -> str:
        return self._secrets.setdefault(app_id, new)

    async def set_secret(self, app_id: str, new: str) -> None:
        self._secrets[app_id] = new

    async def _ended(self) -> list[Callback]:
        found = []
        for entry in self._runs.callbacks.values():
            record = await self._runs.record(entry.run_id)
            if record is not None and not record.is_open:
                found.append(entry)
        return found


def _place(entry: Callback) -> tuple[float, str]:
    return entry.created_at, entry.run_id
