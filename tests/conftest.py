"""What all tests share."""

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester", "tests.no_skips"]


# How long an example takes depends on what else the machine does.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
