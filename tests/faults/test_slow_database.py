"""PostgreSQL that is slow or accepts no writes: starts are answered, and refused ones never run later."""

import asyncio
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from jikko.server.local_cluster.local_service import as_plain_user
from tests.faults.conftest import Keep
from tests.faults.queue import name_of
from tests.faults.starts import Trial, Try
from tests.faults.test_slow_record import full, mounted
from tests.store.postgres_server import PostgresServer

pytestmark = [pytest.mark.services, pytest.mark.slow]
_END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> ALL($1::int[])
"""


class Crowd:
    """Other clients, which hold all connections that a PostgreSQL has."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._ends = False
        self._held: list[Any] = []

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Hold them, also those that the others had."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._take(), self._loop).result()
        taking = asyncio.run_coroutine_threadsafe(self._go_on(), self._loop)
        try:
            yield
        finally:
            self._ends = True
            taking.result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _take(self) -> None:
        while True:
            try:
                self._held.append(await asyncpg.connect(self._url))
            except asyncpg.TooManyConnectionsError:
                return

    async def _go_on(self) -> None:
        """Until the end, take those too that are there or become free."""
        while not self._ends:
            own = [connection.get_server_pid() for connection in self._held]
            await self._held[0].fetch(_END_OTHERS, own)
            await self._take()
            await asyncio.sleep(0.01)
        for connection in self._held:
            connection.terminate()


def trial_on(on: Try, folder: Path, postgres: PostgresServer, where: str = "") -> tuple[Trial, str]:
    url = postgres.made(where)
    return on(folder, JIKKO_DATABASE_URL=url), name_of(url)


@pytest.mark.fault(28)
def test_the_disk_of_the_database_is_full(tmp_path: Path, on: Try, postgres: PostgresServer, seen: Keep) -> None:
    # Where a plain user may go.
    with tempfile.TemporaryDirectory(prefix="jikko-pg-") as folder, mounted(Path(folder), tmp_path) as disk:
        (disk / "tables").mkdir()
        as_plain_user(disk / "tables")
        disk.chmod(0o755)
        postgres.execute(f"CREATE TABLESPACE small LOCATION '{disk}/tables'")
        trial, name = trial_on(on, tmp_path, postgres, "TABLESPACE small")
        found = trial.of(full(disk))
        trial.starts.server.close()
        postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")
        postgres.execute("DROP TABLESPACE small")
    seen(found)


@pytest.mark.fault(29)
def test_the_database_is_read_only(tmp_path: Path, on: Try, postgres: PostgresServer, seen: Keep) -> None:
    trial, _ = trial_on(on, tmp_path, postgres)
    seen(trial.of(read_only(postgres)))


@pytest.mark.fault(30)
def test_others_use_all_connections(tmp_path: Path, on: Try, postgres: PostgresServer, seen: Keep) -> None:
    trial, _ = trial_on(on, tmp_path, postgres)
    seen(trial.of(Crowd(postgres.url()).holding()))


@pytest.mark.fault(31)
def test_the_tables_of_runs_are_locked(tmp_path: Path, on: Try, postgres: PostgresServer, seen: Keep) -> None:
    trial, name = trial_on(on, tmp_path, postgres)
    seen(trial.of(postgres.holding("LOCK TABLE runs, open_runs IN ACCESS EXCLUSIVE MODE", name)))


@pytest.mark.fault(32)
def test_the_database_is_frozen(tmp_path: Path, on: Try, postgres: PostgresServer, seen: Keep) -> None:
    trial, _ = trial_on(on, tmp_path, postgres)
    seen(trial.of(postgres.frozen()))


@pytest.mark.fault(33)
def test_the_server_is_killed_while_the_database_is_frozen(
    tmp_path: Path, on: Try, postgres: PostgresServer, seen: Keep
) -> None:
    trial, _ = trial_on(on, tmp_path, postgres)
    seen(trial.of(trial.killed(postgres.frozen()), by_restart=True))


@pytest.fixture
def postgres(mortal_postgres: PostgresServer) -> PostgresServer:
    """One that a test may break, and mends."""
    return mortal_postgres


@contextmanager
def read_only(postgres: PostgresServer) -> Iterator[None]:
    """For all sessions, those that go on too: as on a standby."""
    _set(postgres, "on")
    try:
        yield
    finally:
        _set(postgres, "off")


def _set(postgres: PostgresServer, value: str) -> None:
    postgres.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
    postgres.execute("SELECT pg_reload_conf()")
