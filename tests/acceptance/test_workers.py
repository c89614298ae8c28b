"""``jikko serve --workers 2``: any process answers for any run, and one that dies takes nothing along."""

import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.faults import until
from tests.acceptance.processes import Command
from tests.acceptance.several import SeveralWorkers
from tests.acceptance.workflows import ASKS, ECHO, app, end, fetch, form, start
from tests.effort import PATIENCE

RUN = "{{#sys.workflow_run_id#}}"


@pytest.fixture(scope="module")
def apps(echo: EchoServer) -> dict[str, str]:
    held = [start("q"), fetch("first", f"{echo.url}/{RUN}/first"), fetch("wait", f"{echo.url}/hold/{RUN}")]
    held.append(end(q="start.q", answer="wait.body"))
    busy = [start("q"), fetch("wait", f"{echo.url}/hold/{RUN}"), form("ask", "?"), form("other", "?")]
    busy += [end("done", said="ask.comment"), end("also", said="other.comment"), end(answer="wait.body")]
    edges = "start>wait start>ask start>other wait>end ask:yes>done ask:no>done other:yes>also other:no>also"
    return {
        "echo": ECHO,
        "asks": ASKS,
        "held": app("Held", held, "start>first first>wait wait>end"),
        "busy": app("Busy", busy, edges),
    }


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory, apps: dict[str, str]) -> Iterator[SeveralWorkers]:
    """Those that many tests share, and none kills."""
    workers = SeveralWorkers(tmp_path_factory.mktemp("several"), apps)
    yield workers
    workers.close()


@pytest.fixture
def mortal(tmp_path: Path, apps: dict[str, str]) -> Iterator[SeveralWorkers]:
    """Those of one test, which may kill them."""
    workers = SeveralWorkers(tmp_path, apps)
    yield workers
    workers.close()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def form_token(client: Client, run: str, node: str) -> str:
    """The token of a form, once it was asked for."""
    found: list[str] = []

    def is_asked_for() -> bool:
        asked = (event for event in client.log(run) if event["event"] == "form_requested" and event["node_id"] == node)
        found.extend(event["form"]["form_token"] for event in asked)
        return bool(found)

    until(is_asked_for, "the form is asked for")
    return found[0]


def wait_until_it_waits(client: Client, run: str, echo: EchoServer) -> None:
    """Until a run is at its second call, and that its first has ended is in the log."""
    echo.wait_for_calls(f"/hold/{run}")
    until(lambda: "wait" in [node["node_id"] for node in client.node_executions(run)], "it waits, durably")


def submit(client: Client, token: str, comment: str) -> httpx.Response:
    body = {"inputs": {"comment": comment}, "action": "yes", "user": client.user}
    return client.request("POST", f"/v1/form/human_input/{token}", json=body)


def test_a_run_is_read_in_every_process(several: SeveralWorkers) -> None:
    one, other = several.pair("echo")
    run = one.run(q="山")["workflow_run_id"]

    assert other.detail(run) == one.detail(run)
    assert other.detail(run)["outputs"] == {"q": "山"}
    assert other.node_executions(run) == one.node_executions(run)
    assert other.log(run) == one.log(run)


def test_a_run_under_way_is_followed_live_in_another_process(several: SeveralWorkers, echo: EchoServer) -> None:
    one, other = several.pair("held")
    run = one.run("async", q="x")["workflow_run_id"]
    echo.wait_for_calls(f"/hold/{run}")

    with other.following(run) as events:
        seen = [next(events)[1]["event"] for _ in range(5)]
        assert "run_finished" not in seen
        echo.release(f"/hold/{run}")
        rest = [event for _, event in events]

    assert rest[-1]["event"] == "run_finished"
    assert rest[-1]["outputs"] == {"q": "x", "answer": f"/hold/{run}"}


def test_runs_that_wait_at_a_busy_worker_begin_at_an_idle_one(
    tmp_path: Path, apps: dict[str, str], echo: EchoServer
) -> None:
    """All come over one connection, so to one worker, whose part of the runs that may go on is half of them."""
    workers = SeveralWorkers(tmp_path, apps, JIKKO_MAX_RUNS="4")
    try:
        one, other = workers.pair("held")
        runs = [one.run("async", q=str(number))["workflow_run_id"] for number in range(6)]
        for run in runs[:4]:
            echo.wait_for_calls(f"/hold/{run}")
        assert echo.calls(f"/hold/{runs[4]}") == []
        for run in runs:
            echo.release(f"/hold/{run}")

        assert [other.finished(run)["status"] for run in runs] == ["succeeded"] * 6
        assert all(len(echo.calls(f"/{run}/first")) == 1 for run in runs)
    finally:
        workers.close()


