"""A PostgreSQL server of this machine's packages, in a folder of its own."""

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from jikko.errors import InvalidSettings, StoreUnavailable
from jikko.server.local_cluster.service import LocalService, as_plain_user, plain_user

_PACKAGED: Final = Path("/usr/lib/postgresql")
"""Where Debian and Ubuntu have their versions: ``17/bin/postgres``."""
_USER: Final = "jikko"


class LocalPostgres(LocalService):
    """A server that listens on a UNIX socket alone. Root runs it as a plain user, since it refuses root."""

    title = "PostgreSQL"
    stops_by = signal.SIGINT  # without waiting for clients

    def __init__(self, folder: Path, settings: Sequence[str] = (), *, sockets: Path | None = None) -> None:
        """Args:
        folder: An existing folder of its own, for ``data`` and ``log``.
        settings: Such as ``fsync=off``.
        sockets: The folder of its socket, whose path is short; ``None``: ``folder``.
        """
        self.folder = folder
        self.sockets = sockets or folder
        self._settings = ("listen_addresses=", *settings)
        plain = as_plain_user(folder, self.sockets)
        super().__init__(folder / "log", cwd=folder, env={"LC_ALL": "C.UTF-8"}, **plain)

    def make(self) -> None:
        """Make an empty data folder, unless there is one.

        Raises:
            InvalidSettings: PostgreSQL is not installed.
            StoreUnavailable: It cannot be made here, or another version made what is there.
        """
        data = self.folder / "data"
        if (data / "PG_VERSION").exists():
            return
        command = [postgres_program("initdb"), "-D", str(data), "-U", _USER, "-A", "trust", "-E", "UTF8", "--no-sync"]
        self.run([*command, "--locale=C.UTF-8"])

    def run(self, command: Sequence[str]) -> None:
        """Run a command of the server's, as its user.

        Raises:
            StoreUnavailable: It fails; with its last words.
        """
        options = {name: value for name, value in self.options.items() if name != "process_group"}
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True, **options)
        except OSError as error:  # the folder around it is closed to its user
            raise StoreUnavailable(f"{command[0]} cannot run in {self.folder}: {error.strerror}.{_hint()}") from None
        if done.returncode:
            raise StoreUnavailable(f"{command[0]} failed in {self.folder}: {done.stderr.strip()}{_hint()}")

    def command(self) -> Sequence[str]:
        """Program and arguments."""
        settings = [part for setting in self._settings for part in ("-c", setting)]
        return [postgres_program("postgres"), "-D", f"{self.folder}/data", "-k", str(self.sockets), *settings]

    def is_ready(self) -> bool:
        """Whether it accepts connections."""
        ready = [postgres_program("pg_isready"), "-q", "-h", str(self.sockets), "-U", _USER, "-t", "1"]
        return subprocess.run(ready, check=False).returncode == 0

    def execute(self, sql: str, name: str = "postgres") -> str:
        """Run a statement by the server's own client. Returns what it prints."""
        command = [postgres_program("psql"), "-qtAX", "-h", str(self.sockets), "-U", _USER, "-d", name, "-c", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def url(self, name: str = "postgres") -> str:
        """The address of a database."""
        return f"postgresql://{_USER}@/{name}?host={self.sockets}"


def postgres_program(name: str) -> str:
    """The path of a program of the newest PostgreSQL.

    Raises:
        InvalidSettings: There is none.
    """
    found = [path for path in _PACKAGED.glob(f"*/bin/{name}") if path.parts[-3].isdecimal()]
    if not found:
        raise InvalidSettings(
            f"PostgreSQL is not installed: no {name} below {_PACKAGED}. Install it (Debian, Ubuntu: "
            "apt-get install postgresql), or name a database that you have: --postgres postgresql://USER@HOST/DATABASE."
        )
    return str(max(found, key=lambda path: int(path.parts[-3])))


def _hint() -> str:
    user = plain_user()
    return f"\nRoot runs PostgreSQL as {user.pw_name}, who has to reach this folder." if user else ""
