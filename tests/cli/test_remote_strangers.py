"""Commands at a server that is not Jikko, or an older one: what they say."""

import functools
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from jikko.cli.main import cli
from jikko.exit_codes import ExitCode
from tests.acceptance.workflows import app, end, start

ID = "0b7c1a52-3f0e-4d5a-9a55-4e0c9d6a1f77"
COMMANDS = [
    "apps list",
    f"apps env {ID}",
    f"apps env {ID} KEY=値",
    f"apps export {ID}",
    f"apps keys {ID}",
    f"apps keys {ID} --new",
    f"apps keys {ID} --revoke {ID}",
    "apps show 返金",
    f"apps use {ID} 1",
    f"apps webhook-secret {ID} --new",
    "audit",
    "callbacks list",
    "callbacks resend --all",
    f"callbacks resend {ID}",
    "console tokens list",
    "console tokens new CI",
    f"console tokens revoke {ID}",
    f"deliveries discard {ID}",
    "deliveries list",
    f"deliveries replay {ID}",
    f"deliveries show {ID}",
    f"runs diff {ID} {ID}",
    f"runs forms {ID}",
    "runs list",
    f"runs retry {ID}",
    f"runs retry {ID} --current",
    f"runs retry {ID} --wait",
    f"runs show {ID}",
    "runs show abc",
    f"runs stop {ID}",
    "runs stop abc",
    f"runs submit {ID}",
    f"triggers backfill {ID} --drop",
    f"triggers disable {ID}",
    f"triggers fire {ID}",
    "triggers list",
    f"triggers pause {ID}",
    "triggers pause Clock/at",
]
ANSWERS = {
    "nothing": b"",
    "a list": b"[]",
    "null": b"null",
    "an object of nothing": b"{}",
    "a number as an id": b'{"run_id": 5, "id": 5, "data": {}, "stopped": "no"}',
    "a list of numbers": b'{"data": [5, null]}',
    "a list of objects": b'{"data": [{}, {"id": 5}]}',
    "a path as an id": b'{"data": [{"id": "../../x"}], "id": "../../x", "run_id": "\\ud83d"}',
    "brackets": b"[" * 200_000,
    "HTML": b"<html>\xff",
}


VERSION: dict[str, Any] = {"workflow_id": ID, "number": 1}
APP: dict[str, Any] = {"id": ID, "name": "返金", "mode": "workflow", "description": "", "version": VERSION}
FORM: dict[str, Any] = {"form_id": ID, "run_id": ID, "node_id": "ask", "title": "確認", "actions": [{"id": "yes"}]}
FITTING: list[tuple[str, dict[str, Any]]] = [
    ("apps list", {"data": [APP]}),
    ("apps show 返金", {"data": [{**APP, **VERSION}]}),
    (f"apps use {ID} 1", VERSION),
    (f"apps env {ID}", {"data": [{"name": "KEY"}]}),
    (f"apps env {ID} KEY=値", {"data": [{"name": "KEY"}]}),
    (f"apps keys {ID}", {"data": [{"id": ID}]}),
    (f"apps keys {ID} --new", {"id": ID, "key": "app-1"}),
    (f"apps webhook-secret {ID} --new", {"secret": "s"}),
    ("audit", {"data": [{"id": ID, "at": 1.5, "action": "run.stop"}]}),
    ("callbacks list", {"data": [{"run_id": ID}]}),
    ("callbacks resend --all", {"resent": 2}),
    (f"callbacks resend {ID}", {"run_id": ID}),
    ("console tokens list", {"data": [{"id": ID}]}),
    ("console tokens new CI", {"server": {"now": 1.0}, "id": ID, "token": "jko_1"}),
    ("deliveries list", {"data": [{"id": ID}]}),
    (f"deliveries discard {ID}", {"id": ID}),
    (f"deliveries replay {ID}", {"run_id": ID}),
    (f"deliveries show {ID}", {"id": ID}),
    ("runs list", {"data": [{"id": ID, "status": "failed"}]}),
    (f"runs show {ID}", {"id": ID, "status": "succeeded"}),
    (f"runs diff {ID} {ID}", {"fields": [], "nodes": [], "more_nodes": 0, "same": 3}),
    (f"runs stop {ID}", {"stopped": True}),
    (f"runs forms {ID}", {"data": [FORM]}),
    (f"runs submit {ID}", {"data": [FORM]}),
    (f"runs retry {ID}", {"run_id": ID}),
    (f"runs retry {ID} --current", {"run_id": ID, "data": [{"version": 3, "why_not": None}]}),
    ("triggers list", {"data": [{"id": ID, "node_id": "at", "app": {"name": "Clock"}}]}),
    ("triggers enable Clock/at", {"id": ID, "data": [{"id": ID, "node_id": "at", "app": {"name": "Clock"}}]}),
    (f"triggers fire {ID}", {"timestamp": 1.0}),
    (f"triggers backfill {ID} --drop", {"dropped": 1}),
    (f"triggers backfill {ID} --from 2025-01-01T00:00:00Z --to 2025-01-01T03:00:00Z", {"added": 3}),
]
"""Commands, and the least that Jikko answers to all that they ask: each needs all of it."""


