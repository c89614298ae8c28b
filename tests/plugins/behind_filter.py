"""Makes each use of a system call behind the plugins' filter, with and without that call allowed; prints the
results."""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from typing import Any
from unittest.mock import patch

from jikko.locks.bpf import Body, assemble
from jikko.locks.calls import forbid_new_privileges, install_filter
from jikko.locks.numbers import numbers
from jikko.plugins.process import allowed
from tests.plugins.uses import PATIENCE, USES


def filter_without(name: str) -> bytes:
    """Return the filter without one of its allowed calls."""

    def assembled(bodies: Mapping[str, Body], **settings: Any) -> bytes:
        return assemble({call: body for call, body in bodies.items() if call != name}, **settings)

    with patch.object(allowed, "assemble", assembled):
        return allowed.plugin_filter(abi=99, direct=True, epoll=True, cgroup=True)


def how_it_ends(use: Callable[[], Any], *, left_out: str = "") -> str:
    """Make a use behind the filter. Returns an empty text if it worked."""
    reading, writing = os.pipe()
    process_id = os.fork()
    if not process_id:
        os.chdir(tempfile.mkdtemp(dir="."))
        os.set_inheritable(writing, False)
        signal.alarm(PATIENCE)
        error = "killed"
        try:
            forbid_new_privileges()
            install_filter(filter_without(left_out))
            use()
            os._exit(0)
        except BaseException as failure:
            error = f"{type(failure).__name__}: {failure}"
        os.write(writing, error.encode())
        os._exit(1)
    os.close(writing)
    said = os.read(reading, 300).decode()
    os.close(reading)
    status = os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1])
    return said or (f"status {status}" if status else "")


def main() -> None:
    os.chdir(sys.argv[1])
    known = numbers()
    print(
        json.dumps(
            {name: [how_it_ends(use), how_it_ends(use, left_out=name)] for name, use in USES.items() if name in known}
        )
    )


if __name__ == "__main__":
    main()
