"""Fixtures for most of these tests. Tests of another app or process have their own."""

from collections.abc import AsyncIterator

import httpx
import pytest

from jikko.repositories.app_store import App
from tests.http.scene import client_of
from tests.runs.world import World


@pytest.fixture
async def app(world: World) -> App:
    """App with the nodes ``a``, ``b`` and ``c`` in sequence."""
    return await world.chain()


@pytest.fixture
async def client(world: World, app: App) -> AsyncIterator[httpx.AsyncClient]:
    """Client with a key of the app."""
    async with client_of(world, app) as client:
        yield client
