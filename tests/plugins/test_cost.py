"""Cost of plugins for servers that do not use them: none."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, os, sys
from pathlib import Path
from jikko.assemble import assemble
from jikko.settings import Settings

async def main():
    async with assemble(Settings(home=Path(sys.argv[1])), in_memory=False, environment={}) as assembly:
        loaded = sorted(name for name in sys.modules if name.startswith("jikko.plugins") or name == "uv")
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        print(loaded, children)

asyncio.run(main())
"""


def test_a_server_without_plugins_imports_nothing_of_them_and_starts_no_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "home")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "[] []\n", done.stderr
    assert not (tmp_path / "home" / "plugins").exists()
