"""Factory of the facts that forecasts use. A module of its own, so that other code does not import them."""

import os
import sqlite3
from collections.abc import Container, Mapping
from functools import partial

from jikko.apps.environment import Outside
from jikko.assemble import lazy
from jikko.assemble.build_node_ports import mocks_of
from jikko.assemble.build_tools import known_strategies, known_tools, require_plugin
from jikko.assemble.stores import stored_values
from jikko.errors import JikkoError
from jikko.forecast.known_installation import Installation, installation
from jikko.settings import Settings
from jikko.store.known_datasets import known_ids


def installation_of(settings: Settings, environment: Mapping[str, str] = os.environ) -> Installation:
    """Return what this installation provides for workflows. Reads the files of providers and tools; starts and calls
    nothing. ``environment``: Values of ``${NAME}`` in these files. Raises ``InvalidSettings``: the setting ``mocks``
    is invalid."""
    return installation(
        settings.providers,
        environment,
        packages=settings.packages_folder,
        http_allow=settings.http_allow,
        http_proxy=settings.http_proxy,
        fake_models=settings.fake_models,
        mocks=mocks_of(settings.mocks),
        tools=partial(known_tools, settings, environment),
        datasets=_datasets(settings),
        strategies=partial(known_strategies, settings, environment),
        require_plugin=partial(require_plugin, settings, environment),
    )


def _datasets(settings: Settings) -> Container[str]:
    try:
        if settings.database_url:
            return lazy.known_datasets(settings)
        return known_ids(settings.knowledge_database)
    except (sqlite3.Error, JikkoError):
        return frozenset()


def outside_of(settings: Settings) -> Outside:
    """Return the values for workflows' environment variables from outside their files. Raises ``StoreUnavailable``: the
    database is unreadable."""
    return Outside(settings.env, stored_values(settings))
