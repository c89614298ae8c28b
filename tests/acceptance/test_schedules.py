"""A server is killed behind the start of a schedule's run, and before it has noted that."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.faults import until
from tests.acceptance.processes import Server
from tests.acceptance.workflows import app, end, node, template

pytestmark = pytest.mark.slow

_AHEAD = 10
"""Seconds in which the schedule is due: a server starts in less."""


def due_soon() -> str:
    """A workflow that is due in some seconds, and then not for a minute."""
    now = int(time.time())
    period = next(each for each in range(60, 100_000) if each - now % each == _AHEAD)
    nodes = [
        node("clock", "trigger-schedule", mode="cron", cron_expression=f"@every {period}s"),
        template("say", "{{ at }}", at="sys.timestamp"),
        end(out="say.output"),
    ]
    return app("もうすぐ ⏱", nodes, "clock>say>end")


class Record:
    """The database of a data folder, beside its server."""

    def __init__(self, home: Path) -> None:
        self._file = home / "jikko.db"

    def __call__(self, sql: str) -> int:
        """Execute a statement; return the number that comes of it."""
        with closing(sqlite3.connect(self._file, timeout=30, isolation_level=None)) as connection:
            row = connection.execute(sql).fetchone()
        return row[0] if row else 0

    @property
    def runs(self) -> int:
        return self("SELECT count(*) FROM runs")

    @property
    def noted(self) -> int:
        """Runs that due times have, one each."""
        return self("SELECT count(DISTINCT run_id) FROM due_times WHERE state = 'started'")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_due_time_has_one_run_though_the_server_is_killed_before_it_notes_it(tmp_path: Path, workers: int) -> None:
    home, file, options = tmp_path / "home", tmp_path / "soon.yml", ("--workers", str(workers))
    record = Record(home)
    file.write_text(due_soon(), "utf-8")
    server = Server(home, file, options=options)
    record("CREATE TRIGGER held BEFORE INSERT ON due_times BEGIN SELECT RAISE(ABORT, 'held'); END")
    until(lambda: record.runs > 0, "the schedule runs")
    server.kill()
    record("DROP TRIGGER held")
    assert (record.runs, record.noted) == (1, 0)

    server = Server(home, file, options=options)
    try:
        until(lambda: record.noted > 0, "the run is noted")
    finally:
        server.close()

    assert (record.runs, record.noted) == (1, 1)
