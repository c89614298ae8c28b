"""Isolation of apps: an app's data is inaccessible with another app's key, whatever similar data that app has."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from jikko.http.reference.openapi import OPERATIONS
from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import app, end, form, start

Kind = Literal["ended", "open"]
KINDS: tuple[Kind, ...] = ("ended", "open")
COMMENT = {"inputs": {"comment": "よし"}, "action": "yes", "user": "someone"}
STREAM = {"Accept": "text/event-stream"}
BLOCKING = {"user": "someone", "response_mode": "blocking"}
RUN = "/v1/workflows/run/{workflow_run_id}"
TASK = "/v1/workflows/tasks/{task_id}/stop"
FORM = "/v1/form/human_input/{form_token}"

READS: list[tuple[str, dict[str, Any]]] = [
    (RUN, {}),
    (f"{RUN}/node-executions", {}),
    (f"{RUN}/node-executions/{{node_execution_id}}", {}),
    (f"{RUN}/events", {}),
    (f"{RUN}/events", {"headers": STREAM}),
    (f"{RUN}/lineage", {}),
    ("/v1/workflow/{workflow_run_id}/events", {"params": {"user": "someone"}}),
    (
        "/v1/workflow/{workflow_run_id}/events",
        {"params": {"user": "someone", "include_state_snapshot": "true", "continue_on_pause": "true"}},
    ),
    (FORM, {}),
    ("/v1/end-users/{end_user_id}", {}),
]
ACTS: list[tuple[str, dict[str, Any]]] = [
    (f"{RUN}/stop", {"user": "someone"}),
    (f"{RUN}/retry", BLOCKING),
    (f"{RUN}/retry", {**BLOCKING, "from_node_id": "ask"}),
    ("/v1/workflows/{workflow_id}/run", {**BLOCKING, "inputs": {"q": "x"}}),
    (FORM, COMMENT),
]
BY_SIGNATURE = {"/files/{file_id}/file-preview", "/files/tools/{name}"}
WEBHOOKS = {"/triggers/webhook/{address}", "/triggers/webhook-debug/{address}"}
NOT_TRIED = {"/v1/files/{file_id}/preview", *BY_SIGNATURE, "/mcp/server/{code}/mcp", *WEBHOOKS, TASK}
"""The first is refused to everybody; others are opened by a signature, a code or a secret address, and no key is asked
for; the last has its own test."""


@dataclass
class Party:
    """An app, and what it has."""

    client: Client
    file: str
    runs: dict[Kind, dict[str, str]]
    """By kind: values for the placeholders of addresses."""

    def id_of(self, kind: Kind) -> str:
        return self.runs[kind]["workflow_run_id"]

    def status(self, kind: Kind) -> str:
        return str(self.client.detail(self.id_of(kind))["status"])

    def listed(self, query: str = "") -> set[str]:
        page = self.client.get(f"/v1/workflows/logs?limit=100&{query}")
        ids = {entry["workflow_run"]["id"] for entry in page["data"]}
        assert page["total"] == len(ids)
        return ids


def party(client: Client) -> Party:
    """Have an app do what others must not see: a run that ends, one that waits, and a file."""
    part = ("山.txt", "秘密".encode(), "text/plain")
    file = client.request("POST", "/v1/files/upload", files={"file": part}, data={"user": client.user}).json()
    runs: dict[Kind, dict[str, str]] = {}
    for kind in KINDS:
        answer = client.run(q="山")
        [reason] = answer["data"]["reasons"]
        runs[kind] = {
            "workflow_run_id": answer["workflow_run_id"],
            "task_id": answer["task_id"],
            "workflow_id": answer["data"]["workflow_id"],
            "form_token": reason["form_token"],
            "node_execution_id": client.node_executions(answer["workflow_run_id"])[0]["id"],
            "end_user_id": file["created_by"],
        }
    assert client.request("POST", FORM.format(**runs["ended"]), json=COMMENT).status_code == 200
    assert client.finished(runs["ended"]["workflow_run_id"])["status"] == "succeeded"
    return Party(client, file["id"], runs)


def workflow(name: str) -> str:
    """Waits for a comment. Takes a file, too."""
    entry = start("q")
    kinds = {"allowed_file_types": ["document"], "allowed_file_upload_methods": ["local_file"]}
    entry["data"]["variables"].append({"variable": "f", "label": "f", "type": "file", "required": False, **kinds})
    nodes = [entry, form("ask", "About {{#start.q#}}: {{#$output.comment#}}"), end(said="ask.comment")]
    return app(name, nodes, "start>ask ask:yes>end ask:no>end")


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Party, Party]]:
    """The owner, and a stranger with the same workflow, a user of the same name, and as many runs."""
    folder = tmp_path_factory.mktemp("strangers")
    command = Command(folder / "home")
    keys = command.imported(folder, {name: workflow(name) for name in ("owner", "stranger")})
    server = Server(command.home)
    owner, stranger = (Client(server.url, key) for key in keys.values())
    yield party(owner), party(stranger)
    owner.close()
    stranger.close()
    server.close()


def assert_not_found(client: Client, method: str, path: str, **options: Any) -> None:
    with client.answering(method, path, **options) as answer:
        body = json.loads(answer.read()) if answer.status_code != 200 else {"code": "it was answered"}
    assert (answer.status_code, body["code"]) in ((404, "not_found"), (404, "end_user_not_found"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("path", "options"), READS)
def test_what_there_is_of_a_run_is_read_by_its_app_alone(
    parties: tuple[Party, Party], kind: Kind, path: str, options: dict[str, Any]
) -> None:
    owner, stranger = parties
    there = path.format(**owner.runs[kind])

    assert_not_found(stranger.client, "GET", there, **options)
    with owner.client.answering("GET", there, **options) as answer:
        # A form that was filled in is refused to its owner as well, in other words.
        assert answer.status_code == (412 if path == FORM and kind == "ended" else 200)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("path", "body"), ACTS)
def test_no_other_app_stops_a_run_or_retries_it_or_fills_in_its_form(
    parties: tuple[Party, Party], kind: Kind, path: str, body: dict[str, Any]
) -> None:
    owner, stranger = parties
    before = owner.listed() | stranger.listed()

    assert_not_found(stranger.client, "POST", path.format(**owner.runs[kind]), json=body)

    assert (owner.status("open"), owner.status("ended")) == ("paused", "succeeded")
    assert owner.listed() | stranger.listed() == before


def test_no_other_app_stops_a_run_by_its_task(parties: tuple[Party, Party]) -> None:
    owner, stranger = parties

    answer = stranger.client.request("POST", TASK.format(**owner.runs["open"]), json={"user": "someone"})

    assert (answer.status_code, answer.json()) == (200, {"result": "success"})
    assert owner.status("open") == "paused"
    # It is the task by which the owner stops it.
    again = party(owner.client)
    owner.client.request("POST", TASK.format(**again.runs["open"]), json={"user": "someone"})
    assert again.status("open") == "stopped"


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ("", KINDS),
        ("keyword=someone", KINDS),
        ("keyword=よし", ["ended"]),
        ("status=succeeded", ["ended"]),
        ("created_by_end_user_session_id=someone", KINDS),
    ],
)
def test_the_logs_are_those_of_the_app(parties: tuple[Party, Party], query: str, kinds: list[Kind]) -> None:
    owner, stranger = parties
    listed = stranger.listed(query)

    assert {owner.id_of(kind) for kind in KINDS} & listed == set()
    assert {stranger.id_of(kind) for kind in KINDS} & listed == {stranger.id_of(kind) for kind in kinds}


def test_the_logs_do_not_find_the_run_of_another_app_by_its_id(parties: tuple[Party, Party]) -> None:
    owner, stranger = parties

    for kind in KINDS:
        wanted = owner.id_of(kind)
        assert (stranger.listed(f"keyword={wanted}"), owner.listed(f"keyword={wanted}")) == (set(), {wanted})


def test_a_file_is_an_input_of_its_app_alone(parties: tuple[Party, Party]) -> None:
    owner, stranger = parties
    file = {"type": "document", "transfer_method": "local_file", "upload_file_id": owner.file}
    body = {**BLOCKING, "inputs": {"q": "x", "f": file}}

    refused, taken = (each.client.request("POST", "/v1/workflows/run", json=body) for each in (stranger, owner))

    assert (refused.status_code, refused.json()["code"], taken.status_code) == (400, "invalid_param", 200)


def test_one_idempotency_key_starts_a_run_of_each_app(parties: tuple[Party, Party]) -> None:
    body = {**BLOCKING, "inputs": {"q": "x"}}
    answers = [
        each.client.request("POST", "/v1/workflows/run", json=body, headers={"Idempotency-Key": "same"})
        for each in parties
    ]

    for each, answer in zip(parties, answers, strict=True):
        assert answer.json()["workflow_run_id"] in each.listed()
        assert "idempotency-replayed" not in answer.headers
    # Each app finds its own again.
    again = [
        each.client.request("POST", "/v1/workflows/run", json=body, headers={"Idempotency-Key": "same"})
        for each in parties
    ]
    assert [answer.json()["workflow_run_id"] for answer in again] == [
        answer.json()["workflow_run_id"] for answer in answers
    ]


def test_every_address_that_names_something_is_tried(parties: tuple[Party, Party]) -> None:
    # Chats are tried in tests/conversations/test_strangers.py, OpenAI's wire in tests/http/openai, AG-UI in
    # tests/http/ag_ui; every key of datasets opens all of them.
    elsewhere = {"Chat apps", "Annotations", "Audio", "Completion apps", "Knowledge", "Models", "OpenAI", "AG-UI"}
    others = {operation.path for operation in OPERATIONS if operation.tag in elsewhere}
    paths = {path for path in parties[0].client.get("/openapi.json")["paths"] if "{" in path and path not in others}
    assert paths == {path for path, _ in READS + ACTS} | NOT_TRIED
