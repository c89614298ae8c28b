"""Launch command and environment of a plugin or the installer."""

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


# Standard library only: the tests attack the launch as a user that cannot read installed packages.
@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    read: tuple[Path, ...]
    """Readable paths besides the system's programs."""
    write: tuple[Path, ...]
    """Writable folders."""
    ports: tuple[int, ...] | None = ()
    """Local ports open for connections; ``None`` for all ports of all hosts."""
    sockets: int = 0
    """Descriptor from ``sockets_offered`` for requesting sockets; 0 for none. If all ports are open: descriptor from
    ``epoll_offered`` for requesting ``epoll``."""
    memory: int = 2 << 30
    """Bytes."""
    uid: int = 0
    """User to switch to if the server is root; 0: none."""
    confine: bool = True
    """False to run unlocked."""
    attributes: bool = False
    """Allow changing modes, owners and times of files of the server's user."""
    epoll: bool = False
    """Allow ``epoll``, for children too, although the user is the server's."""
    cgroup: Path | None = None
    abi: int = 99
    """Newest Landlock version to use."""

    def command(self, command: list[str]) -> list[str]:
        """Wrap ``command`` in the launcher. Its first part is an absolute path."""
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
    """Build a plugin's complete environment, without any of the server's variables. ``environment``: Its virtual
    environment.

    ``gate``: URL of its proxy; ``None`` for direct connections.
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
        # Seconds without data from the host: a model may think for long.
        "MAX_INVOCATION_TIMEOUT": "3600",
        "MAX_REQUEST_TIMEOUT": "3600",
    }
    if gate is not None:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            values[name] = values[name.upper()] = gate
        values["no_proxy"] = values["NO_PROXY"] = ""
    return values


def make_state(state: Path, uid: int) -> None:
    """Create the plugin's writable folder, owned by its user. Raises ``OSError``, also if the path is a link."""
    owner = uid if os.geteuid() == 0 else 0
    state.parent.mkdir(parents=True, exist_ok=True)
    with made_folder(state, owner=owner) as folder:
        for name in ("home", "tmp"):
            with made_folder(name, folder, owner=owner):
                pass
