"""Shell that executes the commands of a page in order."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.acceptance.processes import environment
from tests.acceptance.warm_commands import warm
from tests.effort import PATIENCE
from tests.page_blocks import Block

_MARK: Final = "=== end of command ==="
_SERVES: Final = re.compile(r"(?:\w+=\S+ )*jikko serve\b")


class Shell:
    """Working directory of commands; their data folder is ``home`` in it."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        # A fork of a process that has imported Jikko precedes the installed script, and other programs follow.
        path = os.pathsep.join([str(warm().program.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
        (folder / ".curlrc").write_text("silent\nshow-error\n")  # as on a terminal: no progress meter
        own = {"PATH": path, "JIKKO_PORT": "0", "CURL_HOME": str(folder)}
        self.environment = {**environment(folder / "home", **own), **settings}

    def says(self, commands: Iterable[str], *, codes: Iterable[int] = (0,)) -> list[str]:
        """Return each command's standard output and error. The test fails if a command fails.

        A server is stopped once it is ready.

        Args:
            codes: Allowed exit codes.
        """
        lines = "".join(f"{{\n{_served(command)}\n}} || end $?\necho '{_MARK}'\n" for command in commands)
        well = "|".join(map(str, codes))
        script = f'set -o pipefail\nend() {{ case $1 in {well}) ;; *) echo "exit code $1"; exit 1 ;; esac; }}\n{lines}'
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=2 * PATIENCE,
            check=False,
        )
        output = done.stdout.decode()
        assert done.returncode == 0, output
        assert "Traceback" not in output
        return output.split(f"{_MARK}\n")[:-1]

    def runs(self, block: Block, *, codes: Iterable[int] = (0,)) -> list[str]:
        """Return the output of each command in a block."""
        return self.says([command for command, _ in block.commands()], codes=codes)


def _served(command: str) -> str:
    if _SERVES.match(command) is None:
        return command
    return (
        f"{command} > served.txt 2>&1 & served=$!\n"
        "until grep -q ' serves http' served.txt; do kill -0 $served || break; sleep 0.05; done\n"
        "kill -TERM $served; wait $served; code=$?; cat served.txt; (exit $code)"
    )