def test_dify_s_way_to_listen_again_works_in_another_process(several: SeveralWorkers, echo: EchoServer) -> None:
    one, other = several.pair("held")
    run = one.run("async", q="x")["workflow_run_id"]
    echo.wait_for_calls(f"/hold/{run}")

    path = f"/v1/workflow/{run}/events?user=someone&include_state_snapshot=true"
    with other.messages("GET", path) as messages:
        assert next(messages)["event"] == "workflow_started"
        echo.release(f"/hold/{run}")
        received = list(messages)

    assert received[-1]["event"] == "workflow_finished"
    assert received[-1]["data"]["outputs"] == {"q": "x", "answer": f"/hold/{run}"}


@pytest.mark.parametrize("by", ["task_id", "workflow_run_id"])
def test_a_run_is_stopped_from_another_process(several: SeveralWorkers, echo: EchoServer, by: str) -> None:
    one, other = several.pair("held")
    started = one.run("async", q="x")
    run = started["workflow_run_id"]
    echo.wait_for_calls(f"/hold/{run}")

    path = f"tasks/{started[by]}" if by == "task_id" else f"run/{run}"
    answer = other.request("POST", f"/v1/workflows/{path}/stop", json={"user": "someone"})
    detail = other.finished(run)

    assert answer.json()["result"] == "success"
    assert answer.json().get("stopped", True) is True
    # The node that it was at still waits.
    assert detail["status"] == "stopped"
    echo.release(f"/hold/{run}")


def test_a_form_is_handed_in_to_a_run_under_way_in_another_process(several: SeveralWorkers, echo: EchoServer) -> None:
    one, other = several.pair("busy")
    run = one.run("async", q="x")["workflow_run_id"]
    token = form_token(other, run, "ask")

    assert submit(other, token, "from afar").status_code == 200
    assert submit(one, token, "too late").status_code == 412
    assert submit(one, form_token(one, run, "other"), "near").status_code == 200

    echo.release(f"/hold/{run}")
    detail = other.finished(run)
    assert detail["status"] == "succeeded"
    assert detail["outputs"]["answer"] == f"/hold/{run}"


def test_two_forms_of_a_paused_run_are_handed_in_at_once_in_two_processes(
    several: SeveralWorkers, echo: EchoServer
) -> None:
    one, other = several.pair("busy")
    run = one.run("async", q="x")["workflow_run_id"]
    tokens = [form_token(one, run, name) for name in ("ask", "other")]
    echo.release(f"/hold/{run}")
    until(lambda: one.detail(run)["status"] == "paused", "the run is paused")

    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(submit, (one, other), tokens, ("here", "there")))

    assert [answer.status_code for answer in answers] == [200, 200], [answer.text for answer in answers]
    assert one.finished(run)["status"] == "succeeded"


def test_the_same_idempotency_key_in_two_processes_at_once_starts_one_run(
    several: SeveralWorkers, echo: EchoServer
) -> None:
    pair = several.pair("held")

    def begin(client: Client) -> httpx.Response:
        body = client.body("async", {"q": "x"})
        return client.request("POST", "/v1/workflows/run", json=body, headers={"Idempotency-Key": "once"})

    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(begin, pair))

    assert [answer.status_code for answer in answers] == [202, 202]
    [run] = {answer.json()["workflow_run_id"] for answer in answers}
    assert sorted(answer.headers.get("Idempotency-Replayed", "") for answer in answers) == ["", "true"]
    echo.release(f"/hold/{run}")
    assert pair[0].finished(run)["status"] == "succeeded"


