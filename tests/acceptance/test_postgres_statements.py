"""Number of PostgreSQL statements of a server: one for a run without side effects, and no more for obstacles."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import ECHO, app, node, start
from tests.store.postgres_server import COUNTED, PostgresServer, postgres_running

pytestmark = [pytest.mark.services, pytest.mark.slow]

RUNS = 60
TALK = app("Talk", [start("q"), node("reply", "answer", answer="良い 🙂")], "start>reply", mode="advanced-chat")


class Counted:
    """A server on a database that counts statements."""

    def __init__(self, folder: Path, database: PostgresServer) -> None:
        self._database = database
        url = database.made()
        self._name = url.partition("@/")[2].partition("?")[0]
        (folder / "echo.yml").write_text(ECHO, encoding="utf-8")
        (folder / "talk.yml").write_text(TALK, encoding="utf-8")
        settings = {"JIKKO_DATABASE_URL": url}
        files = [folder / "echo.yml", folder / "talk.yml"]
        outcome = Command(folder / "home")("apps", "import", *files, "--json", **settings)
        self.server = Server(folder / "home", settings=settings)
        self.client, self.chat = (Client(self.server.url, str(line["api_key"])) for line in outcome.lines)
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

    def of_each(self, count: int) -> dict[str, int]:
        """Statements of each of so many requests, by their first word; what happens now and then is left out."""
        found: dict[str, int] = {}
        for query, calls in self.statements().items():
            if each := round(calls / count):
                word = query.split()[0]
                found[word] = found.get(word, 0) + each
        return found

    def close(self) -> None:
        self.client.close()
        self.chat.close()
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


def test_a_start_with_a_key_waits_for_two_round_trips(counted: Counted) -> None:
    def start(number: int) -> None:
        body = counted.client.body("async", {"q": f"鍵 🔑 {number}"})
        answer = counted.client.request(
            "POST", "/v1/workflows/run", json=body, headers={"Idempotency-Key": f"key {number}"}
        )
        assert counted.client.finished(answer.json()["workflow_run_id"])["status"] == "succeeded"

    start(-1)
    counted.forget()
    for number in range(RUNS):
        start(number)

    keys = {query: calls for query, calls in counted.statements().items() if "idempotency_keys" in query}
    # Who has the key, and taking it together with the start of the run; keys that are over are forgotten now and then.
    assert sorted(calls for calls in keys.values() if calls > RUNS / 3) == [RUNS, RUNS], keys
    assert "BEGIN" not in counted.of_each(RUNS)


def test_a_turn_that_calls_nothing_is_one_transaction_behind_two_reads(counted: Counted) -> None:
    body = {"query": "元気？ 🙂", "inputs": {}, "user": "anna", "response_mode": "blocking"}
    conversation = counted.chat.request("POST", "/v1/chat-messages", json=body).json()["conversation_id"]
    body["conversation_id"] = conversation
    counted.chat.request("POST", "/v1/chat-messages", json=body)
    counted.forget()

    for _ in range(RUNS):
        assert counted.chat.request("POST", "/v1/chat-messages", json=body).status_code == 200

    # The conversation and how its app answers by annotations, at the same time; then the run, and the message.
    assert counted.of_each(RUNS) == {"SELECT": 2, "BEGIN": 1, "INSERT": 1, "WITH": 1, "COMMIT": 1}
