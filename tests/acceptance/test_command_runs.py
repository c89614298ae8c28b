"""``jikko runs``: looking at runs and acting on them on the machine where they are, with a server and without one."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import JIKKO, Command, Server, environment
from tests.acceptance.test_command_trial import on_terminal
from tests.acceptance.workflows import ASKS, ECHO, app, end, fetch, start, template
from tests.effort import PATIENCE, trusted


def waits(echo: EchoServer, path: str, printed: str = "one") -> str:
    return app(
        "Waits",
        [start("q"), template("said", printed), fetch("wait", f"{echo.url}{path}"), end(x="said.output")],
        "start>said said>wait wait>end",
    )


@pytest.fixture
def files(tmp_path: Path, echo: EchoServer, request: pytest.FixtureRequest) -> list[Path]:
    """A workflow that waits at the echo server, at an address of this test, and one that asks."""
    paths = [tmp_path / "waits.yml", tmp_path / "asks.yml"]
    paths[0].write_text(waits(echo, f"/hold/{request.node.name}"), encoding="utf-8")
    paths[1].write_text(ASKS, encoding="utf-8")
    return paths


@pytest.fixture
def keys(jikko: Command, files: list[Path]) -> list[str]:
    return [entry["api_key"] for entry in jikko.json("apps", "import", *files)]


@pytest.fixture
def server(jikko: Command, keys: list[str]) -> Iterator[Server]:
    server = Server(jikko.home, settings={"JIKKO_SHUTDOWN_SECONDS": "0.1"})
    yield server
    server.close()


def begun(server: Server, key: str, mode: str = "async") -> str:
    client = Client(server.url, key)
    try:
        run_id: str = client.run(mode, q="x")["workflow_run_id"]
        return run_id
    finally:
        client.close()


def test_a_run_that_goes_on_tells_its_time_its_node_and_when_it_began(
    jikko: Command, server: Server, keys: list[str], echo: EchoServer, request: pytest.FixtureRequest
) -> None:
    run_id = begun(server, keys[0])
    echo.wait_for_calls(f"/hold/{request.node.name}")

    [listed] = jikko.json("runs", "list", "--status", "running")
    [shown] = jikko.json("runs", "show", run_id[:13])

    assert (listed["workflow_run_id"], listed["status"], listed["current_nodes"]) == (run_id, "running", ["wait"])
    assert listed["started"].endswith("Z")
    for entry in (listed, shown):
        assert entry["elapsed_time"] > 0
        assert entry["total_steps"] == 3
    [node] = [entry for entry in shown["node_executions"] if entry["node_id"] == "wait"]
    assert (node["status"], node["elapsed_time"] > 0) == ("running", True)
    assert jikko.json("runs", "list", "--status", "partial-succeeded") == []
    [header, line] = jikko("runs", "list", "--since", "1h").out.splitlines()
    assert header.split() == ["RUN", "STATUS", "STARTED", "TOOK", "STEPS", "APP"]
    assert "Waits, at wait" in line


def test_a_stopped_node_has_the_time_that_it_took(
    jikko: Command, server: Server, keys: list[str], echo: EchoServer, request: pytest.FixtureRequest
) -> None:
    run_id = begun(server, keys[0])
    echo.wait_for_calls(f"/hold/{request.node.name}")

    assert jikko("runs", "stop", run_id).code == 0

    [shown] = jikko.json("runs", "show", run_id)
    [node] = [entry for entry in shown["node_executions"] if entry["node_id"] == "wait"]
    assert (shown["status"], node["status"], node["elapsed_time"] > 0) == ("stopped", "stopped", True)


def test_a_list_fits_60_columns_and_its_ids_are_short(jikko: Command, server: Server, keys: list[str]) -> None:
    run_id = begun(server, keys[1], "blocking")

    printed = on_terminal(jikko, "runs", "list", COLUMNS="60")

    assert run_id[:13] in printed
    assert run_id not in printed
    assert all(len(line) <= 60 for line in printed.splitlines())


@pytest.mark.parametrize(
    ("list_", "printed"),
    [
        (("runs", "list"), "no runs yet"),
        (("apps", "list"), "no apps yet"),
        (("providers", "list"), "no providers"),
        (("callbacks", "list"), "no undelivered callbacks"),
        (("plugins", "list"), "no plugins are installed"),
        (("knowledge", "list"), "no datasets yet"),
        (("knowledge", "keys", "list"), "no keys yet"),
        (("knowledge", "external", "list"), "no external knowledge APIs"),
        (("console", "tokens", "list"), "no tokens yet"),
    ],
)
def test_an_empty_list_says_so_on_a_terminal_and_is_silent_in_a_pipe(
    jikko: Command, list_: tuple[str, ...], printed: str
) -> None:
    jikko.json("migrate")
    assert printed in on_terminal(jikko, *list_)
    assert jikko(*list_).out == ""


def test_stop_and_retry_need_neither_address_nor_key_beside_a_server(
    jikko: Command, server: Server, keys: list[str], echo: EchoServer, request: pytest.FixtureRequest
) -> None:
    path = f"/hold/{request.node.name}"
    run_id = begun(server, keys[0])
    echo.wait_for_calls(path)

    stopped = jikko("runs", "stop", run_id[:13])
    again = jikko("runs", "stop", run_id)
    echo.release(path)
    retried = jikko("runs", "retry", run_id, "--from", "said", "--wait", "--json")

    assert (stopped.code, stopped.out) == (0, "stopped\n")
    assert (again.code, "the run has already ended (stopped)" in again.err) == (9, True)
    assert retried.code == 0, retried
    assert retried.lines[0]["data"]["status"] == "succeeded"
    # The key that the command acted with is gone.
    assert len(jikko.json("apps", "show", "Waits")[0]["keys"]) == 1


def test_a_form_is_submitted_beside_a_server(jikko: Command, server: Server, keys: list[str]) -> None:
    run_id = begun(server, keys[1], "blocking")

    outcome = jikko("runs", "submit", run_id, "-i", "comment=ja 🚀", "--action", "yes")

    assert outcome.code == 0, outcome
    followed = jikko("runs", "follow", run_id, "--json")
    assert (followed.code, followed.lines[-1]["outputs"]) == (0, {"said": "ja 🚀"})


def test_a_run_that_a_server_left_is_stopped_without_one(
    jikko: Command, server: Server, keys: list[str], echo: EchoServer, request: pytest.FixtureRequest
) -> None:
    run_id = begun(server, keys[0])
    echo.wait_for_calls(f"/hold/{request.node.name}")
    assert server.stop() == 0

    assert jikko("runs", "stop", run_id).code == 0

    [shown] = jikko.json("runs", "show", run_id)
    assert shown["status"] == "stopped"


def test_a_run_is_repeated_by_the_current_version_without_a_server(
    jikko: Command, tmp_path: Path, echo: EchoServer
) -> None:
    file = tmp_path / "flow.yml"
    file.write_text(app("Waits", [start("q"), template("a", "{{ 1/0 }}"), end(x="a.output")], "start>a a>end"))
    assert jikko("run", file, "-i", "q=x", "--home", jikko.home).code == 1
    [failed] = jikko.json("runs", "list")
    file.write_text(app("Waits", [start("q"), template("a", "修理"), end(x="a.output")], "start>a a>end"))
    assert jikko("apps", "import", file).code == 0

    old = jikko("runs", "retry", failed["workflow_run_id"])
    new = jikko("runs", "retry", failed["workflow_run_id"], "--current")

    assert (old.code, new.code) == (1, 0)
    assert "--current repeats it with the app's current one" in old.err
    assert "--current" not in new.err
    newest = jikko.json("runs", "list")[0]
    assert (newest["status"], newest["outputs"]) == ("succeeded", {"x": "修理"})


def test_a_run_is_repeated_with_given_values_without_a_server_and_beside_one(
    jikko: Command, server: Server, keys: list[str], echo: EchoServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    run_id = begun(server, keys[0])
    echo.wait_for_calls(f"/hold/{request.node.name}")
    jikko("runs", "stop", run_id)
    outputs = tmp_path / "出力.json"
    outputs.write_text('{"body": "模擬 🎉", "status_code": 200}', encoding="utf-8")

    beside = jikko("runs", "retry", run_id, "--mock", f"wait=@{outputs}", "--wait", "--json")
    assert beside.code == 0, beside
    again = beside.lines[0]["workflow_run_id"]
    wrong = jikko("runs", "retry", again, "--from", "said", "--mock", "wiat={}", "--values", "said={}", "--wait")
    assert (wrong.code, "no node has the id or title 'wiat' (did you mean 'wait'?)" in wrong.err) == (3, True)
    assert "'said' runs again: mock it" in wrong.err
    assert server.stop() == 0

    alone = jikko("runs", "retry", again, "--from", "end", "--values", 'said={"output": "別"}')
    assert alone.code == 0, alone
    [shown] = jikko.json("runs", "show", jikko.json("runs", "list")[0]["workflow_run_id"])
    assert (shown["status"], shown["outputs"]) == ("succeeded", {"x": "別"})
    assert jikko("runs", "retry", again, "--mock", "wait").code == 2


def test_what_is_not_there_has_a_code_of_its_own_and_makes_no_folder(jikko: Command) -> None:
    for command in ("stop", "retry", "submit"):
        assert jikko("runs", command, "01a217f8").code == 7
    for reads in ("runs list", "runs show 01a217f8-9c3e", "apps list", "knowledge list", "console tokens list"):
        outcome = jikko(*reads.split())
        assert (outcome.code, "has no database" in outcome.err) == (7, True)
    assert jikko("doctor").code == jikko("tools", "list").code == jikko("providers", "list").code == 0
    assert not jikko.home.exists()


def test_ctrl_c_leaves_a_run_that_is_followed_alone(
    jikko: Command, server: Server, keys: list[str], echo: EchoServer, request: pytest.FixtureRequest
) -> None:
    run_id = begun(server, keys[0])
    echo.wait_for_calls(f"/hold/{request.node.name}")
    process = subprocess.Popen(
        [JIKKO, "runs", "follow", run_id], env=environment(jikko.home), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    first = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)

    assert first == b"run started\n"
    assert process.returncode == 130
    assert f"the run goes on; jikko runs follow {run_id}" in err.decode()
    assert jikko.json("runs", "show", run_id)[0]["status"] == "running"


def test_a_server_whose_terminal_is_closed_stops_in_good_order(
    jikko: Command, server: Server, keys: list[str], echo: EchoServer, request: pytest.FixtureRequest
) -> None:
    begun(server, keys[0])
    echo.wait_for_calls(f"/hold/{request.node.name}")

    server.send(signal.SIGHUP)

    assert server.wait() == 0
    assert "Stopping: 1 run has 0.1 s to finish; Ctrl-C again parks it at once." in server.output
    assert "1 run was parked" in server.output


def test_a_window_that_is_closed_parked_runs_at_once(
    jikko: Command, keys: list[str], echo: EchoServer, request: pytest.FixtureRequest
) -> None:
    path = f"/hold/{request.node.name}"
    server = Server(jikko.home, settings={"JIKKO_SHUTDOWN_SECONDS": "600"})
    try:
        begun(server, keys[0])
        echo.wait_for_calls(path)
        # The system and the shell of the window tell it one after the other; both are told once the window is gone.
        server.send(signal.SIGHUP)
        while "Stopping" not in server.output:
            assert httpx.get(f"{server.url}/livez", verify=trusted(), timeout=PATIENCE).status_code == 200
        server.send(signal.SIGHUP)
        server.send(signal.SIGTERM)

        echo.release(path)

        assert server.wait() == 0
        assert "at once …" not in server.output
        assert "parked;" not in server.output
    finally:
        server.close()
    assert [entry["status"] for entry in jikko.json("runs", "list")] == ["succeeded"]


def test_a_server_without_runs_promises_them_no_time(server: Server) -> None:
    server.send(signal.SIGTERM)

    assert server.wait() == 0
    assert "Stopping." in server.output
    assert "to finish" not in server.output


def test_pruning_can_be_tried_and_asks_on_a_terminal(jikko: Command, tmp_path: Path) -> None:
    for name in ("A", "B"):
        file = tmp_path / f"{name}.yml"
        file.write_text(app(name, [start("q"), end(q="start.q")], "start>end"))
        assert jikko("run", file, "-i", "q=x", "--keep").code == 0

    assert jikko("runs", "prune", "--older-than", "0s", "--dry-run").out == "2 runs would be removed.\n"
    refused = on_terminal(jikko, "runs", "prune", "--older-than", "0s", answers=[("Remove 2 runs?", "n")])
    assert "removed." not in refused
    assert jikko.json("runs", "prune", "--older-than", "0s", "--app", "A") == [{"runs": 1, "files": 0}]
    asked = on_terminal(jikko, "runs", "prune", "--older-than", "0s", answers=[("Remove 1 run?", "y")])
    assert "1 run and 0 files were removed." in asked


@pytest.mark.parametrize("by", ["name", "id"])
def test_runs_of_a_removed_app_are_pruned_by_what_the_app_was_called(jikko: Command, tmp_path: Path, by: str) -> None:
    for name in ("消えた", "stays"):
        file = tmp_path / f"{name}.yml"
        file.write_text(app(name, [start("q"), end(q="start.q")], "start>end"), encoding="utf-8")
        assert jikko("run", file, "-i", "q=x", "--keep").code == 0
    gone = "消えた"
    if by == "id":
        [gone] = [entry["app_id"] for entry in jikko.json("apps", "list") if entry["name"] == "消えた"]
    assert jikko("apps", "delete", "消えた", "--yes").code == 0

    assert jikko("runs", "prune", "--older-than", "0s", "--app", gone, "--dry-run").out == "1 run would be removed.\n"
    assert jikko.json("runs", "prune", "--older-than", "0s", "--app", gone) == [{"runs": 1, "files": 0}]
    assert len(jikko.json("runs", "list", "--all")) == 1
    assert jikko("runs", "prune", "--older-than", "0s", "--app", "never").code == 7


def test_a_shell_completes_apps_and_runs(jikko: Command, tmp_path: Path) -> None:
    file = tmp_path / "x.yml"
    file.write_text(app("Ordnung 🚀", [start("q"), end(q="start.q")], "start>end"), encoding="utf-8")
    assert jikko("run", file, "-i", "q=x", "--keep").code == 0
    [entry] = jikko.json("runs", "list")

    def offered(words: str) -> str:
        number = str(len(words.split()) if words.endswith(" ") else len(words.split()) - 1)
        return jikko(_JIKKO_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=number).out

    assert offered("jikko runs list --app Ord") == "plain,Ordnung 🚀\n"
    assert offered("jikko runs show 01") == f"plain,{entry['workflow_run_id']}\n"


def test_a_run_without_a_failed_node_is_repeated_only_from_a_node_that_is_named(jikko: Command, tmp_path: Path) -> None:
    file = tmp_path / "echo.yml"
    file.write_text(ECHO, encoding="utf-8")
    jikko("run", file, "-i", "q=x", "--home", jikko.home)
    [run] = jikko.json("runs", "list")

    refused = jikko("runs", "retry", run["workflow_run_id"])

    assert (refused.code, "--from NODE_ID" in refused.err) == (3, True)
