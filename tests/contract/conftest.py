"""Store of runs that most files here are parametrized with."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jikko.ports.stores.run_store import RunStore

from .run_stores import RUN_STORES, opened


@pytest.fixture(params=RUN_STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RunStore]:
    async with opened(request, tmp_path) as store:
        yield store
