"""Running a workflow over HTTP, and reading the run back."""

import json
from typing import Any

import httpx
import pytest

from tests.acceptance.conftest import Scene
from tests.acceptance.echo import EchoServer
from tests.acceptance.faults import connection, until, vanish
from tests.effort import PATIENCE, trusted


def test_a_blocking_run_answers_with_its_outputs(scene: Scene) -> None:
    answer = scene.client("echo").run(q="hello")
    assert list(answer) == ["task_id", "workflow_run_id", "data"]
    assert answer["data"]["id"] == answer["workflow_run_id"]
    assert answer["data"]["status"] == "succeeded"
    assert answer["data"]["outputs"] == {"q": "hello"}
    assert answer["data"]["total_steps"] == 2


def test_the_detail_of_a_run_says_what_the_answer_said(scene: Scene) -> None:
    client = scene.client("echo")
    answer = client.run(q="hello")
    detail = client.detail(answer["workflow_run_id"])
    same = ("id", "workflow_id", "status", "outputs", "error", "total_steps", "total_tokens", "created_at")
    assert {name: detail[name] for name in same} == {name: answer["data"][name] for name in same}


def test_a_stream_begins_and_ends_with_the_run(scene: Scene) -> None:
    messages = scene.client("work").stream(q="hey!")
    assert messages[0]["event"] == "workflow_started"
    assert messages[-1]["event"] == "workflow_finished"
    assert messages[-1]["data"]["outputs"] == {"said": "HEY! is loud"}
    assert len({(message["task_id"], message["workflow_run_id"]) for message in messages}) == 1


def test_a_stream_tells_each_node_that_ran_and_no_other(scene: Scene) -> None:
    messages = scene.client("work").stream(q="hey")
    for event in ("node_started", "node_finished"):
        nodes = [message["data"]["node_id"] for message in messages if message["event"] == event]
        assert nodes == ["start", "shout", "loud", "no", "end-quiet"]


def test_an_async_run_answers_at_once_and_says_where_it_can_be_read(scene: Scene, echo: EchoServer) -> None:
    client = scene.client("held")
    answer = client.request("POST", "/v1/workflows/run", json=client.body("async", {"name": "async"}))
    body = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/workflows/run/{body['workflow_run_id']}"
    assert list(body) == ["task_id", "workflow_run_id", "data"]
    assert body["data"]["status"] == "running"
    assert body["data"]["finished_at"] is None
    assert client.detail(body["workflow_run_id"])["status"] == "running"
    echo.release("/hold/async")
    assert client.finished(body["workflow_run_id"])["outputs"] == {"answer": "/hold/async"}


def test_an_async_run_is_told_as_running_though_it_may_have_ended_already(scene: Scene) -> None:
    data = scene.client("echo").run("async", q="quick")["data"]

    assert (data["status"], data["outputs"], data["finished_at"], data["total_steps"]) == ("running", {}, None, 0)


@pytest.mark.parametrize("mode", [{}, {"response_mode": None}], ids=["absent", "null"])
def test_blocking_is_what_happens_if_no_mode_is_named(scene: Scene, mode: dict[str, None]) -> None:
    client = scene.client("echo")
    answer = client.request("POST", "/v1/workflows/run", json={"inputs": {"q": "x"}, "user": "u", **mode})
    assert answer.json()["data"]["outputs"] == {"q": "x"}


def test_a_failed_run_is_no_failed_request(scene: Scene) -> None:
    client = scene.client("broken")
    answer = client.run(q="x")
    assert answer["data"]["status"] == "failed"
    assert "division by zero" in answer["data"]["error"]
    assert client.detail(answer["workflow_run_id"])["status"] == "failed"


def test_node_executions_tell_what_went_in_and_out(scene: Scene) -> None:
    client = scene.client("work")
    run = client.run(q="hey")["workflow_run_id"]
    nodes = client.node_executions(run)
    assert [(node["index"], node["node_id"], node["status"]) for node in nodes] == [
        (1, "start", "succeeded"),
        (2, "shout", "succeeded"),
        (3, "loud", "succeeded"),
        (4, "no", "succeeded"),
        (5, "end-quiet", "succeeded"),
    ]
    assert [node["predecessor_node_id"] for node in nodes] == [None, "start", "shout", "loud", "no"]
    assert nodes[1]["inputs"] == {"q": "hey"}
    assert nodes[1]["outputs"] == {"text": "HEY"}


def test_one_node_execution_can_be_read_by_its_id(scene: Scene) -> None:
    client = scene.client("work")
    run = client.run(q="hey")["workflow_run_id"]
    node = client.node_executions(run)[1]
    assert client.get(f"/v1/workflows/run/{run}/node-executions/{node['id']}") == node


