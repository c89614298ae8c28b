"""Reload of a provider's file during calls."""

import asyncio
from typing import Any, cast

import pytest

from jikko.providers.backends import Backend
from jikko.providers.config import ProviderConfig, Providers
from jikko.providers.provider_connections import ProviderBackends

pytestmark = pytest.mark.anyio


class Recorded:
    """A backend of which is only asked whether it was closed."""

    def __init__(self, config: ProviderConfig) -> None:
        self.config = config
        self.is_closed = False

    async def close(self) -> None:
        self.is_closed = True


def file(**keys: str) -> Providers:
    return Providers({id_: ProviderConfig(id=id_, type="openai", api_key=key) for id_, key in keys.items()})


def reach(connections: ProviderBackends, id_: str) -> Any:
    config = connections.providers.entries[id_]
    return connections.backend(config)


async def test_an_entry_that_did_not_change_keeps_its_connections() -> None:
    connections = ProviderBackends(file(one="a", two="a"), {"openai": lambda config: cast(Backend, Recorded(config))})
    before = [reach(connections, id_) for id_ in ("one", "two")]

    connections.providers.become(file(one="a", two="b"))
    after = [reach(connections, id_) for id_ in ("one", "two")]
    await asyncio.sleep(0)

    assert after[0] is before[0]
    assert (after[1].config.api_key, before[1].is_closed) == ("b", True)
    await connections.close()
    assert [each.is_closed for each in after] == [True, True]


async def test_what_is_under_way_keeps_its_connection_until_it_has_ended() -> None:
    connections = ProviderBackends(file(one="a"), {"openai": lambda config: cast(Backend, Recorded(config))})
    old = reach(connections, "one")
    async with connections.limiter(connections.providers.entries["one"]).slot("app", "run"):
        connections.providers.become(file(one="b"))
        reach(connections, "one")
        await asyncio.sleep(0)
        assert not old.is_closed

    reach(connections, "one")
    await asyncio.sleep(0)

    assert old.is_closed
    await connections.close()


async def test_defaults_and_extensions_are_those_of_the_new_file() -> None:
    providers = Providers(extensions={"old": cast(Any, "old")})
    handed_on = providers.extensions

    providers.become(Providers(source="new.yaml", extensions={"new": cast(Any, "new")}))

    assert (providers.source, list(handed_on)) == ("new.yaml", ["new"])
