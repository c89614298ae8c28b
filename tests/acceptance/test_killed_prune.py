"""``jikko runs prune`` that is killed between two of its transactions."""

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.client import Client
from tests.acceptance.processes import JIKKO, Command, Server, environment
from tests.acceptance.workflows import ECHO

pytestmark = pytest.mark.slow

RUNS = 250
"""More than two of its batches."""


@pytest.fixture
def old_runs(jikko: Command, tmp_path: Path) -> Path:
    """The database of a folder with runs that have ended."""
    (tmp_path / "echo.yml").write_text(ECHO, encoding="utf-8")
    [entry] = jikko.json("apps", "import", tmp_path / "echo.yml")
    with closing(Server(jikko.home)) as server, closing(Client(server.url, entry["api_key"])) as client:
        for number in range(RUNS):
            client.run(q=f"言葉 {number}")
        server.stop()
    return jikko.home / "jikko.db"


def count(database: sqlite3.Connection) -> int:
    [[found]] = database.execute("SELECT count(*) FROM runs")
    return int(found)


def test_a_prune_that_is_killed_leaves_whole_runs_and_the_next_one_ends_it(jikko: Command, old_runs: Path) -> None:
    command = [str(JIKKO), "runs", "prune", "--older-than", "0d", "--yes"]
    with closing(sqlite3.connect(old_runs, timeout=60)) as database:
        pruning = subprocess.Popen(command, env=environment(jikko.home), stdout=subprocess.DEVNULL)
        while count(database) == RUNS and pruning.poll() is None:
            pass
        pruning.kill()
        pruning.wait()
        left = count(database)
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    listed = jikko.json("runs", "list", "--limit", "1000")
    assert len(listed) == left < RUNS
    for entry in (listed[0], listed[-1]) if listed else ():
        [shown] = jikko.json("runs", "show", entry["workflow_run_id"])
        assert (shown["status"], len(shown["node_executions"])) == ("succeeded", 2)
    assert jikko("runs", "prune", "--older-than", "0d", "--yes").code == 0
    assert jikko.json("runs", "list") == []
