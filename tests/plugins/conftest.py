"""Installed stand-in plugin for all tests of a module."""

import asyncio
from pathlib import Path

import pytest

from tests.plugins.packages import files
from tests.plugins.world import installed

CREDENTIALS = {"key": {"type": "secret-input", "required": True}, "region": {"type": "text-input", "default": "eu"}}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data folder with the stand-in, and with a plugin that needs a key."""
    home = tmp_path_factory.mktemp("installed") / "home"
    asyncio.run(installed(home))
    asyncio.run(installed(home, files(credentials=CREDENTIALS, name="keyed")))
    return home
