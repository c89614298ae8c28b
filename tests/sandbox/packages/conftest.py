from collections.abc import Iterator
from pathlib import Path

import pytest

from jikko.assemble.packages import install_packages
from jikko.settings import Settings
from tests.sandbox.packages.wheels import GOOD, wheel


@pytest.fixture(scope="module")
def no_index() -> Iterator[None]:
    """Disable package indexes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_CONFIG_FILE", "/dev/null")
        yield


@pytest.fixture(scope="module")
async def installed(anyio_backend: str, no_index: None, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a data folder with the good packages."""
    home, wheels = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("wheels")
    settings = Settings(home=home)
    files: list[Path] = [wheel(wheels, name, files) for name, files in GOOD.items()]
    await install_packages(settings, map(str, files), (), lambda text: None)
    return settings
