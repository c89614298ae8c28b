"""Bugs of other engines that need a server to reproduce. The others are in ``tests/runs/test_field_bugs.py``."""

from concurrent.futures import ThreadPoolExecutor

from tests.acceptance.conftest import Scene
from tests.acceptance.echo import EchoServer


def test_an_error_before_the_engine_starts_leaves_the_stream_open(scene: Scene) -> None:
    messages = scene.client("strict").stream()

    last = messages[-1]
    assert last["event"] == "workflow_finished"
    assert (last["data"]["status"], last["data"]["error"]) == ("failed", "q is required in input form")


def test_a_stop_of_a_blocking_run_is_lost_or_ends_it_as_failed(scene: Scene, echo: EchoServer) -> None:
    client = scene.client("held")
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(client.run, name="stop-blocking")
        echo.wait_for_calls("/hold/stop-blocking")
        [entry] = client.get("/v1/workflows/logs?keyword=stop-blocking")["data"]
        run = entry["workflow_run"]["id"]

        stopped = client.request("POST", f"/v1/workflows/run/{run}/stop", json={"user": client.user})

        assert stopped.json() == {"result": "success", "stopped": True}
        assert answer.result()["data"]["status"] == "stopped"
    assert client.detail(run)["status"] == "stopped"
    assert client.log(run)[-1]["status"] == "stopped"
