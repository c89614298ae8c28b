"""Server with all apps of a file's recorded suite, and the servers they call."""

from collections.abc import Iterator

import pytest

from tests.acceptance.warm_commands import warm
from tests.compat.replay.jikko import Target, started
from tests.compat.replay.transport import HttpTransport


@pytest.fixture(scope="module")
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Target for the file's ``SUITE``."""
    folder = tmp_path_factory.mktemp("compat") / "work"
    with started(request.module.SUITE, str(warm().program), folder) as running:
        yield running


@pytest.fixture(scope="module")
def transport(target: Target) -> Iterator[HttpTransport]:
    made = HttpTransport(target.base_url)
    yield made
    made.close()
