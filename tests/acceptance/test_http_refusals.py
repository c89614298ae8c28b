"""Invalid requests: each gets exactly the documented 4xx.

Requests for another app's data are in `test_strangers`.
"""

import socket
import uuid
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import httpx
import pytest

from tests.acceptance.conftest import Scene
from tests.effort import PATIENCE, trusted

RUN = "/v1/workflows/run"
GOOD: dict[str, Any] = {"inputs": {"q": "x"}, "user": "u"}
UNKNOWN = str(uuid.UUID(int=7, version=4))

BAD_BODIES: dict[str, tuple[bytes | str, int, str]] = {
    "nothing": ("", 400, "bad_request"),
    "no JSON": ('{"inputs": {', 400, "bad_request"),
    "NaN": ('{"inputs": {}, "user": "u", "x": NaN}', 400, "bad_request"),
    "no UTF-8": (b'{"inputs": {"q": "\xff"}, "user": "u"}', 400, "bad_request"),
    "brackets without end": ("[" * 100_000, 400, "invalid_param"),
    "deep brackets": ('{"user": "u", "inputs": ' + "[" * 50_000 + "]" * 50_000 + "}", 400, "invalid_param"),
    "a list": ("[]", 400, "bad_request"),
    "a text": ('"run"', 400, "bad_request"),
    "null": ("null", 400, "bad_request"),
}
BAD_FIELDS: dict[str, dict[str, Any]] = {
    "no user": {"inputs": {}},
    "an empty user": {"inputs": {}, "user": ""},
    "user null": {"inputs": {}, "user": None},
    "a list as user": {"inputs": {}, "user": ["u"]},
    "a user of 256 characters": {"inputs": {}, "user": "u" * 256},
    "no inputs": {"user": "u"},
    "inputs null": {"inputs": None, "user": "u"},
    "a text as inputs": {"inputs": "x", "user": "u"},
    "a list as inputs": {"inputs": [], "user": "u"},
    "an unknown mode": {**GOOD, "response_mode": "quickly"},
    "a number as mode": {**GOOD, "response_mode": 7},
    "an empty mode": {**GOOD, "response_mode": ""},
    "0 as mode": {**GOOD, "response_mode": 0},
    "false as mode": {**GOOD, "response_mode": False},
    "an empty list as mode": {**GOOD, "response_mode": []},
    "an empty object as mode": {**GOOD, "response_mode": {}},
    "a text as files": {**GOOD, "files": "x"},
    "texts as files": {**GOOD, "files": ["x"]},
    "an object where a text is wanted": {"inputs": {"q": {"a": 1}}, "user": "u"},
    "a number where a text is wanted": {"inputs": {"q": 5}, "user": "u"},
    "a text that is too long": {"inputs": {"q": "x" * 4_000_001}, "user": "u"},
}


