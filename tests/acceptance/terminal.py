"""Command on a pseudo-terminal, driven like a person: send keys, and wait for output."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.acceptance.processes import JIKKO, environment
from tests.effort import PATIENCE

UP, CTRL_C, CTRL_D, TAB = "\x1b[A", "\x03", "\x04", "\t"


class Terminal:
    """``jikko`` with arguments, in its own session."""

    def __init__(self, home: Path, arguments: Sequence[str | Path], **settings: str) -> None:
        self._controller, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self._process = subprocess.Popen(
            [JIKKO, *map(str, arguments)],
            env=environment(home, **{"TERM": "xterm", "LC_ALL": "C.UTF-8", **settings}),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            preexec_fn=lambda: _own(terminal),
        )
        os.close(terminal)
        self._seen = b""
        self._looked = 0
        """Start of the next search: found text is not found again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._controller)

    @property
    def seen(self) -> str:
        """Return all output so far."""
        return self._seen.decode(errors="replace")

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._controller, keys.encode())

    def say(self, line: str) -> None:
        """Type a line and Enter."""
        self.type(f"{line}\r")

    def wait_for(self, text: str) -> str:
        """Wait for a text after the previously found one. Returns the output up to it."""
        wanted = text.encode()
        end = time.monotonic() + PATIENCE
        while (at := self._seen.find(wanted, self._looked)) < 0:
            if not self._more(end):
                raise AssertionError(f"{text!r} was not shown; what was:\n{self.seen}")
        before = self._seen[self._looked : at]
        self._looked = at + len(wanted)
        return before.decode(errors="replace")

    def interrupt_until(self, text: str) -> None:
        """Press Ctrl-C repeatedly, as a person would, until a text is shown.

        A line editor shows its prompt slightly before it listens: a Ctrl-C in between is handled at the next key. The
        repetition is slow: a Ctrl-C during the handling of another may end the command, or swallow the next input.
        """
        wanted, end = text.encode(), time.monotonic() + PATIENCE
        while self._seen.find(wanted, self._looked) < 0 and time.monotonic() < end:
            self.type(CTRL_C)
            again = time.monotonic() + 5
            while self._seen.find(wanted, self._looked) < 0 and self._more(again):
                pass
        self.wait_for(text)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ended(self) -> int:
        """Wait for the end. Returns the exit code."""
        end = time.monotonic() + PATIENCE
        while self._more(end):
            pass
        return self._process.wait(PATIENCE)

    def _more(self, end: float) -> bool:
        """Read more output. Returns whether more may come."""
        readable, _, _ = select.select([self._controller], [], [], max(0.0, end - time.monotonic()))
        if not readable:
            return False
        with contextlib.suppress(OSError):  # all ends of the terminal are closed
            if piece := os.read(self._controller, 65_536):
                self._seen += piece
                return True
        return False


def _own(terminal: int) -> None:
    # Ctrl-C reaches the processes whose controlling terminal it is.
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
