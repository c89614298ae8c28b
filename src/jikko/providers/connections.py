"""The providers as one process reaches them: what calls of all kinds share."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from jikko.concurrency.fair_semaphore import APP_SHARE
from jikko.masking import masked
from jikko.ports.models import ModelFailure
from jikko.providers.backend import Backend
from jikko.providers.config import ProviderConfig, Providers
from jikko.providers.limits import Limiter
from jikko.providers.prices import Prices

MakeBackend = Callable[[ProviderConfig], Backend]
_FILE: Final = "the providers file (JIKKO_PROVIDERS)"
"""How failures name it: they become the errors of runs, whose clients are not to see paths of this machine."""
_NO_FILE: Final = "the providers file (set JIKKO_PROVIDERS to its path)"


class _Reached(Struct, eq=False):
    """How a provider is reached."""

    config: ProviderConfig
    limiter: Limiter
    backend: Backend | None = None
    """Made at the first call."""

    async def close(self) -> None:
        self.limiter.close()
        if self.backend is not None:
            await self.backend.close()


class ProviderBackends:
    """Finds the entry of a provider, and keeps its backend and its limits."""

    def __init__(
        self, providers: Providers, backends: Mapping[str, MakeBackend], *, app_share: float = APP_SHARE
    ) -> None:
        """Args:
        backends: How to make the backend of each ``type``. One is made for each provider, when it is first called.
        app_share: Of the requests that a provider takes at once, the part that one app may have.
        """
        self._app_share = app_share
        self.providers = providers
        self._make = backends
        self._reached: dict[str, _Reached] = {}
        self._replaced: list[_Reached] = []
        """By entries as they were before the file was read again; closed once nothing is under way."""
        self._closing: set[asyncio.Future[None]] = set()
        self.prices = Prices()

    def config(self, provider: str, model: str) -> ProviderConfig:
        """The entry for a provider.

        Args:
            model: For the message.

        Raises:
            ModelFailure: There is none.
        """
        config = self.providers.find(provider)
        if config is None:
            file = _FILE if self.providers.source else _NO_FILE
            raise ModelFailure(
                f"Nothing says how to reach the provider {provider!r} of the model {model!r}. Add this line under "
                f"'providers:' in {file}:\n{self.providers.line_to_add(provider)}",
                kind="ModelNotExistError",
            )
        return config

    def ready(self, provider: str, model: str) -> ProviderConfig:
        """The entry for a provider, if all that it needs is set.

        Raises:
            ModelFailure: It is not, or there is none.
        """
        config = self.config(provider, model)
        if config.unset:
            names = " and ".join(config.unset)
            raise ModelFailure(
                f"The entry {config.id!r} of {_FILE} needs the environment variable {names}, which is not set.",
                kind="InvokeAuthorizationError",
            )
        return config

    def backend(self, config: ProviderConfig) -> Backend:
        """The backend of an entry; made at the first call.

        Raises:
            ModelFailure: Its library is not installed.
        """
        reached = self._reached_by(config)
        if reached.backend is None:
            reached.backend = self._make[config.type](config)
        return reached.backend

    def limiter(self, config: ProviderConfig) -> Limiter:
        """The gate to the provider of an entry."""
        return self._reached_by(config).limiter

    def under_way(self) -> tuple[int, int | None]:
        """How many requests are under way, and how many there may be; ``None``: as many as there are."""
        bounds = [config.max_concurrent for config in self.providers.entries.values()]
        active = sum(reached.limiter.active for reached in [*self._reached.values(), *self._replaced])
        return active, sum(bounds) if bounds and all(bounds) else None

    async def close(self) -> None:
        """Close all connections and stop local models. May be called twice."""
        self.prices.close()
        all_reached, self._reached, self._replaced = [*self._reached.values(), *self._replaced], {}, []
        await asyncio.gather(*self._closing, *(reached.close() for reached in all_reached))

    def _reached_by(self, config: ProviderConfig) -> "_Reached":
        reached = self._reached.get(config.id)
        if reached is None or reached.config != config:
            if reached is not None:
                # The file was read again. What is under way ends as it began.
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
    """A failure of a backend as its caller may read it: without the secrets of the entry."""
    return ModelFailure(
        masked(str(failure), config.secrets),
        kind=failure.kind,
        usage=failure.usage,
        unsupported=failure.unsupported,
        retry_after=failure.retry_after,
    )
