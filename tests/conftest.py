"""What all tests share."""

import pytest

pytest_plugins = ["pytester", "tests.no_skips"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
