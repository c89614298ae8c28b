"""Runs in memory: for tests, for ``jikko run``, and as the plainest statement of the contract."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from itertools import islice

import msgspec

from jikko.errors import KeyTaken, LogConflict, StartRefused, StoreUnavailable
from jikko.events import Event
from jikko.ids import is_uuid
from jikko.ports.stores.app_store import AppStore
from jikko.ports.stores.callback_store import Callback
from jikko.ports.stores.projections import CallbackRequest, KeyClaim
from jikko.ports.stores.run_store import MAX_CHANGES, Append, Change, LogPage, LogQuery
from jikko.record import RunDetail, RunRecord, RunRetry
from jikko.store.memory.app_store import MemoryAppStore
from jikko.store.memory.conversation_store import MemoryConversationStore


class MemoryRunStore:
    """A ``RunStore`` that forgets everything when the process ends.

    Events are kept as they are, not as JSON: what a real store would have to encode is not tried here.
    """

    def __init__(self, apps: AppStore | None = None, conversations: MemoryConversationStore | None = None) -> None:
        """Args:
        apps: Knows which app a key opens; without it, none opens any.
        conversations: Takes what follows from runs for conversations.
        """
        self.on_gone_back: Callable[[], None] = lambda: None
        self.goes_back = False
        self._conversations = conversations or MemoryConversationStore()
        self._apps = apps or MemoryAppStore()
        self._records: dict[str, RunRecord] = {}
        self._logs: dict[str, list[Event]] = {}
        self._marks: dict[str, int] = {}
        """Of the last append to each log."""
        self._keys: dict[tuple[str, str], tuple[str, KeyClaim]] = {}
        self.callbacks: dict[str, Callback] = {}
        """For ``MemoryCallbackStore``."""

    def append(self, batch: Append) -> "asyncio.Future[None]":
        done = asyncio.get_running_loop().create_future()
        try:
            self._append(batch)
        except (LogConflict, StartRefused) as error:
            done.set_exception(error)
        else:
            done.set_result(None)
        return done

    def _append(self, batch: Append) -> None:
        if batch.withdrawal is not None and batch.withdrawal.is_made:
            raise StartRefused("The start was withdrawn.")
        log = self._logs.get(batch.run_id, [])
        known = self._records.get(batch.run_id)
        if known is not None and batch.mark:
            offered = batch.mark, batch.at + len(batch.events), batch.record.epoch
            if offered == (self._marks[batch.run_id], len(log), known.epoch):
                return
        if len(log) != batch.at or (batch.at == 0 and known is not None):
            raise LogConflict(f"The log of run {batch.run_id} has {len(log)} events, not {batch.at}.")
        if known is not None and not known.is_open:
            raise LogConflict(f"The log of run {batch.run_id} is closed: the run has {known.status}.")
        if known is not None and known.epoch > batch.record.epoch:
            raise LogConflict(f"Run {batch.run_id} was taken over: epoch {known.epoch}, not {batch.record.epoch}.")
        identity = batch.record.identity
        for projection in batch.projections:
            if isinstance(projection, KeyClaim) and (
                taken := self._run_of_key(identity.app_id, projection.key, projection.at)
            ):
                raise KeyTaken(*taken)
        for projection in batch.projections:
            match projection:
                case KeyClaim(key=key):
                    self._keys[identity.app_id, key] = batch.run_id, projection
                case CallbackRequest(url=url):
                    created_at = batch.record.created_at
                    self.callbacks[batch.run_id] = Callback(
                        run_id=batch.run_id, app_id=identity.app_id, url=url, created_at=created_at
                    )
                case _:
                    self._conversations.project(batch.run_id, projection)
        self._logs.setdefault(batch.run_id, []).extend(batch.events)
        self._records[batch.run_id] = msgspec.structs.replace(batch.record)
        self._marks[batch.run_id] = batch.mark

    def pack(self, events: Sequence[Event]) -> tuple[bytes, Sequence[int]]:
        return b"", ()

    async def claimed(self, app_id: str, key: str, *, now: float) -> tuple[str, bytes] | None:
        return self._run_of_key(app_id, key, now)

    def _run_of_key(self, app_id: str, key: str, now: float) -> tuple[str, bytes] | None:
        run_id, claim = self._keys.get((app_id, key), ("", None))
        if claim is None or run_id not in self._records or now >= claim.at + claim.lifetime:
            return None
        return run_id, claim.fingerprint

    async def record(self, run_id: str, app_id: str | None = None) -> RunRecord | None:
        found = self._records.get(run_id.lower())
        if found is None or (app_id is not None and found.identity.app_id != app_id):
            return None
        return msgspec.structs.replace(found)

    async def detail(self, run_id: str, key: bytes) -> RunDetail | None:
        found = self._records.get(run_id.lower())
        app = await self._apps.app_of_key(key)
        return found.detail() if found is not None and app is not None and app.id == found.identity.app_id else None

    async def events(self, run_id: str, *, after: int = -1, most: int = 0) -> list[Event]:
        return self._logs.get(run_id.lower(), [])[max(after + 1, 0) :]

    async def changes(self, known: Mapping[str, int]) -> dict[str, Change]:
        changes = {run_id: Change(None) for run_id in known if run_id not in self._logs and is_uuid(run_id)}
        for run_id, count in known.items():
            if len(log := self._logs.get(run_id, [])) > count:
                changes[run_id] = Change(msgspec.structs.replace(self._records[run_id]), log[count:])
        return dict(islice(changes.items(), MAX_CHANGES))

    async def log_end(self, run_id: str) -> int:
        return len(self._logs.get(run_id.lower(), []))

    async def open_runs(self, holder: str | None = None) -> list[RunRecord]:
        found = [
            record
            for record in self._records.values()
            if record.status == "running" and holder in (None, record.holder)
        ]
        return [msgspec.structs.replace(record) for record in sorted(found, key=lambda record: record.created_at)]

    async def paused(self) -> int:
        return sum(record.status == "paused" for record in self._records.values())

    async def holders(self) -> set[str]:
        return {record.holder for record in self._records.values() if record.status == "running" and record.holder}

    async def next_wake(self, after: float) -> float | None:
        times = (record.wake_at for record in self._records.values() if record.status == "paused")
        return min((at for at in times if at is not None and at > after), default=None)

    async def due_runs(self, now: float, *, after: RunRecord | None = None, limit: int = 100) -> list[RunRecord]:
        keys = {run_id: key for key, run_id in enumerate(self._records)}
        behind = (0.0, -1) if after is None else (after.wake_at or 0.0, keys.get(after.identity.run_id, -1))
        found = sorted(
            (record.wake_at, keys[run_id])
            for run_id, record in self._records.items()
            if record.status == "paused" and record.wake_at is not None and record.wake_at <= now
        )
        records = list(self._records.values())
        return [msgspec.structs.replace(records[key]) for at, key in found if (at, key) > behind][:limit]

    async def find_task(self, app_id: str, task_id: str) -> RunRecord | None:
        for record in self._records.values():
            if record.is_open and record.identity.task_id == task_id.lower() and record.identity.app_id == app_id:
                return msgspec.structs.replace(record)
        return None

    async def retries(self, run_id: str) -> list[RunRetry]:
        found = [record for record in self._records.values() if record.identity.retry_of == run_id.lower()]
        found.sort(key=lambda record: record.created_at)
        return [RunRetry(record.identity.run_id, record.status, record.created_at) for record in found]

    async def list_runs(self, query: LogQuery) -> LogPage:
        found = [record for record in reversed(self._records.values()) if _matches(record, query)]
        found.sort(key=lambda record: record.created_at, reverse=True)
        first = (query.page - 1) * query.limit
        page = found[first : first + query.limit]
        return LogPage(total=len(found), records=[msgspec.structs.replace(record) for record in page])

    async def archived_until(self) -> float | None:
        # There is no archive beside it.
        return None

    async def archived(
        self, *, app_id: str | None, since: float, until: float, trouble: Callable[[StoreUnavailable], None]
    ) -> AsyncIterator[tuple[RunRecord, list[Event]]]:
        nothing: Sequence[tuple[RunRecord, list[Event]]] = ()
        for run in nothing:
            yield run

    async def created_before(self, before: float) -> list[str]:
        return [run_id for run_id, record in self._records.items() if record.created_at < before]

    async def scan(self, *, app_id: str | None = None, after: str = "", limit: int = 100) -> list[RunRecord]:
        found = [
            record
            for run_id, record in sorted(self._records.items())
            if run_id > after and app_id in (None, record.identity.app_id)
        ]
        return [msgspec.structs.replace(record) for record in found[:limit]]

    async def prunable(self, before: float, *, app_id: str | None = None) -> int:
        return len(self._old(before, app_id))

    async def prune(self, before: float, *, limit: int = 500, app_id: str | None = None) -> int:
        old = self._old(before, app_id)[:limit]
        for run_id in old:
            del self._records[run_id], self._logs[run_id], self._marks[run_id]
            self.callbacks.pop(run_id, None)
        return len(old)

    def _old(self, before: float, app_id: str | None) -> list[str]:
        return [
            run_id
            for run_id, record in self._records.items()
            if not record.is_open and record.finished_at is not None and record.finished_at < before
            if app_id in (None, record.identity.app_id)
            if run_id not in self.callbacks or self.callbacks[run_id].state != "pending"
        ]

    async def remove(self, run_id: str) -> bool:
        run_id = run_id.lower()
        if run_id not in self._records or self._records[run_id].is_open:
            return False
        del self._records[run_id], self._logs[run_id], self._marks[run_id]
        self.callbacks.pop(run_id, None)
        return True

    async def open_of_user(self, app_id: str, end_user_id: str) -> list[str]:
        return [run_id for run_id in self._of_user(app_id, end_user_id) if self._records[run_id].is_open]

    async def remove_of_user(self, app_id: str, end_user_id: str, *, limit: int = 500) -> int:
        ended = [run_id for run_id in self._of_user(app_id, end_user_id) if not self._records[run_id].is_open][:limit]
        for run_id in ended:
            del self._records[run_id], self._logs[run_id], self._marks[run_id]
            self.callbacks.pop(run_id, None)
        self._keys = {key: claim for key, claim in self._keys.items() if claim[0] not in ended}
        return len(ended)

    def _of_user(self, app_id: str, end_user_id: str) -> list[str]:
        wanted = (app_id, end_user_id.lower())
        identities = ((run_id, record.identity) for run_id, record in self._records.items())
        return [run_id for run_id, identity in identities if (identity.app_id, identity.end_user_id) == wanted]

    async def index(self, *, limit: int) -> int:
        return 0

    async def close(self) -> None:
        pass


def _matches(record: RunRecord, query: LogQuery) -> bool:
    return (
        record.identity.app_id == query.app_id
        and (query.status is None or record.status == query.status)
        and (query.created_before is None or record.created_at <= query.created_before)
        and (query.created_after is None or record.created_at >= query.created_after)
        and (query.user is None or record.identity.user == query.user)
        and (not query.keyword or _has_keyword(record, query.keyword))
    )


def _has_keyword(record: RunRecord, keyword: str) -> bool:
    # bytes.lower() changes ASCII letters only, as the contract wants it.
    wanted = keyword[:30].encode("utf-8", "replace").lower()
    texts = (record.inputs.encode("utf-8", "replace"), record.outputs, record.identity.user.encode("utf-8", "replace"))
    if any(wanted in text.lower() for text in texts):
        return True
    try:
        return str(uuid.UUID(keyword)) == record.identity.run_id
    except ValueError:
        return False
