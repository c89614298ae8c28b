"""Picks what answers as a model."""

import os
from collections.abc import Mapping

from jikko.ports.default_models import PURPOSES, DefaultModels, ModelName
from jikko.providers.backends import BACKENDS
from jikko.providers.config import Providers
from jikko.providers.file import read_providers
from jikko.providers.models import ProviderModels
from jikko.settings import Settings


def providers_of(settings: Settings, environment: Mapping[str, str] = os.environ) -> Providers:
    """The providers of models that are set up.

    Args:
        environment: What ``${NAME}`` in the providers file stands for.

    Raises:
        InvalidSettings: The providers file cannot be used.
    """
    return read_providers(settings.providers, environment)


def default_models(settings: Settings, providers: Providers) -> DefaultModels:
    """The models that are called where nothing names one. Of fake ones there are any."""
    if settings.fake_models:
        return {purpose: ModelName("fake", "fake") for purpose in PURPOSES} | dict(providers.defaults)
    return providers.defaults


def make_models(providers: Providers, *, app_share: float = 1.0) -> ProviderModels:
    """The models of these providers. Connects to nothing yet."""
    return ProviderModels(providers, BACKENDS, app_share=app_share)
