"""API keys of apps: issue, revoke, and authenticate."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from msgspec import Struct, field

from jikko.apps.keys import SHARED, digest, hint_of, key_for, new_key, new_shared_key
from jikko.concurrency.background_tasks import start_task
from jikko.concurrency.rate_limit import SharedRequestRate
from jikko.errors import Conflict, JikkoError, NotFound, Unauthorized
from jikko.ids import new_id
from jikko.ports.clock import Clock
from jikko.repositories.app_store import ApiKey, App, AppStore

logger = logging.getLogger(__name__)

WRITTEN_EVERY: Final = 60.0
"""Interval of writes of last-used times, in seconds."""


class KeyUses(Struct, eq=False):
    """Last-used times of keys, written in batches."""

    write: Callable[[Mapping[bytes, float]], Awaitable[None]]
    """Stores last-used times, by key digest."""
    clock: Clock
    seconds: float = WRITTEN_EVERY
    """Interval of writes."""
    _used: set[bytes] = field(default_factory=set)
    _due: asyncio.TimerHandle | None = None
    _writing: set[asyncio.Task[None]] = field(default_factory=set)

    def note(self, key: bytes) -> None:
        """Record a use of a key, by its digest."""
        if key in self._used:
            return
        self._used.add(key)
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(self.seconds, self._begin)

    async def close(self) -> None:
        """Write what is pending."""
        if self._due is not None:
            self._due.cancel()
            self._begin()
        await asyncio.gather(*self._writing, return_exceptions=True)

    def _begin(self) -> None:
        used, self._used, self._due = self._used, set(), None
        start_task(self._written(dict.fromkeys(used, self.clock())), self._writing)

    async def _written(self, used: Mapping[bytes, float]) -> None:
        try:
            await self.write(used)
        except JikkoError as error:
            logger.debug("when keys were used cannot be kept: %s", error)


class AppKeys:
    def __init__(
        self,
        store: AppStore,
        clock: Clock = time.time,
        *,
        rate: SharedRequestRate | None = None,
        uses: KeyUses | None = None,
    ) -> None:
        """``uses``: Records uses of keys; ``None``: they are not recorded."""
        self._store = store
        self._clock = clock
        self._rate = rate if rate is not None and rate.is_limited else None
        self._uses = uses

    @property
    def counts_requests(self) -> bool:
        """Whether ``authenticate`` must be called exactly once per request."""
        return self._rate is not None

    async def issue(self, app_id: str) -> str:
        """Issue an API key. It is returned only here; the store keeps its digest."""
        _, key = await self.make(app_id)
        return key

    async def make(self, app_id: str) -> tuple[ApiKey, str]:
        """Issue an API key, as ``issue`` does. Returns its entry, too."""
        key = new_key()
        return await self.add(app_id, key), key

    async def add(self, app_id: str, key: str) -> ApiKey:
        """Add a given key to an app; a no-op if it opens the app already. ``key``: see ``keys.checked_key``. Raises
        ``Conflict``: it opens another app; ``NotFound``: there is no such app."""
        added = ApiKey(id=new_id(), app_id=app_id, digest=digest(key), hint=hint_of(key), created_at=self._clock())
        while True:
            owner = await self._store.app_of_key(added.digest)
            if owner is not None and owner.id != app_id:
                raise Conflict(f"The key {hint_of(key)} opens the app {owner.name!r}; a key opens one app.")
            for known in await self._store.keys(app_id):
                if known.digest == added.digest:
                    return known
            if await self._store.add_key(added):
                return added
            # Another process has just added it: look again.

    async def add_first(self, app_id: str, key: str) -> ApiKey | None:
        """Add a key to an app without keys; ``None`` if it has one. Of concurrent calls, one succeeds. Raises
        ``NotFound`` if there is no such app."""
        first = ApiKey(id=new_id(), app_id=app_id, digest=digest(key), hint=hint_of(key), created_at=self._clock())
        return first if await self._store.add_key(first, only_first=True) else None

    @asynccontextmanager
    async def passing(self, app_id: str) -> AsyncIterator[str]:
        """Yield a temporary API key, revoked at the end of the block: a process with access to the data folder may act
        as any client. Raises ``NotFound`` if the app was removed."""
        app = await self._store.app(app_id)
        if app is None:
            raise NotFound(
                "The app of the run was removed: no server acts on its runs any more. Stop the server first."
            )
        key = await self.issue(app_id)
        try:
            yield key
        finally:
            hashed = digest(key)
            for entry in await self._store.keys(app_id):
                if entry.digest == hashed:
                    await self._store.delete_key(app_id, entry.id)

    async def authenticate(self, key: bytes, counted: bytes | None = None) -> App:
        """Return the app that a key opens.

        The lookup is by digest, so its duration reveals nothing about any key. ``key``: Its digest. ``counted``: Key of
        the rate limit, if another. Raises ``Unauthorized``: no app has that key; ``TooManyRequests``: rate limit
        exceeded.
        """
        app = await self._store.app_of_key(key)
        if app is None:
            raise Unauthorized("Access token is invalid")
        # Inlines `count_request`, to save a coroutine per request.
        if self._rate is not None:
            await self._rate.take(counted or key)
        if self._uses is not None:
            self._uses.note(key)
        return app

    async def count_request(self, key: bytes) -> None:
        """Count a request against the rate limit of ``key`` (a digest). Raises ``TooManyRequests`` beyond it."""
        if self._rate is not None:
            await self._rate.take(key)
        if self._uses is not None:
            self._uses.note(key)

    async def share(self, apps: Sequence[App]) -> str:
        """Issue a key that opens several apps. Each app gets a key of its own for it, which can be revoked. Raises
        ``NotFound`` if an app was removed; no key is left."""
        shared = new_shared_key()
        try:
            for app in apps:
                await self.add(app.id, key_for(shared, app.id))
        except BaseException:
            await self.unshare(shared)
            raise
        return shared

    async def unshare(self, shared: str) -> None:
        """Revoke a key for several apps."""
        for entry in await self._parts(shared):
            await self._store.delete_key(entry.app_id, entry.id)

    async def opened_by(self, shared: str) -> list[App]:
        """Return the apps that a key for several opens, in the order of its creation; empty if it is not such a key.
        Raises ``TooManyRequests`` beyond the rate limit."""
        if not shared.startswith(SHARED):
            return []
        parts = await self._parts(shared)
        if parts and self._rate is not None:
            await self._rate.take(digest(shared))
        apps = [await self._store.app(part.app_id) for part in parts]
        return [app for app in apps if app is not None]

    async def _parts(self, shared: str) -> list[ApiKey]:
        known = await self._store.keys_like(hint_of(shared))
        return [entry for entry in known if entry.digest == digest(key_for(shared, entry.app_id))]

    def note_use(self, shared: str, app: App) -> None:
        """Record a use of a key for several apps, for one of them."""
        if self._uses is not None:
            self._uses.note(digest(key_for(shared, app.id)))

    async def of(self, app: App) -> list[ApiKey]:
        """Return the keys of an app, oldest first."""
        return await self._store.keys(app.id)

    async def revoke(self, app: App, key_id: str) -> None:
        """Revoke a key, effective at once. Raises ``NotFound`` if the app has no such key."""
        if not await self._store.delete_key(app.id, key_id):
            raise NotFound(f"App {app.name!r} has no key {key_id!r}.")
