"""The API keys of apps: making and removing them, and finding the app that one opens."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from jikko.apps.keys import SHARED, digest, hint_of, key_for, new_key, new_shared_key
from jikko.concurrency.background_tasks import start_task
from jikko.concurrency.rate_limit import SharedRequestRate
from jikko.errors import Conflict, JikkoError, NotFound, Unauthorized
from jikko.ids import new_id
from jikko.ports.clock import Clock
from jikko.repositories.app_store import ApiKey, App, AppStore

logger = logging.getLogger(__name__)

WRITTEN_EVERY: Final = 60.0
"""Seconds."""


class KeyUses:
    """Notes the use of keys."""

    def __init__(
        self, write: Callable[[Mapping[bytes, float]], Awaitable[None]], clock: Clock, seconds: float = WRITTEN_EVERY
    ) -> None:
        """``write``: keeps when keys were used last, by their digests. ``seconds``: after which what was noted is
        written."""
        self._write = write
        self._clock = clock
        self._seconds = seconds
        self._used: set[bytes] = set()
        self._due: asyncio.TimerHandle | None = None
        self._writing: set[asyncio.Task[None]] = set()

    def note(self, key: bytes) -> None:
        """A key is used now. ``key``: its digest."""
        if key in self._used:
            return
        self._used.add(key)
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(self._seconds, self._begin)

    async def close(self) -> None:
        """Write what was noted."""
        if self._due is not None:
            self._due.cancel()
            self._begin()
        await asyncio.gather(*self._writing, return_exceptions=True)

    def _begin(self) -> None:
        used, self._used, self._due = self._used, set(), None
        start_task(self._written(dict.fromkeys(used, self._clock())), self._writing)

    async def _written(self, used: Mapping[bytes, float]) -> None:
        try:
            await self._write(used)
        except JikkoError as error:
            logger.debug("when keys were used cannot be kept: %s", error)


class AppKeys:
    """The keys of all apps."""

    def __init__(
        self,
        store: AppStore,
        clock: Clock = time.time,
        *,
        rate: SharedRequestRate | None = None,
        uses: KeyUses | None = None,
    ) -> None:
        """``uses``: notes when keys are used; ``None``: that is of no interest."""
        self._store = store
        self._clock = clock
        self._rate = rate if rate is not None and rate.is_limited else None
        self._uses = uses

    @property
    def counts_requests(self) -> bool:
        """Whether ``authenticate`` is to be called for each request, and once."""
        return self._rate is not None

    async def issue(self, app_id: str) -> str:
        """Make an API key. It is returned here and never again; only its digest is kept."""
        _, key = await self.make(app_id)
        return key

    async def make(self, app_id: str) -> tuple[ApiKey, str]:
        """Make an API key, as ``issue`` does; with its entry."""
        key = new_key()
        return await self.add(app_id, key), key

    async def add(self, app_id: str, key: str) -> ApiKey:
        """Have a key open an app, be it new or known from elsewhere. One that opens it already stays as it is.
        ``key``: see ``keys.checked_key``. Raises ``Conflict``: it opens another app, or there is no such app."""
        owner = await self._store.app_of_key(digest(key))
        if owner is not None and owner.id != app_id:
            raise Conflict(f"The key {hint_of(key)} opens the app {owner.name!r}; a key opens one app.")
        for known in await self._store.keys(app_id):
            if known.digest == digest(key):
                return known
        added = ApiKey(id=new_id(), app_id=app_id, digest=digest(key), hint=hint_of(key), created_at=self._clock())
        await self._store.add_key(added)
        return added

    async def add_first(self, app_id: str, key: str) -> ApiKey | None:
        """Have a new key open an app that has none; ``None`` if it has one. Of several at once, one is added.
        Raises ``Conflict``: there is no such app."""
        first = ApiKey(id=new_id(), app_id=app_id, digest=digest(key), hint=hint_of(key), created_at=self._clock())
        return first if await self._store.add_key(first, only_first=True) else None

    @asynccontextmanager
    async def passing(self, app_id: str) -> AsyncIterator[str]:
        """An API key that is gone at the end of the block: a process that has the data folder may act as any client.
        Raises ``NotFound``: the app was removed."""
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
        """The app that a key opens.

        Looked up by the key's digest, so that how long it takes tells nothing of any key. ``key``: its digest.
        ``counted``: what its requests are counted by, if that is another. Raises ``Unauthorized``: no app has that key;
        ``TooManyRequests``: it was used too often in the last minute."""
        app = await self._store.app_of_key(key)
        if app is None:
            raise Unauthorized("Access token is invalid")
        # As in `count_request`, without a coroutine for each request.
        if self._rate is not None:
            await self._rate.take(counted or key)
        if self._uses is not None:
            self._uses.note(key)
        return app

    async def count_request(self, key: bytes) -> None:
        """Count a request that was made with a key, or with what stands for one.
        ``key``: its digest. Raises ``TooManyRequests``: it was used too often in the last minute."""
        if self._rate is not None:
            await self._rate.take(key)
        if self._uses is not None:
            self._uses.note(key)

    async def share(self, apps: Sequence[App]) -> str:
        """Make a key that opens several apps. Each has a key of its own for it, which may be revoked.
        Raises ``Conflict``: an app was removed; no key is left."""
        shared = new_shared_key()
        try:
            for app in apps:
                await self.add(app.id, key_for(shared, app.id))
        except BaseException:
            await self.unshare(shared)
            raise
        return shared

    async def unshare(self, shared: str) -> None:
        """Remove a key for several apps."""
        for entry in await self._parts(shared):
            await self._store.delete_key(entry.app_id, entry.id)

    async def opened_by(self, shared: str) -> list[App]:
        """The apps that a key for several opens, in the order in which it was made; none, if it is no such key.
        Raises ``TooManyRequests``: it was used too often in the last minute."""
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
        """A key for several apps is used for one of them."""
        if self._uses is not None:
            self._uses.note(digest(key_for(shared, app.id)))

    async def of(self, app: App) -> list[ApiKey]:
        """The keys of an app, oldest first."""
        return await self._store.keys(app.id)

    async def revoke(self, app: App, key_id: str) -> None:
        """Remove a key, which opens nothing from now on. Raises ``NotFound``: the app has no such key."""
        if not await self._store.delete_key(app.id, key_id):
            raise NotFound(f"App {app.name!r} has no key {key_id!r}.")
