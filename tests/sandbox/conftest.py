import pytest

from tests.sandbox.scene import Started


@pytest.fixture
def started() -> Started:
    """What the test has started by now."""
    return Started()
