"""What a server asks PostgreSQL for: one statement for a run without effects, and no more for what is in the way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import ECHO
from tests.store.postgres_server import COUNTED, PostgresServer, postgres_running

pytestmark = [pytest.mark.services, pytest.mark.slow]

RUNS = 60


class Counted:
    """A server on a database that counts statements."""

    def __init__(self, folder: Path, database: PostgresServer) -> None:
        self._database = database
        url = database.made()
        self._name = url.partition("@/")[2].partition("?")[0]
        (folder / "echo.yml").write_text(ECHO, encoding="utf-8")
        settings = {"JIKKO_DATABASE_URL": url}
        outcome = Command(folder / "home")("apps", "import", folder / "echo.yml", "--json", **settings)
        self.server = Server(folder / "home", settings=settings)
        self.client = Client(self.server.url, str(outcome.lines[0]["api_key"]))
        database.execute("CREATE EXTENSION pg_stat_statements", self._name)

    def forget(self) -> None:
        self._database.execute("SELECT pg_stat_statements_reset()", self._name)

    def statements(self) -> dict[str, int]:
        """How often each was executed."""
        found = self._database.execute(
            "SELECT calls || ' ' || replace(query, chr(10), ' ') FROM pg_stat_statements s "
            "JOIN pg_database d ON d.oid = s.dbid WHERE datname = current_database() "
            "AND query NOT LIKE '%pg_stat_statements%'",
            self._name,
        )
        counted = (line.partition(" ") for line in found.splitlines())
        return {query: int(calls) for calls, _, query in counted}

    def close(self) -> None:
        self.client.close()
        self.server.close()


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[Counted]:
    with postgres_running(COUNTED) as database:
        made = Counted(tmp_path, database)
        yield made
        made.close()


def test_a_run_without_effects_is_one_statement(counted: Counted) -> None:
    for number in range(5):
        counted.client.run(q=str(number))
    counted.forget()

    for number in range(RUNS):
        assert counted.client.run(q=f"良い 🙂 {number}")["data"]["status"] == "succeeded"

    statements = counted.statements()
    appends = {query: calls for query, calls in statements.items() if query.startswith("INSERT INTO runs")}
    assert sum(appends.values()) == RUNS
    # Its key is looked at every few seconds, and background jobs look for what is due.
    assert sum(statements.values()) - RUNS < RUNS / 2, statements
    assert not {query: calls for query, calls in statements.items() if query not in appends and calls > RUNS / 3}
