"""``jikko`` for a shell: a fork of the process that has imported Jikko (``warm.py``) runs the command; this program
forwards signals, and ends as the command does. It takes a sixth of the installed script's time.

Usage: python -I -S warm_program.py FOLDER JIKKO …. In an environment in which Python would start differently, it
becomes the installed script.
"""

import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping

READ_AT_START = ("PYTHON", "LC_", "LANG", "TZ", "LD_")
"""Prefixes of variables that Python reads at startup."""


def at_start(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that Python reads at startup."""
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
    # Readers of its output must see the command's end, not this program's.
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
