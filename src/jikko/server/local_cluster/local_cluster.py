"""Trial cluster: PostgreSQL, NATS, the bucket, the servers, and the apps that they serve."""

import json
import os
import shlex
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from jikko.apps.key_files import as_file_name, write_key
from jikko.errors import StoreUnavailable
from jikko.private import make_folder, opener
from jikko.server.local_cluster.local_service import LocalService
from jikko.server.local_cluster.services import LocalBucket, LocalNats, LocalPostgres

SAMPLE: Final = Path(__file__).with_name("count-slowly.yml")
"""A workflow of twenty steps of a second each."""
MEMBER_SECONDS: Final = 5.0
_CONNECTIONS: Final = 32
"""Maximum database connections of each process."""
_COMMANDS: Final = 3
"""Commands run beside the servers."""
_STOP_SECONDS: Final = 30.0
_DIGITS: Final = 6
"""Digits of an app's id in the name of its key file."""
_DATABASE: Final = "jikko"
_CLUSTER_SETTINGS: Final = frozenset(
    f"JIKKO_{name}"
    for name in (
        "BACKUP_FOLDER BACKUP_URL HOST METRICS_PORT NATS_CA NATS_CERTIFICATE NATS_CERTIFICATE_KEY NATS_CREDENTIALS "
        "PORT PUBLIC_URL WORKERS"
    ).split()
) | {"AWS_PROFILE", "AWS_SESSION_TOKEN"}
"""The caller's variables for another server, NATS or bucket."""
_SECONDS: Final = {
    "JIKKO_MEMBER_SECONDS": str(MEMBER_SECONDS),
    # There is no load balancer, and Ctrl-C waits for no run.
    "JIKKO_LAME_DUCK_SECONDS": "0",
    "JIKKO_SHUTDOWN_SECONDS": "0",
    "JIKKO_DRAIN_SECONDS": "0",
}


class ClusterApp(NamedTuple):
    name: str
    file: Path
    key_file: Path


class LocalCluster:
    """All parts of a cluster, in one folder."""

    def __init__(self, folder: Path, sockets: Path, postgres: str, ports: Sequence[int], *, durable: bool) -> None:
        """Starts nothing.

        Args:
            folder: For all data.
            sockets: An existing folder with a short path.
            postgres: Address of an existing database; empty: a server of its own.
            ports: One for each server; 0: any free one.
            durable: Whether PostgreSQL's commits wait for the disk.
        """
        self.folder = folder
        self._database_url = postgres
        database = (f"max_connections={_CONNECTIONS * (len(ports) + _COMMANDS)}", f"fsync={'on' if durable else 'off'}")
        self._postgres = None if postgres else LocalPostgres(_made(folder / "postgres"), database, sockets=sockets)
        self._nats = LocalNats(_made(folder / "nats"), _free_port())
        self._bucket = LocalBucket(_made(folder / "bucket"), _free_port())
        self._ports = [port or _free_port() for port in ports]
        self.members: list[LocalServer] = []
        self.apps: list[ClusterApp] = []

    @property
    def services(self) -> list[LocalService]:
        """All processes, in their order of start."""
        others = (self._postgres, self._nats, self._bucket)
        return [*(service for service in others if service is not None), *self.members]

    @property
    def settings_file(self) -> Path:
        """Shell script with settings that connect any Jikko command to the cluster."""
        return self.folder / "settings.sh"

    def start(self, files: Sequence[Path]) -> None:
        """Start everything, publish the files, and wait until every server is ready. Raises ``InvalidSettings``: a
        program is missing; ``StoreUnavailable``: a process did not start, or a file was not published."""
        for service in self.services:
            service.dies_with_us = True
        if self._postgres is not None:
            self._postgres.make()
            self._postgres.start()
            if not self._postgres.execute(f"SELECT 1 FROM pg_database WHERE datname = '{_DATABASE}'"):
                self._postgres.execute(f"CREATE DATABASE {_DATABASE}")
            self._database_url = self._postgres.url(_DATABASE)
        self._nats.begin()
        self._bucket.begin()
        self._nats.wait_until_ready()
        self._bucket.wait_until_ready()
        own = {
            "JIKKO_DATABASE_URL": self._database_url,
            "JIKKO_NATS_URL": self._nats.url,
            **self._bucket.settings,
            **_SECONDS,
        }
        self._write_settings(own)
        settings = {name: value for name, value in os.environ.items() if name not in _CLUSTER_SETTINGS} | own
        self._publish(files, settings)
        for number, port in enumerate(self._ports, 1):
            member = LocalServer(number, self.folder / f"server{number}", port, settings)
            member.dies_with_us = True
            self.members.append(member)
            member.begin()
        for member in self.members:
            member.wait_until_ready()

    def stop(self) -> None:
        """Stop the servers, then the rest; processes that do not end are killed."""
        for group in (self.members, [one for one in self.services if one not in self.members]):
            for service in group:
                service.request_stop()
            for service in group:
                service.wait(_STOP_SECONDS)

    def kill(self) -> None:
        for service in self.services:
            service.kill()

    def _write_settings(self, own: Mapping[str, str]) -> None:
        values = {"JIKKO_HOME": str(self.folder / "operator"), **own}
        with open(self.settings_file, "w", encoding="utf-8", opener=opener) as file:
            file.write(f"unset {' '.join(sorted(_CLUSTER_SETTINGS))}\n")
            file.writelines(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())

    def _publish(self, files: Sequence[Path], settings: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", "jikko", "apps", "import", *map(str, files), "--json"]
        own = {**settings, "JIKKO_HOME": str(self.folder / "operator")}
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=own, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise StoreUnavailable(f"The apps were not published: {(done.stderr or done.stdout).strip()}")
        keys = _made(self.folder / "keys")
        for entry in map(json.loads, done.stdout.splitlines()):
            file, name = Path(entry["file"]), as_file_name(entry["name"])
            key_file = keys / f"{name}-{entry['app_id'][-_DIGITS:]}"
            if entry["api_key"]:
                write_key(key_file, entry["api_key"])
            self.apps.append(ClusterApp(entry["name"], file, key_file))


def _made(folder: Path) -> Path:
    make_folder(folder)
    return folder


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class LocalServer(LocalService):
    def __init__(self, number: int, home: Path, port: int, settings: Mapping[str, str]) -> None:
        """``settings``: The complete environment except the data folder."""
        self.title = f"Server {number}"
        self._port = port
        super().__init__(home.with_suffix(".log"), env={**settings, "JIKKO_HOME": str(home)})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "jikko", "serve", "--host", "127.0.0.1", "--port", str(self._port)]

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False
