"""Commands without Python's startup: each is a fork of a process that has imported Jikko (``warm.py``)."""

import atexit
import functools
import json
import os
import select
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from tests.acceptance.warm_program import at_start
from tests.effort import PATIENCE


class Warm:
    """Process that has imported Jikko."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("JIKKO_")}
        self._environment["PYTHONWARNINGS"] = "ignore"
        self.folder = Path(tempfile.mkdtemp(prefix="jikko-warm-"))
        """Where other processes ask for commands: see ``forked``."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as named:
            named.bind(str(self.folder / "socket"))
            numbers = [theirs.fileno(), named.fileno()]
            self._process = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("warm.py"), *map(str, numbers)],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=numbers,
            )
        theirs.close()

    @functools.cached_property
    def program(self) -> Path:
        """Replacement of the installed script in a shell: ``jikko`` in a separate folder."""
        (self.folder / "environment").write_text(json.dumps(at_start(self._environment)), "utf-8")
        words = [sys.executable, "-I", "-S", str(Path(__file__).with_name("warm_program.py"))]
        words += [str(self.folder), str(Path(sys.executable).parent / "jikko")]
        program = self.folder / "bin" / "jikko"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', "utf-8")
        program.chmod(0o755)
        return program

    def can_be(self, environment: dict[str, str]) -> bool:
        """Return whether Python would start the same way in this environment."""
        return at_start(environment) == at_start(self._environment)

    def start(self, arguments: Sequence[str], environment: dict[str, str], *standard: IO[bytes] | int) -> "WarmCommand":
        """Start a command in this folder, with its standard input, output and error."""
        return _asked(self._socket, arguments, environment, *standard)

    def close(self) -> None:
        self._socket.close()
        self._process.wait()
        shutil.rmtree(self.folder)


class WarmCommand:
    """Running command."""

    def __init__(self, told: int) -> None:
        self._told = told
        self._lines = b""
        self._code: int | None = None
        # The first one waits until all of Jikko is imported.
        self.pid = int(self._line(2 * PATIENCE))

    def wait(self, timeout: float) -> int:
        """Wait for its end. Returns the exit code, negative for a signal."""
        if self._code is None:
            self._code = int(self._line(timeout))
            os.close(self._told)
        return self._code

    def poll(self) -> int | None:
        """Return its exit code, or ``None`` while it runs."""
        with suppress(TimeoutError):
            return self.wait(0)
        return None

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        # It may have ended without its report having arrived yet.
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


def forked(
    folder: Path, arguments: Sequence[str], environment: dict[str, str], *standard: IO[bytes] | int
) -> WarmCommand:
    """Start a command as a fork of another process's ``Warm``, by its folder; see ``Warm.start``."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as requests:
        requests.connect(str(folder / "socket"))
        return _asked(requests, arguments, environment, *standard)


def _asked(
    requests: socket.socket, arguments: Sequence[str], environment: dict[str, str], *standard: IO[bytes] | int
) -> WarmCommand:
    request = {"arguments": arguments, "environment": environment, "folder": str(Path.cwd())}
    told, tells = os.pipe()
    with tempfile.TemporaryFile() as asked:
        asked.write(json.dumps(request).encode())
        asked.flush()
        given = [one if isinstance(one, int) else one.fileno() for one in (asked, *standard, tells)]
        socket.send_fds(requests, [b"!"], given)
    os.close(tells)
    return WarmCommand(told)


@functools.cache
def warm() -> Warm:
    """Return the process of these tests, which ends with them."""
    made = Warm()
    atexit.register(made.close)
    return made
