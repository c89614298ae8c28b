"""A PostgreSQL server of the tests: Debian's, in a folder of its own, run by a plain user, with nothing to keep."""

import os
import pwd
import secrets
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from jikko.store.postgres.database import Connection, Postgres
from jikko.store.postgres.migrate import migrate

POSTGRES = pytest.param("postgres", marks=pytest.mark.services)
"""For fixtures that have one implementation a parameter."""
_PROGRAMS = Path("/usr/lib/postgresql")
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200", "shared_buffers=64MB")


class PostgresServer:
    """Databases of one server; each test takes one of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.free: list[str] = []
        """Databases with all tables, which no test uses just now."""

    def url(self, name: str = "postgres") -> str:
        return f"postgresql://jikko@/{name}?host={self.folder}"

    def made(self) -> str:
        """The url of a new, empty database."""
        name = f"test_{secrets.token_hex(8)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def execute(self, sql: str, name: str = "postgres") -> str:
        """Run a statement by the server's own client. Returns what it prints."""
        command = [_program("psql"), "-qtAX", "-h", str(self.folder), "-U", "jikko", "-d", name, "-c", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _program(name: str) -> str:
    found = sorted(_PROGRAMS.glob(f"*/bin/{name}"))
    assert found, f"{name} is missing: scripts/install_test_tools.sh installs it"
    return str(found[-1])


@contextmanager
def _running(folder: Path) -> Iterator[PostgresServer]:
    data = folder / "data"
    plain: dict[str, Any] = {"cwd": folder, "stdin": subprocess.DEVNULL, "env": {"LC_ALL": "C.UTF-8"}}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        plain |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    made = [_program("initdb"), "-D", str(data), "-U", "jikko", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run([*made, "--locale=C.UTF-8"], check=True, capture_output=True, **plain)
    settings = [part for setting in _FAST for part in ("-c", setting)]
    server = [_program("postgres"), "-D", str(data), "-k", str(folder), "-c", "listen_addresses=", *settings]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(server, stdout=log, stderr=log, **plain)
    try:
        ready = [_program("pg_isready"), "-q", "-h", str(folder), "-U", "jikko", "-t", "1"]
        while subprocess.run(ready, check=False).returncode != 0:
            assert process.poll() is None, (folder / "log").read_text()
        yield PostgresServer(folder)
    finally:
        process.terminate()
        process.wait(30)


@asynccontextmanager
async def new_database(request: pytest.FixtureRequest) -> AsyncIterator[Postgres]:
    """A database with all tables and nothing in them. Those of earlier tests are emptied, which is quicker."""
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.free.pop() if server.free else server.made()
    database = Postgres(url)
    await migrate(database)
    try:
        yield database
    finally:
        await database.transact(_empty)
        await database.close()
        server.free.append(url)


async def _empty(connection: Connection) -> None:
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    names = {row[0] for row in tables} - {"installation"}
    for name in sorted(names):
        # What refers to its rows goes with them.
        await connection.execute(f"DELETE FROM {name}")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    # Names of sockets are short.
    with tempfile.TemporaryDirectory(prefix="jikko-pg-") as folder, _running(Path(folder)) as server:
        yield server
