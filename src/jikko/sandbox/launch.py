"""Launcher of fork servers: a separate interpreter that inherits only the control socket."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from jikko.ports.sandbox import SandboxFailure
from jikko.sandbox.clients import LIBRARIES
from jikko.sandbox.limits import SandboxLimits, unavailable

PROGRAM: Final = "from jikko.sandbox.fork_server import main; main()"

# Reports errors that occur before the fork server can report them itself.
_BOOTSTRAP: Final = """
import gc, os, sys
gc.disable()  # what is imported stays: the fork server enables it
sys.path += {locations!r}
try:
    exec({program!r})
except BaseException as error:
    os.write(0, f"F{{type(error).__name__}}: {{error}}".encode()[:4000])
"""

_PACKAGES: Final = ("jikko", "jinja2", "markupsafe", "_quickjs", "tzdata", *LIBRARIES)


def launch(
    limits: SandboxLimits, program: str, packages: dict[str, Any] | None = None
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a fork server. Returns the process, and the server's end of its standard input, the control socket.

    ``packages``: Additional packages, as ``Loadable.settings``. ``program``: Executed once it can import this package.
    Raises ``SandboxFailure`` if it cannot be started.
    """
    settings = {
        "parent": os.getpid(),
        "memory_bytes": limits.memory_bytes,
        "output_bytes": limits.output_bytes,
        "cpu_seconds": limits.effective_cpu_seconds,
        "require_landlock": limits.require_landlock,
        "packages": packages,
    }
    bootstrap = _BOOTSTRAP.format(locations=_locations(), program=program)
    try:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    except OSError as error:
        raise _unstartable(error) from error
    try:
        # -I and an empty environment: nothing from outside decides what is imported. -S: code of installed packages
        # does not run, as .pth files would have it. Own session: Ctrl-C is for the server.
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", bootstrap, json.dumps(settings)],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict[str, str](),
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        ours.close()
        raise _unstartable(error) from error
    finally:
        theirs.close()
    ours.setblocking(False)
    return process, ours


def _unstartable(error: OSError) -> SandboxFailure:
    return unavailable(f"{sys.executable} cannot be started: {error.strerror}")


def _locations() -> Sequence[str]:
    """Return the locations of the packages that the fork server imports, without importing them here."""
    found: list[str] = []
    for name in _PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise unavailable(f"the package that provides {name} is not installed")
        package = Path(spec.origin).parent
        location = str(package.parent if spec.submodule_search_locations else package)
        if location not in found:
            found.append(location)
    return found
