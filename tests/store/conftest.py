"""Fixtures of the store's tests."""

from collections.abc import AsyncIterator

import pytest

from jikko.store.postgres.database import Postgres
from tests.store.postgres_server import new_database


@pytest.fixture
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Postgres]:
    async with new_database(request) as made:
        yield made
