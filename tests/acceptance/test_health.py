"""Health reports of a server during faults around it."""

import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from tests.acceptance.client import Client
from tests.acceptance.conftest import Scene, apps_of, scene_in
from tests.acceptance.echo import EchoServer
from tests.acceptance.faults import limited, locked, until
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import ECHO
from tests.effort import PATIENCE, trusted
from tests.page_blocks import blocks, replaced, shown_commands


@pytest.fixture
def scene(tmp_path: Path, echo: EchoServer) -> Iterator[Scene]:
    """A server that a test may break."""
    with scene_in(tmp_path, {name: apps_of(echo)[name] for name in ("echo", "held")}) as made:
        yield made


def status(scene: Scene, path: str) -> int:
    return httpx.get(f"{scene.server.url}{path}", verify=trusted(), timeout=PATIENCE).status_code


def fault(scene: Scene, what: str) -> AbstractContextManager[None]:
    if what == "full disk":
        return limited(scene.server.pid, resource.RLIMIT_FSIZE, 4096)
    return locked(scene.command.home / "jikko.db")


@pytest.mark.parametrize("what", ["full disk", "locked database"])
def test_while_the_record_cannot_be_written_no_runs_are_sent_here(scene: Scene, what: str) -> None:
    assert status(scene, "/readyz") == 200
    with fault(scene, what):
        until(lambda: status(scene, "/readyz") == 503, "it is not ready")
        assert status(scene, "/livez") == 200
        report = httpx.get(f"{scene.server.url}/readyz?verbose", verify=trusted(), timeout=PATIENCE).json()
        assert report["failing"] == ["record"]
        [(command, shown)] = shown_commands(blocks("docs/health.md"))
        asked = replaced(command, {"localhost:8000": scene.server.url.removeprefix("http://")})
        printed = subprocess.run(["sh", "-c", asked], capture_output=True, text=True, check=True).stdout
        if what == "full disk":
            assert printed == shown.strip()
        else:  # which of two limits ends the wait for it is left to chance
            assert '"record"' in printed
        assert str(scene.command.home) not in str(report)
        until(lambda: "runs are not accepted" in scene.server.output, "the log says so")
    until(lambda: status(scene, "/readyz") == 200, "it is ready again")
    assert scene.client("echo").run(q="x")["data"]["status"] == "succeeded"


@pytest.mark.parametrize("name", ["", "jikko.db", "jikko.db-wal"])
def test_a_data_folder_that_is_moved_away_is_noticed_before_anything_is_lost(scene: Scene, name: str) -> None:
    path = scene.command.home / name if name else scene.command.home
    client = scene.client("echo")
    first = client.run(q="before")["workflow_run_id"]
    path.rename(f"{path}.away")

    until(lambda: status(scene, "/readyz") == 503, "it is not ready")
    assert status(scene, "/livez") == 200
    until(lambda: "was removed while it was open" in scene.server.output, "the log names the file")
    refused = client.request("POST", "/v1/files/upload", files={"file": ("a.txt", b"x")}, data={"user": "someone"})
    assert refused.status_code == 503
    assert str(scene.command.home) not in refused.text

    if not name:
        shutil.rmtree(path, ignore_errors=True)  # what was made anew in its place
    Path(f"{path}.away").rename(path)
    until(lambda: status(scene, "/readyz") == 200, "it is ready again")
    second = client.run(q="after")["workflow_run_id"]
    scene.server.kill()
    again = Server(scene.command.home)
    try:
        reader = Client(again.url, client.headers["Authorization"].removeprefix("Bearer "))
        assert [reader.detail(run)["outputs"]["q"] for run in (first, second)] == ["before", "after"]
        reader.close()
    finally:
        again.close()


def test_a_log_that_is_emptied_where_it_is_is_noticed(scene: Scene) -> None:
    """As by ``: > jikko.db-wal``: the file stays the same."""
    client = scene.client("echo")
    client.run(q="before")
    (scene.command.home / "jikko.db-wal").write_bytes(b"")

    until(lambda: status(scene, "/readyz") == 503, "it is not ready")
    assert status(scene, "/livez") == 200
    until(lambda: "jikko.db-wal was written over while it was open" in scene.server.output, "the log names the file")
    assert f"Nothing is written to {scene.command.home / 'jikko.db'}: " in scene.server.output
    for refused in (client.request("GET", "/v1/info"), client.request("POST", "/v1/workflows/run", json={})):
        assert (refused.status_code, str(scene.command.home) in refused.text) == (503, False)


def test_a_server_that_stops_is_alive_and_not_ready(scene: Scene, echo: EchoServer) -> None:
    scene.client("held").run("async", name="stops")
    echo.wait_for_calls("/hold/stops")
    scene.server.send(signal.SIGTERM)

    until(lambda: status(scene, "/readyz") == 503, "it is not ready")
    assert status(scene, "/livez") == 200
    echo.release("/hold/stops")
    assert scene.server.wait() == 0


def test_a_server_that_is_to_stop_still_serves_until_balancers_have_left_it(jikko: Command, tmp_path: Path) -> None:
    file = tmp_path / "echo.yml"
    file.write_text(ECHO, encoding="utf-8")
    key = jikko.json("apps", "import", file)[0]["api_key"]
    server = Server(jikko.home, settings={"JIKKO_LAME_DUCK_SECONDS": "600"})
    try:
        client = Client(server.url, key)
        server.send(signal.SIGTERM)
        until(
            lambda: httpx.get(f"{server.url}/readyz", verify=trusted(), timeout=PATIENCE).status_code == 503,
            "it is not ready",
        )

        assert client.run(q="茶 🍵")["data"]["outputs"]["q"] == "茶 🍵"

        client.close()
        server.send(signal.SIGTERM)
        assert server.wait() == 0
    finally:
        server.close()