def assert_refused(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert list(body) == ["code", "message", "status"]
    assert (body["code"], body["status"]) == (code, status)
    assert body["message"]


@pytest.mark.parametrize("case", BAD_BODIES)
def test_a_body_that_is_no_json_object_is_refused(scene: Scene, case: str) -> None:
    content, status, code = BAD_BODIES[case]
    headers = {"Content-Type": "application/json"}
    assert_refused(scene.client("echo").request("POST", RUN, content=content, headers=headers), status, code)


@pytest.mark.parametrize("case", BAD_FIELDS)
def test_a_wrong_field_is_refused(scene: Scene, case: str) -> None:
    assert_refused(scene.client("echo").request("POST", RUN, json=BAD_FIELDS[case]), 400, "invalid_param")


def test_all_wrong_fields_are_told_at_once(scene: Scene) -> None:
    answer = scene.client("echo").request("POST", RUN, json={"user": "u", "response_mode": "x", "files": 1})
    assert all(name in answer.json()["message"] for name in ("inputs", "response_mode", "files"))


def test_a_required_input_that_is_missing_is_named(scene: Scene) -> None:
    answer = scene.client("strict").request("POST", RUN, json={"inputs": {}, "user": "u"})
    assert_refused(answer, 400, "invalid_param")
    assert "q" in answer.json()["message"]


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_another_content_type_is_refused(scene: Scene, media_type: str) -> None:
    headers = {"Content-Type": media_type}
    answer = scene.client("echo").request("POST", RUN, content='{"inputs": {}, "user": "u"}', headers=headers)
    assert_refused(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer app-unknown", "Basic YTpi", "app-unknown"])
@pytest.mark.parametrize(("method", "path"), [("POST", RUN), ("GET", f"{RUN}/{UNKNOWN}"), ("GET", "/v1/info")])
def test_without_a_good_key_nothing_is_served(scene: Scene, method: str, path: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = httpx.request(method, scene.server.url + path, headers=headers, verify=trusted(), timeout=PATIENCE)
    assert_refused(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_body_that_is_too_large_is_refused(scene: Scene) -> None:
    answer = scene.client("echo").request("POST", RUN, json={"inputs": {"q": "x" * (16 << 20)}, "user": "u"})
    assert_refused(answer, 413, answer.json()["code"])


@pytest.mark.parametrize("keeps", [True, False])
def test_a_client_that_sends_forty_megabytes_before_it_reads_is_told_that_they_are_too_many(
    scene: Scene, keeps: bool
) -> None:
    url, content = httpx.URL(scene.server.url), b"a" * 40_000_000
    headers = {"Content-Type": "application/json", "Connection": "keep-alive" if keeps else "close"}
    named = {"Host": "x", **headers, "Authorization": scene.client("echo").headers["Authorization"]}
    with socket.create_connection((url.host, url.port), PATIENCE) as client:
        lines = [f"POST {RUN} HTTP/1.1", *(": ".join(header) for header in named.items())]
        client.sendall("\r\n".join([*lines, f"Content-Length: {len(content)}", "", ""]).encode() + content)
        assert client.recv(1000).startswith(b"HTTP/1.1 413 ")

    answer = scene.client("echo").request("POST", RUN, content=content, headers=headers)
    assert_refused(answer, 413, "request_entity_too_large")


def test_a_body_of_unknown_length_that_becomes_too_large_is_refused(scene: Scene) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * (1 << 20)

    headers = {"Content-Type": "application/json"}
    answer = scene.client("echo").request("POST", RUN, content=pieces(), headers=headers)
    assert_refused(answer, 413, answer.json()["code"])


@pytest.mark.parametrize("run_id", [UNKNOWN, "not-a-uuid", "0", "%00", UNKNOWN.replace("-", "")])
@pytest.mark.parametrize("what", ["", "/node-executions", "/events", f"/node-executions/{UNKNOWN}"])
def test_a_run_that_there_is_not_is_not_found(scene: Scene, run_id: str, what: str) -> None:
    assert_refused(scene.client("echo").request("GET", f"{RUN}/{run_id}{what}"), 404, "not_found")


def test_a_version_that_there_is_not_is_not_found(scene: Scene) -> None:
    answer = scene.client("echo").request("POST", f"/v1/workflows/{UNKNOWN}/run", json=GOOD)
    assert_refused(answer, 404, "not_found")


def test_a_version_that_is_no_uuid_is_refused(scene: Scene) -> None:
    answer = scene.client("echo").request("POST", "/v1/workflows/latest/run", json=GOOD)
    assert_refused(answer, 400, "bad_request")


@pytest.mark.parametrize("position", ["x", "-1", "1.5", "٣", "9" * 40])
def test_a_last_event_id_that_is_no_position_is_refused(scene: Scene, position: str) -> None:
    client = scene.client("echo")
    run = client.run(q="x")["workflow_run_id"]
    headers = {"Accept": "text/event-stream", "Last-Event-ID": position.encode()}
    assert_refused(client.request("GET", f"{RUN}/{run}/events", headers=headers), 400, "invalid_param")


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "page=0", "status=odd", "created_at__after=soon"])
def test_a_wrong_filter_of_the_logs_is_refused(scene: Scene, query: str) -> None:
    assert_refused(scene.client("echo").request("GET", f"/v1/workflows/logs?{query}"), 400, "invalid_param")


@pytest.mark.parametrize("path", [f"/v1/workflows/tasks/{UNKNOWN}/stop", f"{RUN}/{UNKNOWN}/stop"])
def test_a_stop_needs_a_user(scene: Scene, path: str) -> None:
    answer = scene.client("echo").request("POST", path, json={})
    assert_refused(answer, 400, "invalid_param")


@pytest.mark.parametrize("task", [UNKNOWN, "anything"])
def test_a_stop_of_an_unknown_task_succeeds_as_it_does_in_dify(scene: Scene, task: str) -> None:
    answer = scene.client("echo").request("POST", f"/v1/workflows/tasks/{task}/stop", json={"user": "u"})
    assert (answer.status_code, answer.json()) == (200, {"result": "success"})


@pytest.mark.parametrize(("method", "path"), [("PUT", RUN), ("DELETE", RUN), ("POST", "/v1/info"), ("POST", "/health")])
def test_another_method_is_not_allowed(scene: Scene, method: str, path: str) -> None:
    answer = scene.client("echo").request(method, path)
    assert_refused(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == ("OPTIONS, POST" if path == RUN else "GET, HEAD, OPTIONS")


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 200), ("GET", 400)])
def test_only_the_methods_of_the_whole_server_can_be_asked_for(scene: Scene, method: str, status: int) -> None:
    with closing(HTTPConnection(scene.server.url.removeprefix("http://"))) as connection:
        connection.request(method, "*")
        answer = connection.getresponse()
        assert answer.status == status
        assert answer.headers["allow"] == ("DELETE, GET, OPTIONS, PATCH, POST, PUT" if status == 200 else None)


@pytest.mark.parametrize(
    "path", ["/nowhere", "/v2/workflows/run", "/v1/workflows", "/docs/x/y", f"{RUN}/", "/v1/../etc/passwd"]
)
def test_an_unknown_address_is_not_found(scene: Scene, path: str) -> None:
    assert scene.client("echo").request("POST", path).status_code == 404


def test_the_end_points_of_workflows_refuse_an_app_that_is_a_chat(scene: Scene) -> None:
    assert_refused(scene.client("chat").request("POST", RUN, json=GOOD), 400, "not_workflow_app")


def test_after_all_that_the_server_still_answers(scene: Scene) -> None:
    assert scene.client("echo").run(q="well")["data"]["outputs"] == {"q": "well"}
    assert "Traceback" not in scene.server.output
