"""What most of these tests begin with. A test of another app, or of another process, has fixtures of its own."""

from collections.abc import AsyncIterator

import httpx
import pytest

from jikko.repositories.app_store import App
from tests.http.scene import client_of
from tests.runs.world import World


@pytest.fixture
async def app(world: World) -> App:
    """An app of the nodes ``a``, ``b`` and ``c`` in a row."""
    return await world.chain()


@pytest.fixture
async def client(world: World, app: App) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key of the app."""
    async with client_of(world, app) as client:
        yield client
