"""PostgreSQL server for tests: Debian's, in its own folder, run by an unprivileged user, without durability."""

import os
import secrets
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from jikko.server.local_cluster.services import LocalPostgres, postgres_program
from jikko.store.postgres.database import Connection, Postgres
from jikko.store.postgres.migrate import migrate
from tests.effort import PATIENCE

POSTGRES = pytest.param("postgres", marks=[pytest.mark.services, pytest.mark.postgres])
"""Parameter of fixtures with one implementation per database."""
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200", "shared_buffers=64MB")
COUNTED = (*_FAST, "shared_preload_libraries=pg_stat_statements", "pg_stat_statements.track=top")
"""Settings of a server that counts statements."""
DURABLE = ("max_connections=50", "shared_buffers=16MB")


class PostgresServer(LocalPostgres):
    """Server that gives each test its own database."""

    def __init__(self, folder: Path, settings: Sequence[str] = _FAST) -> None:
        """Create the server's folder; it does not run yet.

        Args:
            folder: Its path must be short, as names of sockets are limited.
        """
        super().__init__(folder, settings)
        self.free: list[str] = []
        """Databases with all tables that no test is using."""
        self.make()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop without waiting for clients. ``SIGQUIT`` simulates a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self.wait(PATIENCE)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze all its processes for the block; connections stay open."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        stopped = [*map(int, children.read_text().split()), self._process.pid]
        for process in stopped:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in stopped:
                os.kill(process, signal.SIGCONT)

    def made(self, where: str = "") -> str:
        """Create an empty database, and return its URL.

        Args:
            where: Part of the statement: its tablespace.
        """
        name = f"test_{secrets.token_hex(8)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0 {where}")
        return self.url(name)

    @contextmanager
    def holding(self, sql: str, name: str) -> Iterator[None]:
        """Keep a transaction with this statement open for the block."""
        command = [postgres_program("psql"), "-qtAX", "-h", str(self.folder), "-U", "jikko", "-d", name]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
            assert session.stdin is not None
            assert session.stdout is not None
            session.stdin.write(f"BEGIN; {sql}; SELECT 'held';\n")
            session.stdin.flush()
            assert session.stdout.readline() == "held\n"
            try:
                yield
            finally:
                session.stdin.close()


class Standby(PostgresServer):
    """Standby server that follows another."""

    def __init__(self, folder: Path, primary: PostgresServer, address: str) -> None:
        """Args:
        address: Primary's address: ``host=… port=…``."""
        self._primary = primary
        self._address = address
        super().__init__(folder, DURABLE)

    def make(self) -> None:
        data = self.folder / "data"
        copy = [postgres_program("pg_basebackup"), "-D", str(data), "-U", "jikko", "-h", str(self._primary.folder)]
        self.run([*copy, "--checkpoint=fast", "--no-sync"])
        (data / "standby.signal").touch()
        with (data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"primary_conninfo = 'user=jikko application_name=standby {self._address}'\n")

    def promote(self) -> None:
        """Become the primary."""
        self.execute("SELECT pg_promote()")


@contextmanager
def postgres_running(settings: Sequence[str] = DURABLE) -> Iterator[PostgresServer]:
    """Run a server, durable unless the settings say otherwise."""
    with tempfile.TemporaryDirectory(prefix="jikko-pg-") as folder:
        server = PostgresServer(Path(folder), settings)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@asynccontextmanager
async def new_database(request: pytest.FixtureRequest) -> AsyncIterator[Postgres]:
    """Empty database with all tables. Databases of earlier tests are emptied, which is quicker."""
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
    await connection.execute("DROP SCHEMA IF EXISTS knowledge CASCADE")
    await connection.execute("DELETE FROM installation WHERE name = 'knowledge_schema'")
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    names = {row[0] for row in tables} - {"installation"}
    for name in sorted(names):
        # Referring rows are deleted by cascade.
        await connection.execute(f"DELETE FROM {name}")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with postgres_running(_FAST) as server:
        yield server


@pytest.fixture(scope="module")
def mortal_postgres() -> Iterator[PostgresServer]:
    """Durable server that tests stop and start."""
    with postgres_running() as server:
        yield server
