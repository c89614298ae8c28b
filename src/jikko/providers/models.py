"""Calls the models of all providers: the implementation of ``ports.models.Models``."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from jikko.concurrency.fair_semaphore import APP_SHARE
from jikko.concurrency.loop_share import LoopShare, Slice
from jikko.lang.tokens import estimated
from jikko.masking import masked
from jikko.ports.models import (
    PRICE_UNIT,
    Abilities,
    Chunk,
    Completion,
    ModelFailure,
    ModelRequest,
    ModelUsage,
)
from jikko.providers.backend import Backend
from jikko.providers.config import ProviderConfig, Providers, abilities
from jikko.providers.limits import Limiter
from jikko.providers.prices import Prices
from jikko.providers.progress import Progress

MakeBackend = Callable[[ProviderConfig], Backend]
_BUSY_REQUESTS: Final = 64
"""Requests under way from which on texts that came together become one event."""
_NO_FILE: Final = "the providers file (set JIKKO_PROVIDERS to its path)"


class ProviderModels:
    """Finds the provider of a request, waits for its limits, calls it, and counts what it cost."""

    def __init__(
        self,
        providers: Providers,
        backends: Mapping[str, MakeBackend],
        *,
        app_share: float = APP_SHARE,
        share: LoopShare | None = None,
    ) -> None:
        """Args:
        backends: How to make the backend of each ``type``. One is made for each provider, when it is first called.
        app_share: Of the requests that a provider takes at once, the part that one app may have.
        share: Of the event loop, among answers that come faster than they are taken in.
        """
        self._app_share = app_share
        self.providers = providers
        self._make = backends
        self._backends: dict[str, Backend] = {}
        self._limiters: dict[str, Limiter] = {}
        self._prices = Prices()
        self._share = share or LoopShare()
        self._unable: set[tuple[str, str, str]] = set()

    def abilities(self, provider: str, model: str) -> Abilities:
        """See ``Models.abilities``."""
        config = self._config(provider, model)
        able = abilities(config, provider, model)
        unable = {name for id_, of, name in self._unable if (id_, of) == (config.id, model)}
        return replace(
            able,
            tools=able.tools and "tools" not in unable,
            structured_output=able.structured_output and "structured_output" not in unable,
        )

    async def context_size(self, provider: str, model: str) -> int | None:
        """See ``Models.context_size``: as the providers file says, or as it is generally known."""
        config = self._config(provider, model)
        traits = config.models.get(model)
        own = traits.context_size if traits is not None and traits.context_size else config.traits.context_size
        return own or await self._prices.context_size(config, provider, model)

    async def complete(self, request: ModelRequest, tell: Callable[[Chunk], None] | None = None) -> Completion:
        """See ``Models.complete``."""
        config = self._ready(request.provider, request.model)
        backend = self.backend(config)
        limiter = self._limiter(config)
        traits = config.models.get(request.model)
        sent = replace(
            request,
            model=config.model_name(request.model),
            mode=traits.mode if traits is not None and traits.mode else request.mode,
        )
        async with limiter.slot(request.app_id, request.run_id, request.key):
            if limiter.active < _BUSY_REQUESTS:
                sent = replace(sent, joined=False)
            share = Slice(self._share, request.app_id)
            progress = Progress(tell if request.stream else None, config.max_answer, share)
            try:
                await backend.complete(sent, progress)
            except ModelFailure as failure:
                if failure.unsupported:
                    self._unable.add((config.id, request.model, failure.unsupported))
                if failure.retry_after is not None:
                    limiter.hold(request.key, failure.retry_after)
                raise ModelFailure(
                    masked(str(failure), config.secrets),
                    kind=failure.kind,
                    usage=await self._usage(config, request, progress) if progress.has_begun else None,
                    unsupported=failure.unsupported,
                    retry_after=failure.retry_after,
                ) from None
        return Completion(
            text=progress.text,
            reasoning=progress.reasoning,
            tool_calls=progress.tool_calls,
            media=tuple(progress.media),
            finish_reason=progress.finish_reason,
            usage=await self._usage(config, request, progress),
        )

    async def offered(self, provider: str) -> list[str]:
        """The models that a provider says it has: tries its key without a cost.

        Raises:
            ModelFailure: It is not set up, or did not answer.
        """
        config = self._ready(provider, "*")
        try:
            return await self.backend(config).models()
        except ModelFailure as failure:
            raise ModelFailure(masked(str(failure), config.secrets), kind=failure.kind) from None

    async def close(self) -> None:
        """See ``Models.close``."""
        self._prices.close()
        for limiter in self._limiters.values():
            limiter.close()
        backends, self._backends = list(self._backends.values()), {}
        await asyncio.gather(*(backend.close() for backend in backends))

    def backend(self, config: ProviderConfig) -> Backend:
        """The backend of an entry; made at the first call.

        Raises:
            ModelFailure: Its library is not installed.
        """
        backend = self._backends.get(config.id)
        if backend is None:
            backend = self._backends[config.id] = self._make[config.type](config)
        return backend

    def _limiter(self, config: ProviderConfig) -> Limiter:
        limiter = self._limiters.get(config.id)
        if limiter is None:
            limiter = self._limiters[config.id] = Limiter(
                config.max_concurrent, config.requests_per_minute, app_share=self._app_share
            )
        return limiter

    def _ready(self, provider: str, model: str) -> ProviderConfig:
        config = self._config(provider, model)
        if config.unset:
            names = " and ".join(config.unset)
            raise ModelFailure(
                f"The entry {config.id!r} of {self.providers.source} needs the environment variable {names}, "
                "which is not set.",
                kind="InvokeAuthorizationError",
            )
        return config

    def _config(self, provider: str, model: str) -> ProviderConfig:
        config = self.providers.find(provider)
        if config is None:
            raise ModelFailure(
                f"Nothing says how to reach the provider {provider!r} of the model {model!r}. Add this line under "
                f"'providers:' in {self.providers.source or _NO_FILE}:\n{self.providers.line_to_add(provider)}",
                kind="ModelNotExistError",
            )
        return config

    async def _usage(self, config: ProviderConfig, request: ModelRequest, progress: Progress) -> ModelUsage:
        now = time.perf_counter()
        prompt, completion, total = progress.prompt_tokens, progress.completion_tokens, progress.total_tokens
        if prompt is None:
            prompt = sum(estimated(message.text) for message in request.messages)
        if completion is None:
            arguments = "".join(call.arguments for call in progress.tool_calls)
            completion = estimated(progress.text) + estimated(progress.reasoning) + estimated(arguments)
        price = await self._prices.of(config, request.provider, request.model, prompt, completion)
        first = progress.first_text if request.stream else None
        return ModelUsage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=prompt + completion if total is None else total,
            prompt_unit_price=price.prompt,
            completion_unit_price=price.completion,
            prompt_price=_amount(price.prompt, prompt),
            completion_price=_amount(price.completion, completion),
            currency=price.currency,
            latency=round(now - progress.began, 3),
            time_to_first_token=None if first is None else round(first - progress.began, 3),
            time_to_generate=None if first is None else round(now - first, 3),
        )


def _amount(unit_price: Decimal, tokens: int) -> Decimal:
    return (unit_price * tokens * PRICE_UNIT).normalize()
