from collections.abc import AsyncIterator

import pytest

from jikko.ports.sandbox import Sandbox
from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.limits import SandboxLimits
from tests.effort import PATIENCE


@pytest.fixture(scope="module")
async def sandbox(anyio_backend: str) -> AsyncIterator[Sandbox]:
    made = ForkServerSandbox(SandboxLimits(wall_seconds=PATIENCE))
    yield made
    await made.close()
