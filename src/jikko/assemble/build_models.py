"""The factories of models: what answers, makes vectors, hears and speaks, and looks at texts.

All but the first are made with the first text or recording, over the connections of the first.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from jikko.assemble import lazy
from jikko.assemble.plugins import plugins_looked_up
from jikko.concurrency.lazy_proxy import lazy_proxy
from jikko.ports.models import PURPOSES, DefaultModels, ModelName, ModelPurpose, Models
from jikko.ports.other_models import Embedder, Moderator, Speech
from jikko.providers.backends import BACKENDS
from jikko.providers.config import Providers
from jikko.providers.provider_connections import ProviderBackends
from jikko.providers.provider_models import ProviderModels
from jikko.settings import Settings

if TYPE_CHECKING:
    from jikko.providers.plugin import PluginProviders


def providers_of(settings: Settings, environment: Mapping[str, str] = os.environ) -> Providers:
    """The providers of models that are set up. ``environment``: what ``${NAME}`` in the providers file stands for.
    Raises ``InvalidSettings``: the providers file cannot be used."""
    if settings.providers is None:
        return Providers()

    return lazy.read_providers(settings.providers, environment)


def default_models(settings: Settings, providers: Providers) -> DefaultModels:
    """The models that are called where nothing names one. Of fake ones there are any."""
    fake = {purpose: ModelName("fake", "fake") for purpose in PURPOSES} if settings.fake_models else {}
    return _Defaults(providers, fake)


class _Defaults(Mapping[ModelPurpose, ModelName]):
    """As the providers file has them now: it may be read again."""

    def __init__(self, providers: Providers, others: DefaultModels) -> None:
        self._providers = providers
        self._others = others

    def _now(self) -> DefaultModels:
        return {**self._others, **self._providers.defaults}

    def __getitem__(self, purpose: ModelPurpose) -> ModelName:
        return self._now()[purpose]

    def __iter__(self) -> Iterator[ModelPurpose]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())


def make_models(
    providers: Providers, *, app_share: float = 1.0, plugins: "Callable[[], PluginProviders] | None" = None
) -> ProviderModels:
    """The models of these providers. Connects to nothing yet.
    ``plugins``: providers that are plugins; asked for with the first of them."""
    return ProviderModels(providers, BACKENDS, app_share=app_share, plugins=plugins)


@asynccontextmanager
async def models_alone(
    settings: Settings, environment: Mapping[str, str] = os.environ
) -> AsyncIterator[ProviderModels]:
    """The models of the providers file, without a server; what is started for them ends with the block.
    Raises ``InvalidSettings``: the file of the providers, or of the plugins, cannot be used."""
    plugins = plugins_looked_up(settings, environment)
    models = make_models(providers_of(settings, environment), plugins=plugins.model_providers)
    try:
        yield models
    finally:
        await models.close()
        await plugins.close()


def make_embedder(models: Models) -> Embedder:
    """What makes vectors beside these language models; without a model, if they are fake."""
    return lazy_proxy(lambda: lazy.embedder_over(_connections(models)))


def make_speech(models: Models) -> Speech:
    """What hears and speaks beside these language models; no model, if they are fake."""
    return lazy_proxy(lambda: lazy.speech_over(_connections(models)))


def make_moderator(models: Models) -> Moderator:
    """What looks at texts beside these language models; no model, if they are fake."""
    return lazy_proxy(lambda: lazy.moderator_over(_connections(models)))


def _connections(models: Models) -> ProviderBackends | None:
    return models.connections if isinstance(models, ProviderModels) else None
