import pytest

from tests.sandbox.scene import Started


@pytest.fixture
def started() -> Started:
    """Processes started by the test so far."""
    return Started()


@pytest.fixture(scope="module", autouse=True)
def as_jikko_starts_them(fork_servers_of_their_own: None) -> None:
    """Fork servers are what is tested here."""
