"""Runs a command and kills everything it left behind, at its end or on SIGTERM.

Usage: python -S launch.py COMMAND …. All descendants count, including those that changed session, ignore signals, were
orphaned or have another environment: on Linux this process is their subreaper. The exit code is the command's, or 143
if SIGTERM came first or the parent of this process ended.
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
    """Run the command. Returns the exit code."""
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
            ended, status = os.wait()  # including orphans
            if ended == started:
                return os.waitstatus_to_exitcode(status) & 0xFF
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end_all(started)


def _end_all(started: int) -> None:
    """Kill until no descendant is left: a killed process may just have started another."""
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
    """Return all descendants of a process."""
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
