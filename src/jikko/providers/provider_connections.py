"""Provider connections of a process: shared by all kinds of calls, with their limits."""

import asyncio
import sys
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from jikko.concurrency.fair_queue import FairQueue
from jikko.concurrency.fair_semaphore import APP_SHARE
from jikko.concurrency.memory_budget import max_for_one_app
from jikko.extras import Extra, how_to_install
from jikko.masking import masked
from jikko.ports.models import ModelFailure, UnknownProvider
from jikko.providers.backends import Backend, MakeBackend
from jikko.providers.config import ProviderConfig, Providers, well_known
from jikko.providers.prices import Prices

if TYPE_CHECKING:
    from jikko.providers.plugin import PluginProviders

_MAX_HOLD: Final = 60.0
"""Maximum seconds for which a ``Retry-After`` is respected."""
_MAX_HELD: Final = 10_000


class Limiter:
    """Limiter of one provider's requests.

    Waiting apps take turns, and so do the runs of an app; requests of one run are in order. So neither an app with a
    thousand runs nor a run with a thousand requests blocks others.
    """

    def __init__(
        self,
        max_concurrent: int = 0,
        per_period: int = 0,
        *,
        period: float = 60.0,
        app_share: float = APP_SHARE,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """``max_concurrent``: Concurrent requests; ``per_period``: Requests that begin within any ``period`` (seconds);
        0 for unlimited. ``app_share``: The part that one app may have. See ``max_for_one_app``."""
        self._max_concurrent = max_concurrent
        self._per_period = per_period
        self._period = period
        self._now = now
        self._active = 0
        self._max_for_one_app = max_for_one_app(max_concurrent, app_share) if max_concurrent else sys.maxsize
        self._active_of: Counter[str] = Counter()
        """Running requests by app."""
        self._begun: deque[float] = deque()
        self._apps: OrderedDict[str, FairQueue[asyncio.Future[None]]] = OrderedDict()
        """Queues of runs by app, in the order of the apps' turns. A queue may be empty."""
        self._timer: asyncio.TimerHandle | None = None
        self._held: OrderedDict[str, float] = OrderedDict()

    @property
    def active(self) -> int:
        return self._active

    @property
    def waiting(self) -> int:
        return sum(map(len, self._apps.values()))

    def hold(self, key: str, seconds: float) -> None:
        """Delay the next request with this key, by at most a minute, as the provider asked."""
        if key:
            self._held[key] = self._now() + min(seconds, _MAX_HOLD)
            if len(self._held) > _MAX_HELD:
                self._held.popitem(last=False)

    @asynccontextmanager
    async def slot(self, app_id: str, run_id: str, key: str = "") -> AsyncIterator[None]:
        """Hold a slot for the block."""
        until = self._held.pop(key, None)
        if until is not None and (seconds := until - self._now()) > 0:
            await asyncio.sleep(seconds)
        if self._active_of[app_id] < self._max_for_one_app and not self._apps and self._has_room():
            self._begin(app_id)
        else:
            await self._queue(app_id, run_id)
        try:
            yield
        finally:
            self._end(app_id)
            self._admit()

    async def _queue(self, app_id: str, run_id: str) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._apps.setdefault(app_id, FairQueue()).add(run_id, future)
        self._admit()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                # It had already got its turn.
                self._end(app_id)
            elif app_id in self._apps:
                self._apps[app_id].remove(run_id, future)
            self._admit()
            raise

    def _has_room(self) -> bool:
        if self._max_concurrent and self._active >= self._max_concurrent:
            return False
        if self._per_period:
            now = self._now()
            while self._begun and self._begun[0] <= now - self._period:
                self._begun.popleft()
            if len(self._begun) >= self._per_period:
                self._wake_at(self._begun[0] + self._period)
                return False
        return True

    def _begin(self, app_id: str) -> None:
        if self._per_period:
            self._begun.append(self._now())
        self._active += 1
        self._active_of[app_id] += 1

    def _end(self, app_id: str) -> None:
        self._active -= 1
        self._active_of[app_id] -= 1
        if not self._active_of[app_id]:
            del self._active_of[app_id]

    def _admit(self) -> None:
        while self._apps and self._has_room():
            # In turn among those with the fewest requests; none while all waiting ones are at their share.
            app_id = min(self._apps, key=self._active_of.__getitem__)
            if self._active_of[app_id] >= self._max_for_one_app:
                return
            turns = self._apps.pop(app_id)
            future = turns.next()
            # A waiter that was just cancelled has not run yet, and is still queued.
            while future is not None and future.done():
                future = turns.next()
            if future is not None:
                self._begin(app_id)
                future.set_result(None)
                self._apps[app_id] = turns

    def _wake_at(self, moment: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, moment - self._now()), self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._admit()


_FILE: Final = "the providers file (JIKKO_PROVIDERS)"
"""Its name in failures: they become errors of runs, whose clients must not see local paths."""
_NO_FILE: Final = "the providers file (set JIKKO_PROVIDERS to its path)"


class _Reached(Struct, eq=False):
    config: ProviderConfig
    limiter: Limiter
    backend: Backend | None = None
    """Created at the first call."""

    async def close(self) -> None:
        if self.backend is not None:
            await self.backend.close()


class ProviderBackends:
    """Backends and limits by provider entry."""

    def __init__(
        self,
        providers: Providers,
        backends: Mapping[str, MakeBackend],
        *,
        app_share: float = APP_SHARE,
        plugins: "Callable[[], PluginProviders] | None" = None,
    ) -> None:
        """Args:
        backends: Factories by ``type``. A backend is created per provider, at its first call.
        app_share: The part of a provider's concurrent requests that one app may have.
        plugins: Providers in plugins, created on demand.
        """
        self._app_share = app_share
        self.providers = providers
        self._make = backends
        self._plugins = plugins
        self._reached: dict[str, _Reached] = {}
        self._replaced: list[_Reached] = []
        """Of entries before a reload; closed once idle."""
        self._closing: set[asyncio.Future[None]] = set()
        self.prices = Prices()
        self.on_call: Callable[[str, float, ModelFailure | None], None] = lambda *_: None
        """Receives each call of any kind at its end: the entry's id, seconds, and the failure."""

    def config(self, provider: str, model: str) -> ProviderConfig:
        """Return a provider's entry. ``model``: For the message. Raises ``ModelFailure`` if there is none."""
        config = self.providers.find(provider)
        if config is None:
            file = _FILE if self.providers.source else _NO_FILE
            failure = ModelFailure if well_known(provider) else UnknownProvider
            raise failure(
                f"The provider {provider!r} of the model {model!r} is not set up. Add this line under "
                f"'providers:' in {file}:\n{self.providers.line_to_add(provider)}",
                kind="ModelNotExistError",
            )
        return config if config.type != "plugin" else self._of_plugins().completed(config)

    def ready(self, provider: str, model: str) -> ProviderConfig:
        """Return a provider's entry. Raises ``ModelFailure``: there is none, or it is incomplete."""
        config = self.config(provider, model)
        if config.unset:
            names = " and ".join(config.unset)
            raise ModelFailure(
                f"The entry {config.id!r} of {_FILE} needs {names}, not set in the environment.",
                kind="InvokeAuthorizationError",
            )
        return config

    def backend(self, config: ProviderConfig) -> Backend:
        """Return an entry's backend, created at the first call. Raises ``ModelFailure``: missing library."""
        reached = self._reached_by(config)
        if reached.backend is None:
            make = self._of_plugins().backend if config.type == "plugin" else self._make[config.type]
            reached.backend = make(config)
        return reached.backend

    def limiter(self, config: ProviderConfig) -> Limiter:
        return self._reached_by(config).limiter

    @asynccontextmanager
    async def calling(self, config: ProviderConfig, app_id: str, run_id: str = "") -> AsyncIterator[None]:
        """Hold a slot for the block, whose failures are explained."""
        async with self.limiter(config).slot(app_id, run_id):
            began = time.perf_counter()
            try:
                yield
            except ModelFailure as failure:
                self.called(config, began, failure)
                raise explained(failure, config) from None
            self.called(config, began)

    def called(self, config: ProviderConfig, began: float, failure: ModelFailure | None = None) -> None:
        """Report a call that has ended, and was not cancelled. ``began``: By ``time.perf_counter``."""
        self.on_call(config.id, time.perf_counter() - began, failure and explained(failure, config))

    def under_way(self) -> tuple[int, int | None]:
        """Return the number of running requests, and their limit; ``None``: unlimited."""
        bounds = [config.max_concurrent for config in self.providers.entries.values()]
        active = sum(reached.limiter.active for reached in [*self._reached.values(), *self._replaced])
        return active, sum(bounds) if bounds and all(bounds) else None

    async def close(self) -> None:
        """Close all connections and stop local models. Idempotent."""
        all_reached, self._reached, self._replaced = [*self._reached.values(), *self._replaced], {}, []
        await asyncio.gather(*self._closing, *(reached.close() for reached in all_reached))

    def _of_plugins(self) -> "PluginProviders":
        if self._plugins is None:
            raise ModelFailure("Models of plugins cannot be called from here.", kind="ModelNotExistError")
        return self._plugins()

    def _reached_by(self, config: ProviderConfig) -> "_Reached":
        reached = self._reached.get(config.id)
        if reached is None or reached.config != config:
            if reached is not None:
                # The file was reloaded. Running requests end as they began.
                self._replaced.append(reached)
            limiter = Limiter(config.max_concurrent, config.requests_per_minute, app_share=self._app_share)
            reached = self._reached[config.id] = _Reached(config, limiter)
        if self._replaced:
            self._close_idle()
        return reached

    def _close_idle(self) -> None:
        for each in [each for each in self._replaced if not (each.limiter.active or each.limiter.waiting)]:
            self._replaced.remove(each)
            task = asyncio.ensure_future(each.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def explained(failure: ModelFailure, config: ProviderConfig) -> ModelFailure:
    """Return a backend's failure for its caller: without secrets of the entry."""
    return ModelFailure(
        masked(str(failure), config.secrets),
        kind=failure.kind,
        usage=failure.usage,
        unsupported=failure.unsupported,
        retry_after=failure.retry_after,
    )


def missing_library(type: str, extra: Extra) -> ModelFailure:
    text = f"The provider type {type!r} needs another library: {how_to_install(extra)}"
    return ModelFailure(text, kind="ModelNotExistError")


def unable(config: ProviderConfig, why: str) -> ModelFailure:
    """Return the failure for a protocol that lacks the operation."""
    return ModelFailure(f"The provider {config.id!r} (type {config.type}) {why}.", kind="ModelNotExistError")
