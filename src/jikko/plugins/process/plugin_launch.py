"""The command and the environment that a plugin, or the installer, is started with."""

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from jikko.private import made_folder

_CONFINE: Final = f"""\
import sys
sys.path.append({str(Path(__file__).parents[3])!r})
from jikko.plugins.process.confine import main
main()
"""


# The launch needs the standard library alone: the tests attack it from a user that may read no installed package.
@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    read: tuple[Path, ...]
    """What it may read besides the system's programs."""
    write: tuple[Path, ...]
    """Folders of its own."""
    ports: tuple[int, ...] | None = ()
    """Ports of this machine that it may connect to; ``None`` for all, of all machines."""
    sockets: int = 0
    """The descriptor, of ``sockets_offered``, that it asks for sockets by. Without it has none, unless all ports are
    open to it: then it asks for ``epoll`` by that of ``epoll_offered``."""
    memory: int = 2 << 30
    """Bytes."""
    uid: int = 0
    """The user that it becomes where the server is root; 0: none."""
    confine: bool = True
    """Whether it is locked at all."""
    attributes: bool = False
    """Whether it may change modes, owners and times of files that are the server's user's."""
    epoll: bool = False
    """Whether it, and what it starts, may have ``epoll`` though its user is the server's."""
    cgroup: Path | None = None
    """The control group that it enters."""
    abi: int = 99
    """The newest version of Landlock to use."""

    def command(self, command: list[str]) -> list[str]:
        """The command that locks itself and then becomes ``command``, whose first part is an absolute path."""
        if not self.confine:
            return command
        settings = asdict(self) | {
            "uid": self.uid if os.geteuid() == 0 else 0,
            "cgroup": str(self.cgroup or ""),
            "parent": os.getpid(),
            "require": True,
        }
        return [sys.executable, "-I", "-S", "-c", _CONFINE, json.dumps(settings, default=str), *command]


def plugin_environment(*, environment: Path, state: Path, gate: str | None) -> dict[str, str]:
    """All that a plugin sees of the environment: nothing of the server's. ``environment``: Its virtual one.

    ``gate``: The address of the proxy that it reaches the network by; ``None``: it does so itself.
    """
    values = {
        "PATH": f"{environment}/bin:/usr/bin:/bin",
        "HOME": f"{state}/home",
        "TMPDIR": f"{state}/tmp",
        "LANG": "C.UTF-8",
        "INSTALL_METHOD": "local",
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HEARTBEAT_INTERVAL": "1",
        # Seconds that an answer to what it asks for may be silent: a model may think for long.
        "MAX_INVOCATION_TIMEOUT": "3600",
        "MAX_REQUEST_TIMEOUT": "3600",
    }
    if gate is not None:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            values[name] = values[name.upper()] = gate
        values["no_proxy"] = values["NO_PROXY"] = ""
    return values


def make_state(state: Path, uid: int) -> None:
    """Make the folder that a plugin may write, its user's. Raises ``OSError``, also if a link is in its place."""
    owner = uid if os.geteuid() == 0 else 0
    state.parent.mkdir(parents=True, exist_ok=True)
    with made_folder(state, owner=owner) as folder:
        for name in ("home", "tmp"):
            with made_folder(name, folder, owner=owner):
                pass
