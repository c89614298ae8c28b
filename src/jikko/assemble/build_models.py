"""Factories of models: language, embedding, speech and moderation models.

All but language models are made on first use, over the connections of the language models.
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
    """Read the configured model providers. ``environment``: Values of ``${NAME}`` in the providers file. Raises
    ``InvalidSettings``: the providers file is invalid."""
    if settings.providers is None:
        return Providers()

    return lazy.read_providers(settings.providers, environment)


def default_models(settings: Settings, providers: Providers) -> DefaultModels:
    """Return the models called where none is named. With fake models there always are some."""
    fake = {purpose: ModelName("fake", "fake") for purpose in PURPOSES} if settings.fake_models else {}
    return _Defaults(providers, fake)


class _Defaults(Mapping[ModelPurpose, ModelName]):
    """Defaults of the providers file, which may be reloaded."""

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
    """Build the providers' language models. Connects to nothing yet. ``plugins``: Plugin providers, requested with the
    first of them."""
    return ProviderModels(providers, BACKENDS, app_share=app_share, plugins=plugins)


@asynccontextmanager
async def models_alone(
    settings: Settings, environment: Mapping[str, str] = os.environ
) -> AsyncIterator[ProviderModels]:
    """Build the models of the providers file without a server; processes started for them end with the block. Raises
    ``InvalidSettings``: the file of the providers, or of the plugins, is invalid."""
    plugins = plugins_looked_up(settings, environment)
    models = make_models(providers_of(settings, environment), plugins=plugins.model_providers)
    try:
        yield models
    finally:
        await models.close()
        await plugins.close()


def make_embedder(models: Models) -> Embedder:
    """Build embedding beside these language models; fake if they are."""
    return lazy_proxy(lambda: lazy.embedder_over(connections_of(models)))


def make_speech(models: Models) -> Speech:
    """Build speech beside these language models; fake if they are."""
    return lazy_proxy(lambda: lazy.speech_over(connections_of(models)))


def make_moderator(models: Models) -> Moderator:
    """Build moderation beside these language models; fake if they are."""
    return lazy_proxy(lambda: lazy.moderator_over(connections_of(models)))


def connections_of(models: Models) -> ProviderBackends | None:
    """Return what calls of all kinds of models share; ``None`` if they are fake."""
    return models.connections if isinstance(models, ProviderModels) else None
