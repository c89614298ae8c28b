"""Installation with the stand-in, made by the real installer: it needs no packages, and so no index."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from jikko.assemble.plugin_packages import PluginPackages, plugin_packages
from jikko.plugins.install.installer import InstallResult
from jikko.settings import Settings
from tests.plugins.packages import files, packed

OFFLINE = {**{name: value for name, value in os.environ.items() if not name.startswith("JIKKO_")}, "UV_OFFLINE": "1"}


@asynccontextmanager
async def packages(
    home: Path, *, environment: Mapping[str, str] | None = None, **settings: Any
) -> AsyncIterator[PluginPackages]:
    async with plugin_packages(Settings(home=home, **settings), environment={**OFFLINE, **(environment or {})}) as made:
        yield made


async def installed(home: Path, content: Mapping[str, bytes] | None = None, **settings: Any) -> InstallResult:
    """Install a package, by default the stand-in."""
    file = home.parent / "package.difypkg"
    file.write_bytes(packed(content if content is not None else files()))
    async with packages(home, **settings) as made:
        plugin, archive = await made.read(str(file))
        return await made.installer.install(plugin, archive)
