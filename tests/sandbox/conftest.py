import pytest

from tests.sandbox.scene import Started


@pytest.fixture
def started() -> Started:
    """Processes started by the test so far."""
    return Started()
