"""Zombie worker of ``jikko serve --workers 2``: frozen until its runs were taken over, then resumed.

The supervisor is frozen with it: it would kill a worker that misses heartbeats, and a killed worker is no zombie. The
other worker waits in vain for an answer, and then handles clients' requests itself.
"""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.everything import until
from tests.acceptance.several import SeveralWorkers
from tests.acceptance.workflows import app, end, fetch, form, start
from tests.effort import PATIENCE

RUN = "{{#sys.workflow_run_id#}}"
LATE_SECONDS = 28.0
"""That an event may take to another worker: two, and what a busy machine adds. Were quiet runs not read, it would take
the half minute of the follower's question."""


@pytest.fixture
def workers(tmp_path: Path, echo: EchoServer) -> Iterator[SeveralWorkers]:
    nodes = [start("q"), form("ask", "?"), end("done", said="ask.comment"), end("later", answer="after.body")]
    nodes += [fetch(name, f"{echo.url}/{RUN}/{name}") for name in ("before", "after")]
    nodes.append(fetch("wait", f"{echo.url}/hold/{RUN}"))
    edges = "start>before before>ask before>wait wait>after after>later ask:yes>done ask:no>done"
    several = SeveralWorkers(tmp_path, {"busy": app("Busy", nodes, edges)}, JIKKO_SHUTDOWN_SECONDS="0")
    yield several
    several.close()


class Frozen:
    """Processes that stand still, until the end of the block."""

    def __init__(self, *processes: int) -> None:
        self._processes = processes

    def __enter__(self) -> None:
        for process in self._processes:
            os.kill(process, signal.SIGSTOP)

    def __exit__(self, *error: object) -> None:
        # In the other order: the supervisor is the last to go on.
        for process in reversed(self._processes):
            os.kill(process, signal.SIGCONT)


def begun(client: Client, echo: EchoServer) -> str:
    """A run whose log says that it asks, and waits at the echo server."""
    run = str(client.run("async", q="値")["workflow_run_id"])
    echo.wait_for_calls(f"/hold/{run}")
    until(lambda: {"ask", "wait"} <= {node["node_id"] for node in client.node_executions(run)})
    return run


def form_of(client: Client, run: str) -> str:
    """The path of the form of a run."""
    [token] = [event["form"]["form_token"] for event in client.log(run) if event["event"] == "form_requested"]
    return f"/v1/form/human_input/{token}"


FORM = {"inputs": {"comment": "from afar"}, "action": "yes", "user": "someone"}
STOP = {"user": "someone"}


class LateRequests:
    """Requests whose bodies come later: a connection that rests is closed, and a new one may lead to any worker."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor()
        self._begun = threading.Semaphore(0)
        self._go_on = threading.Event()
        self._answers: list[Future[httpx.Response]] = []

    def begin(self, client: Client, path: str, body: dict[str, Any]) -> None:
        """Send the head of a request, and return once it is on its way."""

        def content() -> Iterator[bytes]:
            self._begun.release()
            self._go_on.wait(PATIENCE)
            yield json.dumps(body).encode()

        headers = {"Content-Type": "application/json"}
        self._answers.append(self._pool.submit(client.request, "POST", path, content=content(), headers=headers))
        assert self._begun.acquire(timeout=PATIENCE)

    def finish(self) -> list[int]:
        """Send the bodies. Returns the statuses of the answers."""
        self._go_on.set()
        return [answer.result(PATIENCE).status_code for answer in self._answers]


def test_a_worker_that_was_frozen_until_others_did_its_work_does_no_harm(
    workers: SeveralWorkers, echo: EchoServer
) -> None:
    holder, other = workers.pair("busy")
    goes_on, ends, untouched, stopped = (begun(holder, echo) for _ in range(4))
    frozen, elsewhere = holder.process, other.process
    acts = [(form_of(other, run), FORM) for run in (goes_on, ends)] + [(f"/v1/workflows/run/{stopped}/stop", STOP)]
    requests = LateRequests()
    for path, body in acts:
        requests.begin(workers.client("busy", lambda process: process == elsewhere), path, body)

    with Frozen(workers.server.pid, frozen):
        assert requests.finish() == [200, 200, 200]
        for run in (goes_on, ends):
            echo.wait_for_calls(f"/hold/{run}", 2)
        # One goes on to its end before the zombie wakes, the other afterwards.
        echo.release(f"/hold/{ends}")
        echo.wait_for_calls(f"/{ends}/after")

    # The zombie gets the answers for which it waited, and what it was asked to do meanwhile. It serves again.
    zombie = workers.client("busy", lambda process: process == frozen)
    for run in (stopped, goes_on):
        echo.release(f"/hold/{run}")
    assert [zombie.finished(run)["status"] for run in (ends, goes_on)] == ["succeeded", "succeeded"]
    for run in (untouched, begun(zombie, echo)):
        assert zombie.request("POST", form_of(zombie, run), json=FORM).status_code == 200
        echo.release(f"/hold/{run}")
        assert zombie.finished(run)["status"] == "succeeded"
    ended = {run: zombie.log(run) for run in (goes_on, ends, untouched, stopped)}

    # It has let go of them: nothing is parked, and nothing comes with its end.
    assert workers.server.stop() == 0, workers.server.output
    workers.restart()
    client = workers.client("busy")
    assert {run: client.log(run) for run in ended} == ended
    for run in (goes_on, ends):
        check(ended[run], taken_over=[2])
        assert calls(echo, run) == [1, 2, 1]
    check(ended[untouched], taken_over=[])
    assert calls(echo, untouched) == [1, 1, 1]
    assert [event["event"] for event in ended[stopped]].count("run_finished") == 1
    assert ended[stopped][-1]["status"] == "stopped"
    assert calls(echo, stopped) == [1, 1, 0]


def test_the_end_of_a_run_is_seen_at_another_worker_though_their_channels_stand_still(
    workers: SeveralWorkers, echo: EchoServer
) -> None:
    holder, other = workers.pair("busy")
    run = begun(holder, echo)
    assert holder.request("POST", form_of(holder, run), json=FORM).status_code == 200
    seen: list[tuple[int, dict[str, Any]]] = []

    with other.following(run) as events:
        seen.append(next(events))
        with Frozen(workers.server.pid):
            echo.release(f"/hold/{run}")
            seen += list(events)
            behind = time.time() - seen[-1][1]["at"]

    names = [event["event"] for event in holder.log(run)]
    assert [(position, event["event"]) for position, event in seen] == list(enumerate(names))
    assert names[-1] == "run_finished"
    assert behind < LATE_SECONDS


def calls(echo: EchoServer, run: str) -> list[int]:
    """How often its nodes called: the one before the freeze, the one under way, the one behind."""
    return [len(echo.calls(path)) for path in (f"/{run}/before", f"/hold/{run}", f"/{run}/after")]


def check(log: list[dict[str, Any]], *, taken_over: list[int]) -> None:
    """A log has one history, and no node ran again that had finished."""
    kinds = [event["event"] for event in log]
    assert kinds.count("run_finished") == kinds.count("form_closed") == 1
    assert (kinds[-1], log[-1]["status"]) == ("run_finished", "succeeded")
    assert log[-1]["outputs"] == {"said": "from afar", "answer": log[-1]["outputs"]["answer"]}
    assert [event["epoch"] for event in log if event["event"] == "run_recovered"] == taken_over
    finished = [event["node_id"] for event in log if event["event"] == "node_finished"]
    assert sorted(finished) == ["after", "ask", "before", "done", "later", "start", "wait"]
