"""A server is killed behind the start of a schedule's run, and before it has noted that."""

import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance.faults import until
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import app, end, node, template

pytestmark = pytest.mark.slow

_PASSED: Final = 600
"""Seconds since the schedule was due."""


def was_due() -> str:
    """A workflow that was due some minutes ago, and is not for a day."""
    due = datetime.fromtimestamp(time.time() - _PASSED, UTC)
    nodes = [
        node("clock", "trigger-schedule", mode="cron", cron_expression=f"{due.minute} {due.hour} * * *"),
        template("say", "{{ at }}", at="sys.timestamp"),
        end(out="say.output"),
    ]
    return app("さっき ⏱", nodes, "clock>say>end")


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
    home, file, options = tmp_path / "home", tmp_path / "earlier.yml", ("--workers", str(workers))
    record = Record(home)
    file.write_text(was_due(), "utf-8")
    server = Server(home, file, options=options)
    record("CREATE TRIGGER held BEFORE INSERT ON due_times BEGIN SELECT RAISE(ABORT, 'held'); END")
    until(lambda: record("SELECT count(*) FROM schedules WHERE plan <> ''") > 0, "the schedule is planned")
    # As if no server had run since it was due.
    record(f"UPDATE schedules SET handled = handled - {2 * _PASSED}, wake = 0")
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


def test_commands_show_pause_and_make_up_for_due_times(tmp_path: Path) -> None:
    jikko, file = Command(tmp_path / "home"), tmp_path / "daily.yml"
    nodes = [node("clock", "trigger-schedule", frequency="daily", timezone="Asia/Tokyo"), template("say", "x")]
    file.write_text(app("日報 📰", [*nodes, end(out="say.output")], "clock>say>end"), "utf-8")
    assert jikko("apps", "import", file).code == 0

    [entry] = jikko.json("triggers", "list")
    assert (len(entry["next"]), entry["kind"], entry["recent"]) == (10, "schedule", [])
    assert all(moment.endswith("T15:00:00Z") for moment in entry["next"])
    assert "日報 📰/clock  schedule  on  next 2" in jikko("triggers", "list").out

    [paused] = jikko.json("triggers", "pause", "日報 📰/clock", "--for", "2d", "--reason", "棚卸し")
    assert paused["paused"] == "棚卸し"
    [entry] = jikko.json("triggers", "list")
    assert entry["paused"] == "棚卸し"
    assert entry["next"][0] > entry["paused_until"]

    assert jikko("triggers", "enable", "日報 📰/clock").code == 0
    assert "paused" not in jikko.json("triggers", "list")[0]

    times = ("--from", "2026-03-01T00:00+09:00", "--to", "2026-03-03T00:00+09:00")
    assert jikko.json("triggers", "backfill", "日報 📰/clock", *times)[0]["added"] == 3
    [entry] = jikko.json("triggers", "list")
    assert [each["state"] for each in entry["recent"]] == ["waiting"] * 3

    dry = jikko("triggers", "fire", "日報 📰/clock", "--dry")
    assert (dry.code, dry.out.startswith("It would run once more, now.  next 2")) == (0, True)
    assert jikko.json("triggers", "backfill", "日報 📰/clock", "--drop")[0]["dropped"] == 3
    [entry] = jikko.json("triggers", "list")
    assert [(each["state"], each["why"]) for each in entry["recent"]] == [("skipped", "dropped")] * 3
    assert "give --from and --to, or --drop alone" in jikko("triggers", "backfill", "日報 📰/clock").err

    refused = jikko("triggers", "backfill", "日報 📰/clock", "--from", "soon", "--to", "now")
    assert "'soon' is not a time such as" in refused.err
    assert not refused.has_traceback


def test_a_server_reads_what_is_set_for_schedules_again(tmp_path: Path) -> None:
    home, file, options = tmp_path / "home", tmp_path / "earlier.yml", tmp_path / "triggers.yml"
    record, jikko = Record(home), Command(home)
    file.write_text(was_due(), "utf-8")
    options.write_text("triggers: {}", "utf-8")
    with closing(Server(home, file, settings={"JIKKO_TRIGGERS": str(options)})):
        until(lambda: record("SELECT count(*) FROM schedules WHERE plan <> ''") > 0, "the schedule is planned")
        options.write_text("triggers: {さっき ⏱/clock: {start: 2020-01-02, end: 2020-01-01}}", "utf-8")
        assert "is before the start" in jikko("reload").err
        options.write_text("triggers: {さっき ⏱/clock: {end: 2020-01-01}}", "utf-8")
        assert jikko("reload").code == 0

        until(lambda: record("SELECT count(*) FROM schedules WHERE wake IS NULL") > 0, "the schedule is over")


def test_a_schedule_that_never_runs_is_told_when_its_app_is_imported(tmp_path: Path) -> None:
    jikko, file = Command(tmp_path / "home"), tmp_path / "never.yml"
    nodes = [node("clock", "trigger-schedule", mode="cron", cron_expression="0 9 31 2 *"), end(out="sys.timestamp")]
    file.write_text(app("二月三十一日", nodes, "clock>end"), "utf-8")

    imported = jikko("apps", "import", file)

    assert imported.code == 0
    assert "warning: workflow.graph.nodes[0].data: this schedule never runs: no such date ever comes" in imported.err
