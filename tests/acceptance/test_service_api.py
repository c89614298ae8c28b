"""Every operation of a workflow app, against Dify's own description of its Service API.

``dify_service_api.json`` has what the description says of answers: schemas of bodies, codes of errors. Two things in
it were changed: ``nullable`` is spelled as JSON Schema has it, and ``oneOf`` became ``anyOf``, for the alternatives of
the description exclude nothing.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.acceptance.client import Client
from tests.acceptance.conftest import Scene

DESCRIPTION: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("dify_service_api.json").read_text(encoding="utf-8")
)
NOTHING = "00000000-0000-4000-8000-000000000000"

NULL_AT_DIFY = {"GET /site": {"chat_color_theme", "description", "copyright", "privacy_policy"}}
"""Fields that a real Dify 1.15 has as null, though its description does not say so."""
LEFT_OUT_BY_DIFY = {
    name: {"created_by", "exceptions_count", "files"}
    for name in ("POST /workflows/run", "POST /workflows/{workflow_id}/run")
}
"""Fields of ``data`` that a real Dify 1.15 does not send, though its description has them."""

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
    assert {operation for operation, _ in CASES} == set(DESCRIPTION)


@pytest.mark.parametrize(("operation", "status"), CASES, ids=lambda value: str(value))
def test_an_answer_is_as_described(operation: str, status: int, scene: Scene) -> None:
    described = DESCRIPTION[operation][str(status)]

    answer = CASES[operation, status](scene.client("asks" if "form" in operation else "echo"))

    assert answer.status_code == status, answer.text
    if status >= 400:
        body = answer.json()
        assert set(body) == {"code", "message", "status"}
        assert body["status"] == status
        assert body["code"] in described["codes"]
        return
    media_type = answer.headers["content-type"].partition(";")[0]
    if media_type != "application/json":
        assert media_type in described["media_types"]
        return
    assert problems(operation, described["schema"], answer.json()) == []


@pytest.mark.parametrize("path", ["/v1/workflows/run", "/v1/workflows/{workflow_id}/run"])
def test_a_streamed_answer_is_of_the_described_type(path: str, scene: Scene) -> None:
    client = scene.client("echo")
    path = path.format(workflow_id=client.run(q="x")["data"]["workflow_id"])

    answer = started(client, path, mode="streaming", q="x")

    assert answer.headers["content-type"].partition(";")[0] == "text/event-stream"


def problems(operation: str, schema: dict[str, Any], body: Any) -> list[str]:
    """What in an answer contradicts the description, or is missing from it."""
    found = [
        f"{error.json_path}: {error.message}"
        for error in Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).iter_errors(body)
        if not (error.instance is None and set(error.path) <= NULL_AT_DIFY.get(operation, set()))
    ]
    found += [f"$.{name} is missing" for name in schema.get("properties", {}) if name not in body]
    data = schema.get("properties", {}).get("data", {}).get("properties", {})
    left_out = LEFT_OUT_BY_DIFY.get(operation, set())
    return found + [f"$.data.{name} is missing" for name in data if name not in body["data"] and name not in left_out]
