"""Runs a command, and leaves nothing of it behind: neither when it has ended nor when it is told to end it.

Usage: python -S launch.py COMMAND …. Whatever the command started belongs to it, also what went into a session of its
own, ignores signals, has no parent any more or an environment of its own: on Linux it becomes a child of this process.
The exit code is that of the command; 143 if SIGTERM came first, or whoever started this ended.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import Final, NoReturn

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36


def main(command: list[str]) -> int:
    """Run it. Returns the exit code."""
    signal.signal(signal.SIGTERM, _told)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    started = os.fork()
    if started == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.execv(command[0], command)
    try:
        while True:
            ended, status = os.wait()  # also of those whose parents have ended
            if ended == started:
                return os.waitstatus_to_exitcode(status) & 0xFF
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end_all(started)


def _end_all(started: int) -> None:
    """Kill until there is nobody left. What is killed may have started something just before."""
    while True:
        for process in {started, *_below(os.getpid())}:
            for kill in (os.killpg, os.kill) if process == started else (os.kill,):
                try:
                    kill(process, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    continue
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            os.wait()
        except ChildProcessError:
            return


def _below(process: int) -> set[int]:
    """All processes that descend from one."""
    found: set[int] = set()
    waiting = [process]
    while waiting:
        for file in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            try:
                children = {int(child) for child in file.read_text().split()} - found
            except OSError:  # it has just ended
                continue
            found |= children
            waiting += children
    return found


def _told(*_: object) -> NoReturn:
    sys.exit(143)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
