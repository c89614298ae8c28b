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

Case = Callable[[Client], httpx.Response]
CASES: dict[tuple[str, int], Case] = {}


def case(operation: str, status: int) -> Callable[[Case], Case]:
    """A request that has to be answered with that status."""

    def keep(ask: Case) -> Case:
        CASES[operation, status] = ask
        return ask

    return keep


def upload(client: Client, *files: tuple[str, tuple[str | None, bytes] | tuple[str, bytes, str]]) -> httpx.Response:
    return client.request("POST", "/v1/files/upload", files=list(files), data={"user": client.user})


def started(client: Client, path: str = "/v1/workflows/run", mode: str = "blocking", **inputs: Any) -> httpx.Response:
    return client.request("POST", path, json=client.body(mode, inputs))


@case("POST /files/upload", 201)
def _(client: Client) -> httpx.Response:
    return upload(client, ("file", ("a.txt", b"abc", "text/plain")))


@case("POST /files/upload", 400)
def _(client: Client) -> httpx.Response:
    return upload(client, ("other", ("a.txt", b"abc", "text/plain")), ("file", ("a.txt", b"abc", "text/plain")))


@case("POST /files/upload", 413)
def _(client: Client) -> httpx.Response:
    return upload(client, ("file", ("a.png", bytes((10 << 20) + 1), "image/png")))


@case("GET /files/{file_id}/preview", 404)
def _(client: Client) -> httpx.Response:
    return client.request("GET", f"/v1/files/{NOTHING}/preview")


@case("GET /end-users/{end_user_id}", 200)
def _(client: Client) -> httpx.Response:
    owner = upload(client, ("file", ("a.txt", b"abc", "text/plain"))).json()["created_by"]
    return client.request("GET", f"/v1/end-users/{owner}")


@case("GET /end-users/{end_user_id}", 404)
def _(client: Client) -> httpx.Response:
    return client.request("GET", f"/v1/end-users/{NOTHING}")


@case("POST /audio-to-text", 400)
def _(client: Client) -> httpx.Response:
    files = {"file": ("a.mp3", b"abc", "audio/mp3")}
    return client.request("POST", "/v1/audio-to-text", files=files, data={"user": client.user})


@case("POST /text-to-audio", 400)
def _(client: Client) -> httpx.Response:
    return client.request("POST", "/v1/text-to-audio", json={"text": "hello", "user": client.user})


@case("GET /info", 200)
def _(client: Client) -> httpx.Response:
    return client.request("GET", "/v1/info")


@case("GET /parameters", 200)
def _(client: Client) -> httpx.Response:
    return client.request("GET", "/v1/parameters")


@case("GET /meta", 200)
def _(client: Client) -> httpx.Response:
    return client.request("GET", "/v1/meta")


@case("GET /site", 200)
def _(client: Client) -> httpx.Response:
    return client.request("GET", "/v1/site")


@case("GET /workflows/run/{workflow_run_id}", 200)
def _(client: Client) -> httpx.Response:
    return client.request("GET", f"/v1/workflows/run/{client.run(q='x')['workflow_run_id']}")


@case("GET /workflows/run/{workflow_run_id}", 404)
def _(client: Client) -> httpx.Response:
    return client.request("GET", f"/v1/workflows/run/{NOTHING}")


@case("GET /workflows/logs", 200)
def _(client: Client) -> httpx.Response:
    client.run(q="x")
    return client.request("GET", "/v1/workflows/logs")


@case("GET /workflows/logs", 400)
def _(client: Client) -> httpx.Response:
    return client.request("GET", "/v1/workflows/logs?limit=0")


def token_of(client: Client) -> str:
    """The form that a new run waits for."""
    return str(client.run(q="x")["data"]["reasons"][0]["form_token"])


def submitted(client: Client, token: str, action: str = "yes") -> httpx.Response:
    body = {"inputs": {"comment": "fine"}, "action": action, "user": client.user}
    return client.request("POST", f"/v1/form/human_input/{token}", json=body)


@case("GET /form/human_input/{form_token}", 200)
def _(client: Client) -> httpx.Response:
    return client.request("GET", f"/v1/form/human_input/{token_of(client)}")


@case("GET /form/human_input/{form_token}", 404)
def _(client: Client) -> httpx.Response:
    return client.request("GET", "/v1/form/human_input/nothing")


@case("GET /form/human_input/{form_token}", 412)
def _(client: Client) -> httpx.Response:
    token = token_of(client)
    submitted(client, token)
    return client.request("GET", f"/v1/form/human_input/{token}")


@case("POST /form/human_input/{form_token}", 200)
def _(client: Client) -> httpx.Response:
    return submitted(client, token_of(client))


@case("POST /form/human_input/{form_token}", 400)
def _(client: Client) -> httpx.Response:
    return submitted(client, token_of(client), action="maybe")


@case("POST /form/human_input/{form_token}", 404)
def _(client: Client) -> httpx.Response:
    return submitted(client, "nothing")


@case("POST /form/human_input/{form_token}", 412)
def _(client: Client) -> httpx.Response:
    token = token_of(client)
    submitted(client, token)
    return submitted(client, token)


@case("GET /workflow/{workflow_run_id}/events", 200)
def _(client: Client) -> httpx.Response:
    run_id = client.run(q="x")["workflow_run_id"]
    return client.request("GET", f"/v1/workflow/{run_id}/events?user={client.user}")


@case("GET /workflow/{workflow_run_id}/events", 404)
def _(client: Client) -> httpx.Response:
    return client.request("GET", f"/v1/workflow/{NOTHING}/events?user={client.user}")


@case("POST /workflows/run", 200)
def _(client: Client) -> httpx.Response:
    return started(client, q="x")


@case("POST /workflows/run", 400)
def _(client: Client) -> httpx.Response:
    return client.request("POST", "/v1/workflows/run", json={"inputs": "x", "user": client.user})


@case("POST /workflows/{workflow_id}/run", 200)
def _(client: Client) -> httpx.Response:
    return started(client, f"/v1/workflows/{client.run(q='x')['data']['workflow_id']}/run", q="x")


@case("POST /workflows/{workflow_id}/run", 400)
def _(client: Client) -> httpx.Response:
    return started(client, "/v1/workflows/latest/run", q="x")


@case("POST /workflows/{workflow_id}/run", 404)
def _(client: Client) -> httpx.Response:
    return started(client, f"/v1/workflows/{NOTHING}/run", q="x")


@case("POST /workflows/tasks/{task_id}/stop", 200)
def _(client: Client) -> httpx.Response:
    return client.request("POST", f"/v1/workflows/tasks/{NOTHING}/stop", json={"user": client.user})


@case("POST /workflows/tasks/{task_id}/stop", 400)
def _(client: Client) -> httpx.Response:
    return client.request("POST", f"/v1/workflows/tasks/{NOTHING}/stop", json={})


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