@pytest.mark.parametrize(
    "text",
    ["実行する 🚀 «ünïcödé»", "x" * 1_000_000, "👩‍👩‍👧‍👦" * 1000, '"\\\n\t\u2028 </script>', ""],
    ids=["Japanese and an emoji", "a megabyte", "joined emoji", "what needs escapes", "nothing"],
)
def test_texts_come_back_as_they_were_sent(scene: Scene, text: str) -> None:
    client = scene.client("echo")
    answer = client.run(q=text)
    assert answer["data"]["outputs"] == {"q": text}
    assert client.detail(answer["workflow_run_id"])["outputs"] == {"q": text}
    assert client.stream(q=text)[-1]["data"]["outputs"] == {"q": text}


def test_a_client_that_goes_away_does_not_stop_the_run(scene: Scene, echo: EchoServer) -> None:
    client = scene.client("held")
    with client.streaming(name="left") as messages:
        run = next(messages)["workflow_run_id"]
    echo.wait_for_calls("/hold/left")
    echo.release("/hold/left")
    assert client.finished(run)["status"] == "succeeded"


def test_a_blocking_client_that_goes_away_does_not_stop_the_run(scene: Scene, echo: EchoServer) -> None:
    client = scene.client("held")
    body = json.dumps(client.body("blocking", {"name": "blocked-and-gone"}))
    headers = {**client.headers, "Host": "x", "Content-Type": "application/json", "Content-Length": str(len(body))}
    head = "\r\n".join(["POST /v1/workflows/run HTTP/1.1", *map(": ".join, headers.items())])
    gone = connection(scene.server.url, f"{head}\r\n\r\n{body}".encode())
    echo.wait_for_calls("/hold/blocked-and-gone")
    vanish(gone)
    echo.release("/hold/blocked-and-gone")

    def listed() -> list[dict[str, Any]]:
        """The run, once its beginning is on the disk, which may be slow."""
        found: list[dict[str, Any]] = client.get("/v1/workflows/logs?keyword=blocked-and-gone&limit=1")["data"]
        return found

    until(lambda: bool(listed()), "the run is listed")
    assert client.finished(listed()[0]["workflow_run"]["id"])["status"] == "succeeded"


def test_a_run_is_stopped_by_its_task_id(scene: Scene, echo: EchoServer) -> None:
    client = scene.client("held")
    with client.streaming(name="stop-me") as messages:
        task = next(messages)["task_id"]
        echo.wait_for_calls("/hold/stop-me")
        stopped = client.request("POST", f"/v1/workflows/tasks/{task}/stop", json={"user": "someone"})
        assert stopped.json() == {"result": "success"}
        last = list(messages)[-1]
    assert last["event"] == "workflow_finished"
    assert last["data"]["status"] == "stopped"
    assert client.detail(last["workflow_run_id"])["status"] == "stopped"


def test_a_run_is_stopped_by_its_own_id_in_any_mode(scene: Scene, echo: EchoServer) -> None:
    client = scene.client("held")
    run = client.run("async", name="stop-too")["workflow_run_id"]
    echo.wait_for_calls("/hold/stop-too")
    answers = [client.request("POST", f"/v1/workflows/run/{run}/stop", json={"user": "u"}).json() for _ in range(2)]
    assert answers == [{"result": "success", "stopped": True}, {"result": "success", "stopped": False}]
    assert client.finished(run)["status"] == "stopped"


def test_the_key_of_another_app_stops_nothing(scene: Scene, echo: EchoServer) -> None:
    client = scene.client("held")
    answer = client.run("async", name="keep")
    scene.client("echo").request("POST", f"/v1/workflows/tasks/{answer['task_id']}/stop", json={"user": "someone"})
    echo.release("/hold/keep")
    assert client.finished(answer["workflow_run_id"])["status"] == "succeeded"


def test_the_app_tells_about_itself(scene: Scene) -> None:
    client = scene.client("strict")
    info = client.get("/v1/info")
    assert (info["name"], info["mode"], info["description"]) == ("Strict", "workflow", "about Strict")
    assert client.get("/v1/site")["title"] == "Strict"
    assert client.get("/v1/meta") == {"tool_icons": {}}
    [form] = client.get("/v1/parameters")["user_input_form"]
    assert form["paragraph"]["variable"] == "q"
    assert form["paragraph"]["required"] is True


def test_health_and_documents_need_no_key(scene: Scene) -> None:
    for path in ("/health", "/openapi.json", "/docs"):
        assert httpx.get(scene.server.url + path, verify=trusted(), timeout=PATIENCE).status_code == 200
    assert (
        "/v1/workflows/run"
        in httpx.get(f"{scene.server.url}/openapi.json", verify=trusted(), timeout=PATIENCE).json()["paths"]
    )
