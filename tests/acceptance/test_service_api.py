"""Every operation of a workflow app, against Dify's own description of its Service API."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.acceptance.client import Client
from tests.acceptance.conftest import Scene
from tests.acceptance.described import DESCRIPTION, check
from tests.acceptance.test_service_api_of_chats import CASES as CHAT_CASES

NOTHING = "00000000-0000-4000-8000-000000000000"


def upload(client: Client, *files: tuple[str, tuple[str | None, bytes] | tuple[str, bytes, str]]) -> httpx.Response:
    return client.request("POST", "/v1/files/upload", files=list(files), data={"user": client.user})


def started(client: Client, path: str = "/v1/workflows/run", mode: str = "blocking", **inputs: Any) -> httpx.Response:
    return client.request("POST", path, json=client.body(mode, inputs))


def end_user(client: Client) -> httpx.Response:
    owner = upload(client, ("file", ("a.txt", b"abc", "text/plain"))).json()["created_by"]
    return client.request("GET", f"/v1/end-users/{owner}")


def audio_as_text(client: Client) -> httpx.Response:
    files = {"file": ("a.mp3", b"abc", "audio/mp3")}
    return client.request("POST", "/v1/audio-to-text", files=files, data={"user": client.user})


def logs(client: Client) -> httpx.Response:
    client.run(q="x")
    return client.request("GET", "/v1/workflows/logs")


def token_of(client: Client) -> str:
    """The form that a new run waits for."""
    return str(client.run(q="x")["data"]["reasons"][0]["form_token"])


def submitted(client: Client, token: str, action: str = "yes") -> httpx.Response:
    body = {"inputs": {"comment": "fine"}, "action": action, "user": client.user}
    return client.request("POST", f"/v1/form/human_input/{token}", json=body)


def form_of_the_past(client: Client) -> httpx.Response:
    token = token_of(client)
    submitted(client, token)
    return client.request("GET", f"/v1/form/human_input/{token}")


def submitted_twice(client: Client) -> httpx.Response:
    token = token_of(client)
    submitted(client, token)
    return submitted(client, token)


def rejoined(client: Client) -> httpx.Response:
    run_id = client.run(q="x")["workflow_run_id"]
    return client.request("GET", f"/v1/workflow/{run_id}/events?user={client.user}")


Case = Callable[[Client], httpx.Response]
CASES: dict[tuple[str, int], Case] = {
    ("POST /files/upload", 201): lambda client: upload(client, ("file", ("a.txt", b"abc", "text/plain"))),
    ("POST /files/upload", 400): lambda client: upload(
        client, ("other", ("a.txt", b"abc", "text/plain")), ("file", ("a.txt", b"abc", "text/plain"))
    ),
    ("POST /files/upload", 413): lambda client: upload(client, ("file", ("a.png", bytes((10 << 20) + 1), "image/png"))),
    ("GET /files/{file_id}/preview", 404): lambda client: client.request("GET", f"/v1/files/{NOTHING}/preview"),
    ("GET /end-users/{end_user_id}", 200): end_user,
    ("GET /end-users/{end_user_id}", 404): lambda client: client.request("GET", f"/v1/end-users/{NOTHING}"),
    ("POST /audio-to-text", 400): audio_as_text,
    ("POST /text-to-audio", 400): lambda client: client.request(
        "POST", "/v1/text-to-audio", json={"text": "hello", "user": client.user}
    ),
    ("GET /info", 200): lambda client: client.request("GET", "/v1/info"),
    ("GET /parameters", 200): lambda client: client.request("GET", "/v1/parameters"),
    ("GET /meta", 200): lambda client: client.request("GET", "/v1/meta"),
    ("GET /site", 200): lambda client: client.request("GET", "/v1/site"),
    ("GET /workflows/run/{workflow_run_id}", 200): lambda client: client.request(
        "GET", f"/v1/workflows/run/{client.run(q='x')['workflow_run_id']}"
    ),
    ("GET /workflows/run/{workflow_run_id}", 404): lambda client: client.request("GET", f"/v1/workflows/run/{NOTHING}"),
    ("GET /workflows/logs", 200): logs,
    ("GET /workflows/logs", 400): lambda client: client.request("GET", "/v1/workflows/logs?limit=0"),
    ("GET /form/human_input/{form_token}", 200): lambda client: client.request(
        "GET", f"/v1/form/human_input/{token_of(client)}"
    ),
    ("GET /form/human_input/{form_token}", 404): lambda client: client.request("GET", "/v1/form/human_input/nothing"),
    ("GET /form/human_input/{form_token}", 412): form_of_the_past,
    ("POST /form/human_input/{form_token}", 200): lambda client: submitted(client, token_of(client)),
    ("POST /form/human_input/{form_token}", 400): lambda client: submitted(client, token_of(client), action="maybe"),
    ("POST /form/human_input/{form_token}", 404): lambda client: submitted(client, "nothing"),
    ("POST /form/human_input/{form_token}", 412): submitted_twice,
    ("GET /workflow/{workflow_run_id}/events", 200): rejoined,
    ("GET /workflow/{workflow_run_id}/events", 404): lambda client: client.request(
        "GET", f"/v1/workflow/{NOTHING}/events?user={client.user}"
    ),
    ("POST /workflows/run", 200): lambda client: started(client, q="x"),
    ("POST /workflows/run", 400): lambda client: client.request(
        "POST", "/v1/workflows/run", json={"inputs": "x", "user": client.user}
    ),
    ("POST /workflows/{workflow_id}/run", 200): lambda client: started(
        client, f"/v1/workflows/{client.run(q='x')['data']['workflow_id']}/run", q="x"
    ),
    ("POST /workflows/{workflow_id}/run", 400): lambda client: started(client, "/v1/workflows/latest/run", q="x"),
    ("POST /workflows/{workflow_id}/run", 404): lambda client: started(client, f"/v1/workflows/{NOTHING}/run", q="x"),
    ("POST /workflows/tasks/{task_id}/stop", 200): lambda client: client.request(
        "POST", f"/v1/workflows/tasks/{NOTHING}/stop", json={"user": client.user}
    ),
    ("POST /workflows/tasks/{task_id}/stop", 400): lambda client: client.request(
        "POST", f"/v1/workflows/tasks/{NOTHING}/stop", json={}
    ),
}
"""By the operation and the status that it has to be answered with."""


def test_every_operation_of_the_description_is_asked() -> None:
    assert {operation for operation, _ in {**CASES, **CHAT_CASES}} == set(DESCRIPTION)


@pytest.mark.parametrize(("operation", "status"), CASES, ids=lambda value: str(value))
def test_an_answer_is_as_described(operation: str, status: int, scene: Scene) -> None:
    check(operation, status, CASES[operation, status](scene.client("asks" if "form" in operation else "echo")))


@pytest.mark.parametrize("path", ["/v1/workflows/run", "/v1/workflows/{workflow_id}/run"])
def test_a_streamed_answer_is_of_the_described_type(path: str, scene: Scene) -> None:
    client = scene.client("echo")
    path = path.format(workflow_id=client.run(q="x")["data"]["workflow_id"])

    answer = started(client, path, mode="streaming", q="x")

    assert answer.headers["content-type"].partition(";")[0] == "text/event-stream"