def test_a_run_of_a_process_that_is_killed_goes_on_in_another_one(mortal: SeveralWorkers, echo: EchoServer) -> None:
    one, other = mortal.pair("held")
    runs = [one.run("async", q=str(number))["workflow_run_id"] for number in range(10)]
    for run in runs:
        wait_until_it_waits(other, run, echo)

    kill(one.process)
    for number, run in enumerate(runs):
        echo.wait_for_calls(f"/hold/{run}", 2)
        echo.release(f"/hold/{run}")
        detail = other.finished(run)
        assert (detail["status"], detail["outputs"]["q"]) == ("succeeded", str(number))
        assert len(echo.calls(f"/{run}/first")) == 1, "a node that had finished ran again"
    assert is_there(other.process)

    # Another worker takes the place of the one that died.
    newcomer = mortal.client("echo", lambda pid: pid != other.process)
    assert newcomer.run(q="again")["data"]["outputs"] == {"q": "again"}
    assert mortal.server.stop() == 0


@pytest.mark.slow
def test_a_run_of_a_process_that_hangs_goes_on_in_another_one(mortal: SeveralWorkers, echo: EchoServer) -> None:
    one, other = mortal.pair("held")
    runs = [one.run("async", q=str(number))["workflow_run_id"] for number in range(5)]
    for run in runs:
        wait_until_it_waits(other, run, echo)

    # It is killed once it has missed its heartbeats; until then its runs wait.
    os.kill(one.process, signal.SIGSTOP)
    for run in runs:
        echo.wait_for_calls(f"/hold/{run}", 2, timeout=60)
        echo.release(f"/hold/{run}")
        assert other.finished(run)["status"] == "succeeded"
        assert len(echo.calls(f"/{run}/first")) == 1, "a node that had finished ran again"
    until(lambda: not is_there(one.process), "the one that hung is gone")
    assert mortal.server.stop() == 0


def test_whichever_process_dies_meanwhile_a_stop_reaches_the_run(mortal: SeveralWorkers, echo: EchoServer) -> None:
    one, other = mortal.pair("held")
    run = one.run("async", q="x")["workflow_run_id"]
    echo.wait_for_calls(f"/hold/{run}")

    kill(one.process)
    answer = other.request("POST", f"/v1/workflows/run/{run}/stop", json={"user": "someone"})

    assert answer.json() == {"result": "success", "stopped": True}
    assert other.finished(run)["status"] == "stopped"
    echo.release(f"/hold/{run}")


def test_when_all_workers_die_the_next_ones_go_on(mortal: SeveralWorkers, echo: EchoServer) -> None:
    one, other = mortal.pair("held")
    runs = [client.run("async", q="x")["workflow_run_id"] for client in (one, other)]
    for run in runs:
        echo.wait_for_calls(f"/hold/{run}")

    for client in (one, other):
        kill(client.process)
    for run in runs:
        echo.release(f"/hold/{run}")
    later = mortal.client("held")

    assert [later.finished(run)["status"] for run in runs] == ["succeeded", "succeeded"]


def test_when_the_server_is_killed_its_workers_end_and_the_next_server_goes_on(
    mortal: SeveralWorkers, echo: EchoServer
) -> None:
    one, other = mortal.pair("held")
    runs = [client.run("async", q="x")["workflow_run_id"] for client in (one, other)]
    for run in runs:
        echo.wait_for_calls(f"/hold/{run}")

    mortal.server.kill()
    until(lambda: not is_there(one.process) and not is_there(other.process), "the workers have ended")
    mortal.restart()
    for run in runs:
        echo.release(f"/hold/{run}")
    client = mortal.client("held")

    assert [client.finished(run)["status"] for run in runs] == ["succeeded", "succeeded"]


def test_a_server_that_starts_right_after_a_kill_goes_on_with_what_the_workers_parked(
    several: SeveralWorkers, echo: EchoServer
) -> None:
    runs = [client.run("async", q="x")["workflow_run_id"] for client in several.pair("held")]
    for run in runs:
        echo.wait_for_calls(f"/hold/{run}")

    several.server.kill()
    several.restart()
    for run in runs:
        echo.release(f"/hold/{run}")

    client = several.client("held")
    assert [client.finished(run)["status"] for run in runs] == ["succeeded", "succeeded"]


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("workers", ["1", "2"])
def test_runs_that_are_parked_go_on_with_any_number_of_workers(
    tmp_path: Path, apps: dict[str, str], echo: EchoServer, workers: str
) -> None:
    before = SeveralWorkers(tmp_path, apps, JIKKO_SHUTDOWN_SECONDS="0", JIKKO_WORKERS="3" if workers == "1" else "1")
    try:
        client = before.client("held")
        runs = [client.run("async", q="x")["workflow_run_id"] for _ in range(6)]
        for run in runs:
            echo.wait_for_calls(f"/hold/{run}")
        assert before.server.stop() == 0, before.server.output
        before._settings["JIKKO_WORKERS"] = workers
        before.restart()
        for run in runs:
            echo.release(f"/hold/{run}")
        client = before.client("held")
        assert {client.finished(run)["status"] for run in runs} == {"succeeded"}
    finally:
        before.close()


