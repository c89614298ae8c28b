"""Fixtures for most of these tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.http.console.scene import Scene, console_on


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Process that serves a console."""
    async with console_on(tmp_path / "home", console_shares=True) as scene:
        yield scene


@pytest.fixture
async def operator(scene: Scene) -> AsyncIterator[httpx.AsyncClient]:
    """Script with full access."""
    async with await scene.script() as client:
        yield client


@pytest.fixture
async def viewer(scene: Scene) -> AsyncIterator[httpx.AsyncClient]:
    """Script with read access."""
    async with await scene.script("viewer", "onlooker") as client:
        yield client
