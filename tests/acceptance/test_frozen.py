"""Zombie process: frozen until its run was taken over, then resumed; it must do no harm.

The server is a subprocess, stopped by SIGSTOP. The test process takes over: it opens the same data folder despite the
lock, as a server on another machine would during a network partition.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from jikko.assemble import Assembly, assemble
from jikko.events import RunFinished
from jikko.settings import Settings
from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import app, end, fetch, start

RUN = "{{#sys.workflow_run_id#}}"


class Scene:
    """A server that can be frozen, a client of it, and runs that wait at their second node."""

    def __init__(self, folder: Path, echo: EchoServer) -> None:
        self.home = folder / "home"
        self.echo = echo
        nodes = [start("q"), *(fetch(name, f"{echo.url}/{RUN}/{name}") for name in ("before", "after"))]
        nodes += [fetch("wait", f"{echo.url}/hold/{RUN}"), end(q="start.q", answer="after.body")]
        file = folder / "held.yml"
        file.write_text(app("Held", nodes, "start>before before>wait wait>after after>end"), encoding="utf-8")
        [entry] = Command(self.home).json("apps", "import", file)
        self.server = Server(self.home)
        self.client = Client(self.server.url, entry["api_key"])

    def begin(self, count: int) -> list[str]:
        """Runs that wait, durably."""
        runs = [self.client.run("async", q=f"値{number}")["workflow_run_id"] for number in range(count)]
        for run in runs:
            self.echo.wait_for_calls(f"/hold/{run}")
            while "wait" not in [node["node_id"] for node in self.client.node_executions(run)]:
                pass
        return runs

    def freeze(self) -> None:
        os.kill(self.server.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.server.pid, signal.SIGCONT)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.thaw()
        self.client.close()
        self.server.close()


@pytest.fixture
def scene(tmp_path: Path, echo: EchoServer) -> Iterator[Scene]:
    scene = Scene(tmp_path, echo)
    yield scene
    scene.close()


@pytest.fixture
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def new_holder(scene: Scene, portal: BlockingPortal) -> Iterator[Assembly]:
    settings = Settings(home=scene.home, http_allow=("127.0.0.0/8",))
    with portal.wrap_async_context_manager(assemble(settings)) as assembly:
        yield assembly


def check(scene: Scene, run: str, log: list[dict[str, Any]]) -> None:
    """The log has one history, and no node acted again that had finished before the freeze."""
    kinds = [event["event"] for event in log]
    assert kinds.count("run_finished") == 1
    assert kinds[-1] == "run_finished"
    assert log[-1]["status"] == "succeeded"
    assert log[-1]["outputs"]["answer"] == f"/{run}/after"
    assert [event["epoch"] for event in log if event["event"] == "run_recovered"] == [2]
    finished = [event["node_id"] for event in log if event["event"] == "node_finished"]
    assert finished == ["start", "before", "wait", "after", "end"]
    calls = [len(scene.echo.calls(path)) for path in (f"/{run}/before", f"/hold/{run}", f"/{run}/after")]
    # What was under way runs again in the process that took over. The zombie had called it, and calls nothing more.
    assert calls == [1, 2, 1]


@pytest.mark.parametrize("thawed", ["while the run goes on", "after the run has ended"])
def test_a_holder_that_was_frozen_until_its_runs_were_taken_over_adds_nothing_to_them(
    scene: Scene, new_holder: Assembly, portal: BlockingPortal, thawed: str
) -> None:
    runs = scene.begin(3)

    scene.freeze()
    taken = portal.call(new_holder.runs.control.take_over)
    assert taken.count == len(runs)
    for run in runs:
        scene.echo.wait_for_calls(f"/hold/{run}", 2)
    if thawed == "while the run goes on":
        scene.thaw()
    for run in runs:
        scene.echo.release(f"/hold/{run}")
    ends = [portal.call(log.ended) for log in taken.logs]
    scene.thaw()

    assert {end.outputs["q"] for end in ends if isinstance(end, RunFinished)} == {
        f"値{number}" for number in range(len(runs))
    }
    # It serves again, knows how these runs ended, and has let go of them: its end waits for none, and parks none.
    assert [scene.client.finished(run)["status"] for run in runs] == ["succeeded"] * len(runs)
    [fresh] = scene.begin(1)
    scene.echo.release(f"/hold/{fresh}")
    assert scene.client.finished(fresh)["status"] == "succeeded"
    logs = {run: scene.client.log(run) for run in runs}
    assert scene.server.stop() == 0
    for run in runs:
        check(scene, run, logs[run])
        # Nothing came with its end.
        assert len(portal.call(new_holder.store.events, run)) == len(logs[run])


def test_who_follows_a_run_through_a_holder_that_was_frozen_sees_one_history(
    scene: Scene, new_holder: Assembly, portal: BlockingPortal
) -> None:
    [run] = scene.begin(1)
    with scene.client.following(run) as stream:
        seen = [next(stream)]

        scene.freeze()
        taken = portal.call(new_holder.runs.control.take_over)
        scene.echo.wait_for_calls(f"/hold/{run}", 2)
        scene.echo.release(f"/hold/{run}")
        for log in taken.logs:
            portal.call(log.ended)
        scene.thaw()
        seen += stream

    assert seen == list(enumerate(_without_id(event) for event in scene.client.log(run)))
    check(scene, run, [event for _, event in seen])


def _without_id(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "id"}
