"""Service of the trial cluster: a background program with a log file."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from jikko.errors import StoreUnavailable
from jikko.private import opener

START_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.02
_TAIL_LINES: Final = 10
_PR_SET_PDEATHSIG: Final = 1


class LocalService(ABC):
    """Program in its own process group: Ctrl-C in the terminal does not reach it."""

    title: str
    stops_by = signal.SIGTERM

    def __init__(self, log: Path, **options: Any) -> None:
        """``log``: File for its output, appended to at each start. ``options``: For ``subprocess.Popen``."""
        self.log = log
        self.dies_with_us = False
        """Whether it stops when the starting thread ends, even by SIGKILL. Linux only."""
        self.options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "process_group": 0, **options}
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """Return program and arguments."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Return whether it accepts work."""

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Negative signal number if killed. ``None`` while it runs, and before its start."""
        return None if self._process is None else self._process.poll()

    def begin(self) -> None:
        """Start it without waiting."""
        options = dict(self.options)
        if self.dies_with_us and sys.platform == "linux":
            options["preexec_fn"] = _death_signal(self.stops_by)
        with open(self.log, "ab", opener=opener) as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, **options)

    def wait_until_ready(self) -> None:
        """Wait until it is ready. Raises ``StoreUnavailable``: it ended, or is not ready after ``START_SECONDS``."""
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if (code := self.exit_code) is not None:
                raise StoreUnavailable(f"{self.title} ended with code {code}:\n{self.last_lines()}")
            if time.monotonic() > deadline:
                raise StoreUnavailable(
                    f"{self.title} is not ready after {START_SECONDS:.0f} seconds:\n{self.last_lines()}"
                )
            time.sleep(_POLL_SECONDS)

    def start(self) -> None:
        """Start it, and wait until it is ready. Raises as ``wait_until_ready``."""
        self.begin()
        self.wait_until_ready()

    def request_stop(self) -> None:
        """Send the signal for a graceful stop, if it runs."""
        if self._process is not None:
            self._process.send_signal(self.stops_by)

    def wait(self, seconds: float) -> None:
        """Wait for its end, and kill it after the timeout."""
        if self._process is not None:
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """Kill its process group, as a power failure would."""
        if self._process is not None:
            # Until the process is reaped, its pid is not reused.
            if self._process.returncode is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def last_lines(self) -> str:
        """Return the end of its log, indented."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join(f"  {line}" for line in text.splitlines()[-_TAIL_LINES:])


def listens(port: int) -> bool:
    """Return whether a local port accepts connections."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def beside_python(name: str) -> Path | None:
    """Return the path of a program from this environment's packages, or from the PATH."""
    beside = Path(sys.executable).parent / name
    return beside if beside.is_file() else Path(found) if (found := shutil.which(name)) else None


def plain_user() -> pwd.struct_passwd | None:
    """Return the user for programs that refuse to run as root; ``None`` unless this process runs as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def as_plain_user(*folders: Path) -> dict[str, Any]:
    """Return ``subprocess`` options to run a program as another user than root, and give that user these folders."""
    if not (user := plain_user()):
        return {}
    for folder in folders:
        os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _death_signal(number: signal.Signals) -> Any:
    import ctypes

    prctl = ctypes.CDLL(None).prctl  # loaded before the fork

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)

    return ask
