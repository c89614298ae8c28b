"""Optional dependencies are imported lazily: a single machine is served without any."""

import subprocess
import sys
from pathlib import Path

import pytest

SERVES = """
import asyncio, pathlib, sys
from jikko.assemble import assemble
from jikko.settings import Settings

async def serve():
    async with assemble(Settings(home=pathlib.Path(sys.argv[1])), owned=True, console=True) as assembly:
        await assembly.apps.all()

asyncio.run(serve())
print(*sorted(sys.modules), sep="\\n")
"""
OF_SERVERS = (
    "asyncpg",
    "cryptography",
    "nats",
    "obstore",
    "pyarrow",
    "Stemmer",
    "jikko.cluster.nats",
    "jikko.files.bucket",
    "jikko.store.postgres",
)


@pytest.mark.slow
def test_one_machine_imports_nothing_of_what_several_servers_need(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SERVES, tmp_path], capture_output=True, text=True, check=True)

    modules = done.stdout.splitlines()
    assert "jikko.store.sqlite.database" in modules
    assert [name for name in modules if any(name == each or name.startswith(f"{each}.") for each in OF_SERVERS)] == []
