"""Commands without Python's startup: each is a fork of a process that has imported Jikko (``warm.py``), one for all
processes of a test run."""

import atexit
import fcntl
import functools
import json
import os
import select
import shlex
import socket
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

from tests.acceptance.warm_program import at_start
from tests.effort import PATIENCE


class Warm:
    """Process that has imported Jikko, of a test run. It ends once all who use it have closed it."""

    def __init__(self, run: str) -> None:
        """Use the process, or start it. ``run``: Unique name of the test run."""
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("JIKKO_")}
        self._environment["PYTHONWARNINGS"] = "ignore"
        self.folder = Path(tempfile.gettempdir(), f"jikko-warm-{run}")
        """Where commands are asked for: see ``forked``."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.program = self.folder / "bin" / "jikko"
        """Replacement of the installed script in a shell."""
        self._users = self.folder / "users"
        """Named pipe that each user has open for writing."""
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                self._used = os.open(self._users, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # nobody has started it, or it was killed
                self._used = self._start()

    def _start(self) -> int:
        self._write_program()
        address = self.folder / "socket"
        for path in (self._users, address):
            path.unlink(missing_ok=True)
        os.mkfifo(self._users)
        users = os.open(self._users, os.O_RDONLY | os.O_NONBLOCK)
        used = os.open(self._users, os.O_WRONLY)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as requests:
            requests.bind(str(address))
            script = Path(__file__).with_name("warm.py")
            words = [sys.executable, *map(str, (script, self.folder, users, requests.fileno()))]
            for number in (users, requests.fileno()):
                os.set_inheritable(number, True)
            null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1)]
            os.posix_spawn(sys.executable, words, self._environment, file_actions=null)
        os.close(users)
        return used

    def _write_program(self) -> None:
        (self.folder / "environment").write_text(json.dumps(at_start(self._environment)), "utf-8")
        words = [sys.executable, "-I", "-S", str(Path(__file__).with_name("warm_program.py"))]
        words += [str(self.folder), str(Path(sys.executable).parent / "jikko")]
        self.program.parent.mkdir(exist_ok=True)
        self.program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', "utf-8")
        self.program.chmod(0o755)

    def can_be(self, environment: dict[str, str]) -> bool:
        """Return whether Python would start the same way in this environment."""
        return at_start(environment) == at_start(self._environment)

    def start(self, arguments: Sequence[str], environment: dict[str, str], *standard: IO[bytes] | int) -> "WarmCommand":
        """Start a command in this folder, with its standard input, output and error."""
        return forked(self.folder, arguments, environment, *standard)

    def close(self) -> None:
        os.close(self._used)


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
    """Start a command as a fork of a ``Warm``, by its folder; see ``Warm.start``."""
    request = {"arguments": arguments, "environment": environment, "folder": str(Path.cwd())}
    told, tells = os.pipe()
    with tempfile.TemporaryFile() as asked, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as requests:
        asked.write(json.dumps(request).encode())
        asked.flush()
        given = [one if isinstance(one, int) else one.fileno() for one in (asked, *standard, tells)]
        requests.connect(str(folder / "socket"))
        socket.send_fds(requests, [b"!"], given)
    os.close(tells)
    return WarmCommand(told)


@functools.cache
def warm() -> Warm:
    """Return the process of this test run, which ends with it; of a program, its own."""
    made = Warm(os.environ.get("TEST_RUN") or uuid4().hex)
    atexit.register(made.close)
    return made
