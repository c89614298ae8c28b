"""Servers of this version beside those of the next, which writes an event and has a column that this does not know."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jikko.store.postgres.schema_locks import MAIN
from tests.acceptance.echo import EchoServer
from tests.acceptance.faults import until
from tests.acceptance.newer_build import newer_build
from tests.acceptance.processes import Command, Server
from tests.acceptance.several_servers import ONLY_THE_DEAD_GO, SeveralServers
from tests.acceptance.test_several_servers import require_one_history, submit
from tests.acceptance.workflows import ASKS, app, end, fetch, start

pytestmark = [pytest.mark.services, pytest.mark.slow]


@pytest.fixture
def several(tmp_path: Path, echo: EchoServer, several_settings: dict[str, str]) -> Iterator[SeveralServers]:
    """One server of this version."""
    nodes = [start("q"), fetch("wait", f"{echo.url}/hold/{{{{#start.q#}}}}"), end(q="start.q")]
    apps = {"held": app("Held", nodes, "start>wait wait>end"), "form": ASKS}
    made = SeveralServers(tmp_path, apps, several_settings | ONLY_THE_DEAD_GO, 1)
    yield made
    made.close()


@pytest.fixture
def newer(several: SeveralServers, tmp_path: Path) -> Callable[[], Server]:
    """Starts one of the next version."""
    path = str(newer_build(tmp_path))
    return lambda: several.start(PYTHONPATH=path)


def test_a_form_of_a_newer_run_is_shown_and_answered_by_an_older_server(
    several: SeveralServers, newer: Callable[[], Server]
) -> None:
    older, begins = several.client("form", several.servers[0]), several.client("form", newer())
    run = begins.run("async", q="こんにちは🙂\ue000")["workflow_run_id"]

    with older.following(run) as events:
        requested = next(event for _, event in events if event["event"] == "form_requested")
    kinds = [event.get("kind") for event in older.log(run) if event["event"] == "unknown_event"]
    # A client tries again, until the older server has heard of the newer one.
    until(lambda: submit(older, requested, "良い 🙂") == 200, "the form is taken")

    assert kinds[0] == "run_noted"
    assert older.finished(run)["status"] == "succeeded"
    log = require_one_history(begins, run)
    assert "run_noted" in {event["event"] for event in log}
    assert len(older.log(run)) == len(log)


def test_runs_go_on_only_where_they_can_be_read(
    several: SeveralServers, newer: Callable[[], Server], echo: EchoServer
) -> None:
    [older] = several.servers
    first = newer()
    client = several.client("held", older)
    of_newer = several.client("held", first).run("async", q="newer")["workflow_run_id"]
    of_older = client.run("async", q="older")["workflow_run_id"]
    for word in ("newer", "older"):
        echo.wait_for_calls(f"/hold/{word}")

    first.kill()
    several.servers.remove(first)
    echo.release("/hold/newer")
    # Others of its kind are taken over after this; it is not.
    probe = client.run("async", q="probe")["workflow_run_id"]
    echo.wait_for_calls("/hold/probe")
    until(lambda: "is dead" in older.output, "the older server misses the newer one")
    asked = len(echo.calls("/hold/newer"))
    second = newer()
    echo.wait_for_calls("/hold/newer", asked + 1)
    older.kill()
    several.servers.remove(older)
    echo.release("/hold/older")
    echo.release("/hold/probe")

    client = several.client("held", second)
    for run in (of_newer, of_older, probe):
        assert client.finished(run)["status"] == "succeeded"
        log = require_one_history(client, run)
        assert [event["event"] for event in log].count("run_recovered") == 1
    assert asked == 1, "the older server did not go on with it"


def test_a_run_of_a_newer_version_that_waits_for_a_form_waits_for_a_server_of_that(
    several: SeveralServers, newer: Callable[[], Server]
) -> None:
    older, first = several.client("form", several.servers[0]), newer()
    run = several.client("form", first).run("async", q="1")["workflow_run_id"]
    with older.following(run) as events:
        requested = next(event for _, event in events if event["event"] == "form_requested")
    assert first.stop() == 0
    several.servers.remove(first)

    assert submit(older, requested, "too early") == 503
    newer()

    until(lambda: submit(older, requested, "now") == 200, "the form is taken")
    assert older.finished(run)["status"] == "succeeded"


def test_what_only_adds_is_made_beside_older_servers(several: SeveralServers, tmp_path: Path, echo: EchoServer) -> None:
    build = {"PYTHONPATH": str(newer_build(tmp_path))}
    elsewhere, client = Command(tmp_path / "elsewhere"), several.client("held", several.servers[0])

    done = elsewhere("migrate", **several.settings, **build)

    assert done.code == 0, done
    assert f"schema {MAIN.newest + 1}, of a newer version" in elsewhere("doctor", "--cluster", **several.settings).out
    echo.release("/hold/after")
    assert client.run(q="after")["data"]["status"] == "succeeded"


def test_what_older_servers_cannot_live_with_waits_for_their_end(
    several: SeveralServers, tmp_path: Path, echo: EchoServer
) -> None:
    build = {"PYTHONPATH": str(newer_build(tmp_path, MAIN.newest + 1))}
    elsewhere, client = Command(tmp_path / "elsewhere"), several.client("held", several.servers[0])

    for command in (("migrate",), ("serve", "--port", "0")):
        refused = elsewhere(*command, **several.settings, **build)
        assert (refused.code, refused.has_traceback) == (2, False), refused
        assert "is used by an older version of Jikko (" in refused.err
    echo.release("/hold/after")
    assert client.run(q="after")["data"]["status"] == "succeeded"

    several.close()
    # The database notices the ends of their connections by and by.
    until(lambda: elsewhere("migrate", **several.settings, **build).code == 0, "the tables are changed")
    older = elsewhere("serve", "--port", "0", **several.settings)
    assert (older.code, "of a newer version of Jikko" in older.err) == (2, True)


def test_a_database_of_others_is_left_as_it_is(several: SeveralServers, tmp_path: Path) -> None:
    alone = {name: value for name, value in several.settings.items() if name != "JIKKO_NATS_URL"}
    several.close()

    refused = Command(tmp_path / "elsewhere")("migrate", **alone, PYTHONPATH=str(newer_build(tmp_path)))

    assert (refused.code, "belongs to several servers" in refused.err) == (2, True)
    assert f"schema {MAIN.newest}\n" in Command(tmp_path / "elsewhere")("doctor", "--cluster", **several.settings).out
