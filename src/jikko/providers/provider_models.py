"""Model calls of all providers: implementation of ``ports.models.Models``."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from jikko.concurrency.fair_semaphore import APP_SHARE
from jikko.concurrency.scheduler import Scheduler, TimeSlice
from jikko.lang.tokens import estimated
from jikko.measures import Labels
from jikko.ports.measures import ModelMeasures
from jikko.ports.models import Abilities, Chunk, Completion, ModelFailure, ModelRequest, ModelUsage
from jikko.providers.backends import MakeBackend
from jikko.providers.config import ProviderConfig, Providers, abilities
from jikko.providers.prices import amount
from jikko.providers.progress import AnswerCollector
from jikko.providers.provider_connections import ProviderBackends, explained

if TYPE_CHECKING:
    from jikko.providers.plugin import PluginProviders

_BUSY_REQUESTS: Final = 64
"""Running requests from which on texts that arrive together are merged into one event."""


class ProviderModels:
    """Routes requests to their provider, within its limits, and counts costs. Implements ``Models``."""

    def __init__(
        self,
        providers: Providers,
        backends: Mapping[str, MakeBackend],
        *,
        app_share: float = APP_SHARE,
        share: Scheduler | None = None,
        plugins: "Callable[[], PluginProviders] | None" = None,
    ) -> None:
        """See ``ProviderBackends``. ``share``: Scheduler of the event loop, for fast answers."""
        self.connections = ProviderBackends(providers, backends, app_share=app_share, plugins=plugins)
        """Shared with other kinds of models."""
        self._share = share or Scheduler()
        self.measures = ModelMeasures()
        self._unable: set[tuple[str, str, str]] = set()

    def abilities(self, provider: str, model: str) -> Abilities:
        config = self.connections.config(provider, model)
        able = abilities(config, provider, model)
        unable = {name for id_, of, name in self._unable if (id_, of) == (config.id, model)}
        return replace(
            able,
            tools=able.tools and "tools" not in unable,
            structured_output=able.structured_output and "structured_output" not in unable,
        )

    async def context_size(self, provider: str, model: str) -> int | None:
        """See ``Models.context_size``: from the providers file, or the bundled list."""
        config = self.connections.config(provider, model)
        traits = config.models.get(model)
        own = traits.context_size if traits is not None and traits.context_size else config.traits.context_size
        return own or await self.connections.prices.context_size(config, provider, model)

    async def complete(self, request: ModelRequest, emit: Callable[[Chunk], None] | None = None) -> Completion:
        config = self.connections.ready(request.provider, request.model)
        backend = self.connections.backend(config)
        limiter = self.connections.limiter(config)
        traits = config.models.get(request.model)
        sent = replace(
            request,
            model=config.model_name(request.model),
            mode=traits.mode if traits is not None and traits.mode else request.mode,
        )
        async with limiter.slot(request.app_id, request.run_id, request.key):
            if limiter.active < _BUSY_REQUESTS:
                sent = replace(sent, joined=False)
            share = TimeSlice(self._share, request.app_id)
            progress = AnswerCollector(emit if request.stream else None, config.max_answer, share, config.patience)
            try:
                await backend.complete(sent, progress)
            except ModelFailure as failure:
                if failure.unsupported:
                    self._unable.add((config.id, request.model, failure.unsupported))
                if failure.retry_after is not None:
                    limiter.hold(request.key, failure.retry_after)
                failure.usage = await self._usage(config, request, progress) if progress.has_begun else None
                self.measures.requests.add(*_named(config, request.model), failure.kind)
                self.connections.called(config, progress.began, failure)
                raise explained(failure, config) from None
            self.connections.called(config, progress.began)
        usage = await self._usage(config, request, progress)
        self._count(_named(config, request.model), usage)
        return Completion(
            text=progress.text,
            reasoning=progress.reasoning,
            tool_calls=progress.tool_calls,
            media=tuple(progress.media),
            finish_reason=progress.finish_reason,
            usage=usage,
        )

    async def offered(self, provider: str) -> list[str]:
        """Ask a provider for its models. Raises ``ModelFailure``: not configured, or no answer."""
        config = self.connections.ready(provider, "*")
        try:
            return await self.connections.backend(config).models()
        except ModelFailure as failure:
            raise explained(failure, config) from None

    async def close(self) -> None:
        await self.connections.close()

    def _count(self, labels: Labels, usage: ModelUsage) -> None:
        self.measures.requests.add(*labels, "ok")
        self.measures.tokens.add(*labels, "input", count=usage.prompt_tokens)
        self.measures.tokens.add(*labels, "output", count=usage.completion_tokens)
        if usage.time_to_first_token is not None:
            self.measures.first_token.observe(usage.time_to_first_token, *labels)

    async def _usage(self, config: ProviderConfig, request: ModelRequest, progress: AnswerCollector) -> ModelUsage:
        now = time.perf_counter()
        prompt, completion, total = progress.prompt_tokens, progress.completion_tokens, progress.total_tokens
        if prompt is None:
            prompt = sum(estimated(message.text) for message in request.messages)
        if completion is None:
            arguments = "".join(call.arguments for call in progress.tool_calls)
            completion = estimated(progress.text) + estimated(progress.reasoning) + estimated(arguments)
        price = await self.connections.prices.of(config, request.provider, request.model, prompt)
        first = progress.first_text if request.stream else None
        return ModelUsage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=prompt + completion if total is None else total,
            prompt_unit_price=price.prompt,
            completion_unit_price=price.completion,
            prompt_price=amount(price.prompt, prompt),
            completion_price=amount(price.completion, completion),
            currency=price.currency,
            latency=round(now - progress.began, 3),
            time_to_first_token=None if first is None else round(first - progress.began, 3),
            time_to_generate=None if first is None else round(now - first, 3),
        )


def _named(config: ProviderConfig, model: str) -> Labels:
    """Return the labels of calls, with configured names only: workflows may contain any."""
    return config.id, model if model in config.models else "other"
