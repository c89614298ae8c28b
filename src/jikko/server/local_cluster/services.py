"""PostgreSQL, NATS and an S3 server (rclone), from packages or the system, in their own folders."""

import os
import secrets
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from jikko.errors import InvalidSettings, StoreUnavailable
from jikko.extras import how_to_install
from jikko.private import make_folder, opener
from jikko.server.local_cluster.local_service import LocalService, as_plain_user, beside_python, listens, plain_user

_PACKAGED: Final = Path("/usr/lib/postgresql")
"""Folder of versions on Debian and Ubuntu: ``17/bin/postgres``."""
_USER: Final = "jikko"


class LocalPostgres(LocalService):
    """PostgreSQL on a UNIX socket only. It refuses to run as root, and is run as another user then."""

    title = "PostgreSQL"
    stops_by = signal.SIGINT  # without waiting for clients

    def __init__(self, folder: Path, settings: Sequence[str] = (), *, sockets: Path | None = None) -> None:
        """Args:
        folder: An existing folder of its own, for ``data`` and ``log``.
        settings: Such as ``fsync=off``.
        sockets: Folder with a short path for its socket; ``None``: ``folder``."""
        self.folder = folder
        self.sockets = sockets or folder
        self._settings = ("listen_addresses=", *settings)
        plain = as_plain_user(folder, self.sockets)
        super().__init__(folder / "log", cwd=folder, env={"LC_ALL": "C.UTF-8"}, **plain)

    def make(self) -> None:
        """Initialise the data folder, unless it exists. Raises ``InvalidSettings``: postgreSQL is not installed;
        ``StoreUnavailable``: it cannot be made here, or belongs to another version."""
        data = self.folder / "data"
        if (data / "PG_VERSION").exists():
            return
        command = [postgres_program("initdb"), "-D", str(data), "-U", _USER, "-A", "trust", "-E", "UTF8", "--no-sync"]
        self.run([*command, "--locale=C.UTF-8"])

    def run(self, command: Sequence[str]) -> None:
        """Run a PostgreSQL command as the server's user. Raises ``StoreUnavailable`` with the end of its output."""
        options = {name: value for name, value in self.options.items() if name != "process_group"}
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True, **options)
        except OSError as error:  # a parent folder is closed to its user
            raise StoreUnavailable(f"{command[0]} cannot run in {self.folder}: {error.strerror}.{_hint()}") from None
        if done.returncode:
            raise StoreUnavailable(f"{command[0]} failed in {self.folder}: {done.stderr.strip()}{_hint()}")

    def command(self) -> Sequence[str]:
        settings = [part for setting in self._settings for part in ("-c", setting)]
        return [postgres_program("postgres"), "-D", f"{self.folder}/data", "-k", str(self.sockets), *settings]

    def is_ready(self) -> bool:
        ready = [postgres_program("pg_isready"), "-q", "-h", str(self.sockets), "-U", _USER, "-t", "1"]
        return subprocess.run(ready, check=False).returncode == 0

    def execute(self, sql: str, name: str = "postgres") -> str:
        """Run a statement with psql. Returns its output."""
        command = [postgres_program("psql"), "-qtAX", "-h", str(self.sockets), "-U", _USER, "-d", name, "-c", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def url(self, name: str = "postgres") -> str:
        return f"postgresql://{_USER}@/{name}?host={self.sockets}"


def postgres_program(name: str) -> str:
    """Return the path of a program of the newest PostgreSQL. Raises ``InvalidSettings`` if it is not installed."""
    found = [path for path in _PACKAGED.glob(f"*/bin/{name}") if path.parts[-3].isdecimal()]
    if not found:
        raise InvalidSettings(
            f"PostgreSQL is not installed: no {name} below {_PACKAGED}. Install it (Debian, Ubuntu: "
            "apt-get install postgresql), or use an existing database: --postgres postgresql://USER@HOST/DATABASE."
        )
    return str(max(found, key=lambda path: int(path.parts[-3])))


def _hint() -> str:
    user = plain_user()
    return f"\nRoot runs PostgreSQL as {user.pw_name}, who needs access to this folder." if user else ""


class LocalNats(LocalService):
    """NATS server with JetStream, on a local port, protected by a password."""

    title = "NATS"

    def __init__(self, folder: Path, port: int) -> None:
        """``folder``: An existing folder of its own, for its data."""
        self.folder = folder
        self.port = port
        self._password = secrets.token_hex(16)
        super().__init__(folder / "log")

    @property
    def url(self) -> str:
        return f"nats://jikko:{self._password}@127.0.0.1:{self.port}"

    def begin(self) -> None:
        """Start it with a random password in a file: arguments are visible to all users."""
        with open(self.folder / "nats.conf", "w", encoding="utf-8", opener=opener) as file:
            file.write(
                f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{self.folder}/store" }}\n'
                f'authorization {{ user: "jikko", password: "{self._password}" }}\n'
            )
        super().begin()

    def command(self) -> Sequence[str | Path]:
        return [nats_program(), "-c", self.folder / "nats.conf"]

    def is_ready(self) -> bool:
        return listens(self.port)


def nats_program() -> Path:
    """Return the path of the program. Raises ``InvalidSettings`` if it is not installed."""
    if program := beside_python("nats-server"):
        return program
    raise InvalidSettings(
        f"NATS is not installed: no nats-server beside this Python or on the PATH. {how_to_install('cluster-try')}."
    )


_BUCKET: Final = "jikko"


class LocalBucket(LocalService):
    """Bucket on a local port, with a file per object."""

    title = "The bucket"

    def __init__(self, folder: Path, port: int) -> None:
        """``folder``: An existing folder of its own."""
        self.folder = folder
        self.port = port
        self._key, self._secret = secrets.token_hex(8), secrets.token_hex(16)
        # Quoted: rclone parses the value as a list.
        own = {"RCLONE_AUTH_KEY": f'"{self._key},{self._secret}"', "RCLONE_CONFIG": os.devnull}
        super().__init__(folder / "log", env={**os.environ, **own})

    @property
    def settings(self) -> Mapping[str, str]:
        return {
            "JIKKO_FILES_URL": f"s3://{_BUCKET}?endpoint=http://127.0.0.1:{self.port}&region=us-east-1",
            "AWS_ACCESS_KEY_ID": self._key,
            "AWS_SECRET_ACCESS_KEY": self._secret,
        }

    def begin(self) -> None:
        make_folder(self.folder / "buckets" / _BUCKET)
        super().begin()

    def command(self) -> Sequence[str | Path]:
        if program := beside_python("rclone"):
            return [program, "serve", "s3", self.folder / "buckets", "--addr", f"127.0.0.1:{self.port}"]
        raise InvalidSettings(
            "No server for buckets is installed: no rclone beside this Python or on the PATH. "
            f"{how_to_install('cluster-try')}."
        )

    def is_ready(self) -> bool:
        return listens(self.port)