def test_connections_are_refused_once_no_worker_takes_them(mortal: SeveralWorkers) -> None:
    address = mortal.server.url.removeprefix("http://").split(":")
    one, other = mortal.pair("echo")
    with ExitStack() as stack:
        # Requests that never come to their end keep the workers from ending for a while.
        for _ in range(20):
            held = stack.enter_context(socket.create_connection((address[0], int(address[1])), timeout=PATIENCE))
            held.sendall(
                b"POST /v1/workflows/run HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n"
                b"Content-Length: 9\r\n\r\n" % mortal.keys["echo"].encode()
            )
        assert one.run(q="x")["data"]["outputs"] == other.run(q="x")["data"]["outputs"] == {"q": "x"}

        mortal.server.send(signal.SIGTERM)
        until(lambda: is_refused(address[0], int(address[1])), "connections are refused")

        assert is_there(one.process) or is_there(other.process)
    assert mortal.server.wait() == 0


def is_refused(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def test_streams_of_runs_that_are_parked_or_paused_end_with_the_server(tmp_path: Path, apps: dict[str, str]) -> None:
    several = SeveralWorkers(tmp_path, apps, JIKKO_SHUTDOWN_SECONDS="0")
    try:
        one, other = several.pair("asks")
        run = one.run(q="x")["workflow_run_id"]
        with one.following(run) as here, other.following(run) as there:
            for events in (here, there):
                while next(events)[1]["event"] != "run_paused":
                    pass
            several.server.send(signal.SIGTERM)
            assert [list(here), list(there)] == [[], []]
        assert several.server.wait() == 0
        assert "Traceback" not in several.server.output
    finally:
        several.close()


def test_a_key_is_counted_for_all_processes_together(tmp_path: Path, apps: dict[str, str]) -> None:
    several = SeveralWorkers(tmp_path, apps, JIKKO_REQUESTS_PER_MINUTE="6")
    try:
        pair = several.pair("echo")
        answers = [client.request("GET", "/v1/info") for _ in range(4) for client in pair]
    finally:
        several.close()

    assert [answer.status_code for answer in answers] == [200] * 6 + [429] * 2
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60


def test_what_keeps_a_worker_from_starting_is_said_once_and_ends_the_server(jikko: Command, tmp_path: Path) -> None:
    file = tmp_path / "broken.yml"
    file.write_text("app: [")

    outcome = jikko("serve", "--workers", "2", "--port", "0", str(file))

    assert outcome.code == 8
    assert outcome.err.count("Error:") == 1
    assert "broken.yml: 1 problem" in outcome.err
    assert not outcome.has_traceback


def test_what_keeps_a_later_worker_from_starting_ends_nothing(tmp_path: Path, apps: dict[str, str]) -> None:
    providers = tmp_path / "providers.yml"
    providers.write_text("providers: {}")
    several = SeveralWorkers(tmp_path, apps, JIKKO_PROVIDERS=str(providers))
    try:
        one, other = several.pair("echo")
        providers.write_text("providers: [")

        kill(one.process)
        until(lambda: several.server.output.count("another one is started") >= 2, "it was tried twice")
        # New connections do not wait for the worker that cannot be started.
        assert {several.client("echo").process for _ in range(20)} == {other.process}
        providers.write_text("providers: {}")

        newcomer = several.client("echo", lambda pid: pid != other.process)
        assert newcomer.run(q="again")["data"]["outputs"] == {"q": "again"}
        assert several.server.stop() == 0
    finally:
        several.close()


def test_an_address_that_is_in_use_is_refused(several: SeveralWorkers, tmp_path: Path) -> None:
    port = several.server.url.rpartition(":")[2]

    outcome = Command(tmp_path / "other")("serve", "--workers", "2", "--port", port)

    received = f"Error: Cannot listen on 127.0.0.1:{port}: Address already in use. Choose another with --port"
    assert (outcome.code, outcome.err.startswith(received)) == (2, True)
