from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.echo import EchoServer
from tests.deploy.proxied import Place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Apps for a server behind a proxy."""
    echo = EchoServer()
    made = Place(tmp_path, echo)
    yield made
    made.close()
    echo.close()
