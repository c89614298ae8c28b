"""A worker that stands still until its runs were taken over, and then goes on, of ``jikko serve --workers 2``.

The supervisor stands still with it: it would kill a worker that misses its heartbeats, and a killed one is no zombie.
The other worker waits in vain for an answer, and then does what clients ask of it by itself.
"""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.several import SeveralWorkers, process_of
from tests.acceptance.workflows import app, end, fetch, form, start

RUN = "{{#sys.workflow_run_id#}}"


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
    """Processes that stand still, until ``thaw``."""

    def __init__(self, *processes: int) -> None:
        self._processes = processes

    def __enter__(self) -> "Frozen":
        for process in self._processes:
            os.kill(process, signal.SIGSTOP)
        return self

    def __exit__(self, *error: object) -> None:
        self.thaw()

    def thaw(self) -> None:
        for process in self._processes:
            os.kill(process, signal.SIGCONT)


def begun(client: Client, echo: EchoServer) -> str:
    """A run whose log says that it asks, and waits at the echo server."""
    run = str(client.run("async", q="値")["workflow_run_id"])
    echo.wait_for_calls(f"/hold/{run}")
    while not {"ask", "wait"} <= {node["node_id"] for node in client.node_executions(run)}:
        pass
    return run


def submit(client: Client, run: str) -> int:
    """Submit the form of a run. Returns the status."""
    [token] = [event["form"]["form_token"] for event in client.log(run) if event["event"] == "form_requested"]
    body = {"inputs": {"comment": "from afar"}, "action": "yes", "user": client.user}
    return client.request("POST", f"/v1/form/human_input/{token}", json=body).status_code


def stop(client: Client, run: str) -> int:
    """Stop a run. Returns the status."""
    return client.request("POST", f"/v1/workflows/run/{run}/stop", json={"user": client.user}).status_code


def test_a_worker_that_was_frozen_until_others_did_its_work_does_no_harm(
    workers: SeveralWorkers, echo: EchoServer
) -> None:
    holder, other = workers.pair("busy")
    goes_on, ends, untouched, stopped = (begun(holder, echo) for _ in range(4))
    elsewhere = process_of(other)
    others = [workers.client("busy", lambda process: process == elsewhere) for _ in range(3)]

    with Frozen(workers.server.pid, process_of(holder)) as frozen:
        with ThreadPoolExecutor() as pool:
            statuses = pool.map(
                lambda act, client, run: act(client, run), (submit, submit, stop), others, (goes_on, ends, stopped)
            )
        assert list(statuses) == [200] * 3
        for run in (goes_on, ends):
            echo.wait_for_calls(f"/hold/{run}", 2)
        echo.release(f"/hold/{ends}")
        assert other.finished(ends)["status"] == "succeeded"
        ended = {run: other.log(run) for run in (ends, stopped)}
        frozen.thaw()

    # The zombie gets the answers for which it waited, and what it was asked to do meanwhile.
    echo.release(f"/hold/{stopped}")
    echo.release(f"/hold/{goes_on}")
    assert other.finished(goes_on)["status"] == "succeeded"
    assert holder.detail(ends)["status"] == "succeeded"
    assert submit(other, untouched) == 200
    echo.release(f"/hold/{untouched}")
    assert holder.finished(untouched)["status"] == "succeeded"
    assert holder.finished(begun_and_answered(holder, echo))["status"] == "succeeded"
    ended |= {run: other.log(run) for run in (goes_on, untouched)}

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


def begun_and_answered(client: Client, echo: EchoServer) -> str:
    """A new run for which all is done that it waits for."""
    run = begun(client, echo)
    assert submit(client, run) == 200
    echo.release(f"/hold/{run}")
    return run


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