@pytest.fixture(autouse=True, scope="module")
def one_context() -> Iterator[None]:
    """One context of TLS for all commands, which read the certificates of the system each, and ask over HTTP here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "_create_default_https_context", functools.cache(ssl.create_default_context))
        yield


def without_one(answer: Any) -> Iterator[Any]:
    """An answer without each of its fields, in turn."""
    parts = answer.items() if isinstance(answer, dict) else enumerate(answer) if isinstance(answer, list) else ()
    for key, value in parts:
        if isinstance(answer, dict):
            yield {name: each for name, each in answer.items() if name != key}
        for less in without_one(value):
            changed = answer.copy()
            changed[key] = less
            yield changed


@contextmanager
def answering(reply: Callable[[str, str], bytes]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A server that answers each request by its method and path: its address, and what it was asked."""
    asked: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append((self.command, self.path))
            body = reply(self.command, self.path)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, args=[0.01])
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


@contextmanager
def sending(answer: bytes) -> Iterator[str]:
    """A server that sends the same bytes to each connection, once it was asked, and closes it: its address."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.recv(1 << 16)
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 16):
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=serve)
        serving.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            serving.join()


def command(url: str, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--url", url, "--token", "jko_x", *words])


def told(outcome: Result, url: str) -> bool:
    """Whether a command ended with an error about the server, and without a traceback."""
    ended = outcome.exception is None or isinstance(outcome.exception, SystemExit)
    message = outcome.stderr.removeprefix("Error: ")
    return ended and outcome.exit_code in (ExitCode.FAILED, ExitCode.UNAVAILABLE) and message.startswith(url)


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_answer_of_a_server_that_is_not_jikko_is_an_error(answer: str) -> None:
    # An empty answer is that of a deletion; and a server of Jikko may have no more than an empty list.
    fits = {"nothing": [f"apps keys {ID} --revoke {ID}", f"console tokens revoke {ID}"]}.get(answer, [])
    with answering(lambda *_: ANSWERS[answer]) as (url, _):
        wrong = {
            words: (outcome.exit_code, outcome.output, outcome.exception)
            for words in COMMANDS
            if not told(outcome := command(url, *words.split()), url) and words not in fits
        }
    assert wrong == {}


def test_so_is_an_answer_that_lacks_a_field_that_the_command_needs() -> None:
    answer: Any = None
    with answering(lambda *_: json.dumps(answer).encode()) as (url, _):
        wrong = []
        for words, fitting in FITTING:
            answer = fitting
            assert command(url, *words.split()).exit_code == 0, words
            for less in without_one(fitting):
                answer = less
                if not told(outcome := command(url, *words.split()), url):
                    wrong.append((words, less, outcome.output))
    assert wrong == []


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("name", ["返金", "Q/A"])
def test_nothing_is_said_to_be_imported_there(answer: str, name: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    file.write_text(app(name, [start("q"), end(q="start.q")], "start>end"), encoding="utf-8")
    with answering(lambda *_: ANSWERS[answer]) as (url, _):
        for words in (["import", "--name", name], ["import"], ["sync", "--dry-run"]):
            outcome = command(url, "apps", *words, str(tmp_path if "sync" in words else file))
            assert (outcome.exit_code, outcome.stdout) == (ExitCode.FAILED, ""), outcome.exception
            assert f"not imported: {url}: the answer is not one of Jikko's." in outcome.stderr


@pytest.mark.parametrize("words", ["apps list", f"runs stop {ID}", f"runs follow {ID}"])
@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\n{"])
def test_so_is_another_protocol_and_half_an_answer(words: str, answer: bytes) -> None:
    with sending(answer) as url:
        assert told(command(url, *words.split()), url)


@pytest.mark.parametrize("line", [b"data: []\n\n", b"data: 5\n\n", b"event: error\ndata: null\n\n", b"data: {\n\n"])
def test_so_are_events_of_a_stream(line: bytes) -> None:
    with answering(lambda *_: line) as (url, _):
        assert told(command(url, "runs", "follow", ID), url)


def test_times_that_are_none_are_shown_as_they_came() -> None:
    runs = [{"id": ID, "status": "failed \ud83d", "created_at": at} for at in (1e300, float("nan"), -1e18)]
    with answering(lambda *_: json.dumps({"data": runs}).encode()) as (url, _):
        listed, as_json = command(url, "runs", "list"), command(url, "runs", "list", "--json")
    assert (listed.exit_code, as_json.exit_code, as_json.exception) == (0, 0, None)
    assert ("1e+300" in listed.stdout, "NaN" in listed.stdout, len(as_json.stdout.splitlines())) == (True, True, 3)


@pytest.mark.parametrize(
    ("mockable", "mock", "code"),
    [
        (None, '{"text": "値"}', ExitCode.UNAVAILABLE),
        ([{"id": "n"}], '{"text": "値"}', ExitCode.OK),
        ([{"id": "n"}], '{"fake_model": true}', ExitCode.UNAVAILABLE),
        ([{"id": "n", "can_fake": False}], '{"fake_model": true}', ExitCode.OK),
    ],
)
def test_a_server_that_does_not_know_a_word_of_mocks_is_not_asked_to_repeat(
    mockable: Any, mock: str, code: int
) -> None:
    choice = {"version": 1, "why_not": None, **({} if mockable is None else {"mockable": mockable})}

    def reply(method: str, _path: str) -> bytes:
        return json.dumps({"data": [choice]} if method == "GET" else {"run_id": ID}).encode()

    with answering(reply) as (url, asked):
        outcome = command(url, "runs", "retry", ID, "--mock", f"n={mock}")
    assert outcome.exit_code == code, outcome.output
    assert [method for method, _ in asked] == ["GET", "POST"][: 2 if code is ExitCode.OK else 1]
    assert code is ExitCode.OK or "The server is older" in outcome.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [("Stopped by 花子", ExitCode.STOPPED), ("Maximum execution time exceeded: 5 s", ExitCode.TIME_LIMIT)],
)
def test_a_run_that_was_stopped_has_an_exit_code_of_its_own(error: str, code: ExitCode) -> None:
    ended = {"id": ID, "status": "stopped", "error": {"node_id": None, "title": None, "message": error}}
    with answering(lambda _, path: b"" if path.endswith("/stream") else json.dumps(ended).encode()) as (url, _):
        outcome = command(url, "runs", "follow", ID)
    assert (outcome.exit_code, outcome.output) == (code, "")
