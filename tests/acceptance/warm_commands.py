"""Commands without the start of a Python: each is a fork of a process that has imported Jikko (``warm.py``)."""

import atexit
import functools
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from tests.effort import PATIENCE

READ_AT_START = ("PYTHON", "LC_", "LANG", "TZ", "LD_")
"""How names of variables begin that a Python reads as it starts."""


class Warm:
    """The process that has imported Jikko."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("JIKKO_")}
        self._environment["PYTHONWARNINGS"] = "ignore"
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("warm.py"), str(theirs.fileno())],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()

    def can_be(self, environment: dict[str, str]) -> bool:
        """Whether a Python that starts with this environment would be as this one is."""
        return _at_start(environment) == _at_start(self._environment)

    def start(self, arguments: Sequence[str], environment: dict[str, str], *standard: IO[bytes] | int) -> "WarmCommand":
        """Begin a command in this folder, with its standard input, output and error."""
        request = {"arguments": arguments, "environment": environment, "folder": str(Path.cwd())}
        told, tells = os.pipe()
        with tempfile.TemporaryFile() as asked:
            asked.write(json.dumps(request).encode())
            asked.flush()
            given = [one if isinstance(one, int) else one.fileno() for one in (asked, *standard, tells)]
            socket.send_fds(self._socket, [b"!"], given)
        os.close(tells)
        return WarmCommand(told)

    def close(self) -> None:
        self._socket.close()
        self._process.wait()


class WarmCommand:
    """A command that runs."""

    def __init__(self, told: int) -> None:
        self._told = told
        self._lines = b""
        self._code: int | None = None
        # The first one waits until all of Jikko is imported.
        self.pid = int(self._line(2 * PATIENCE))

    def wait(self, timeout: float) -> int:
        """Wait for its end, at most N seconds. Returns the exit code, negative for a signal."""
        if self._code is None:
            self._code = int(self._line(timeout))
            os.close(self._told)
        return self._code

    def poll(self) -> int | None:
        """Its exit code, none while it runs."""
        with suppress(TimeoutError):
            return self.wait(0)
        return None

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        # It may have ended, and what is told of that be on its way.
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _line(self, timeout: float) -> bytes:
        while b"\n" not in self._lines:
            if not select.select([self._told], [], [], timeout)[0]:
                raise TimeoutError(f"the command did not end within {timeout} s")
            if not (read := os.read(self._told, 64)):
                raise AssertionError("the process that has imported Jikko is gone")
            self._lines += read
        line, _, self._lines = self._lines.partition(b"\n")
        return line


def _at_start(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(READ_AT_START)}


@functools.cache
def warm() -> Warm:
    """That of these tests, which ends with them."""
    made = Warm()
    atexit.register(made.close)
    return made
