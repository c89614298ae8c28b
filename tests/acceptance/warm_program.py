"""``jikko`` for a shell: a fork of the process that has imported Jikko (``warm.py``) runs the command; this one hands
on signals, and ends as the command does. It takes a sixth of what the installed script takes.

Usage: python -I -S warm_program.py FOLDER JIKKO …. In an environment with which a Python starts otherwise, it becomes
the installed script.
"""

import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping

READ_AT_START = ("PYTHON", "LC_", "LANG", "TZ", "LD_")
"""How names of variables begin that a Python reads as it starts."""


def at_start(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that a Python reads as it starts."""
    return {name: value for name, value in environment.items() if name.startswith(READ_AT_START)}


def main(folder: str, *words: str) -> int:
    """Run the command. Returns its exit code, negative for a signal."""
    with open(f"{folder}/environment", encoding="utf-8") as file:
        if json.load(file) != at_start(os.environ):
            os.execv(words[0], words)
    request = {"arguments": words, "environment": dict(os.environ), "folder": os.getcwd()}
    told, tells = os.pipe()
    with tempfile.TemporaryFile() as asked, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as requests:
        asked.write(json.dumps(request).encode())
        asked.flush()
        requests.connect(f"{folder}/socket")
        socket.send_fds(requests, [b"!"], [asked.fileno(), 0, 1, 2, tells])
    os.close(tells)
    # Who reads what it writes sees the end of the command, not of this.
    for number in range(3):
        os.close(number)
    with open(told, encoding="ascii") as lines:
        process_id = int(lines.readline())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, lambda number, _: os.kill(process_id, number))
        return int(lines.readline())


if __name__ == "__main__":
    code = main(*sys.argv[1:])
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)
