"""Commands that act on a remote server: their requests and targets."""

import json
import socket
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from click.testing import CliRunner

from jikko.cli.command_failure import Failure
from jikko.cli.main import cli
from jikko.cli.remote.remote_server import PAGE, RemoteServer


class _Redirecting(BaseHTTPRequestHandler):
    """Sends requests to a path of the same server, which would answer them; those below ``/here`` it answers."""

    seen: ClassVar[list[tuple[str, str]]] = []

    def do_POST(self) -> None:
        self.seen.append((self.path, self.headers["Authorization"]))
        answers = self.path == "/moved" or self.path.startswith("/here/")
        self.send_response(200 if answers else 307)
        self.send_header("Location", f"http://{self.headers['Host']}/moved")
        self.send_header("Content-Length", "12")
        self.end_headers()
        self.wfile.write(b'{"data": []}')

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Redirecting)
    _Redirecting.seen.clear()
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    serving.join()
    server.server_close()


def test_the_key_of_an_app_is_not_sent_where_a_server_redirects_to(url: str) -> None:
    with pytest.raises(Failure, match="307"):
        RemoteServer(url, "app-x").json("POST", "/v1/workflows/run/r/stop", b"{}")
    assert [path for path, _ in _Redirecting.seen] == ["/v1/workflows/run/r/stop"]


def test_nor_is_a_token(url: str) -> None:
    with pytest.raises(Failure, match="307"):
        RemoteServer(url, "jko_x").json("GET", "apps")
    assert _Redirecting.seen == [("/api/v1/apps", "Bearer jko_x")]


@pytest.mark.parametrize(
    "command",
    ["apps list", "audit", "callbacks list", "console tokens list", "deliveries list", "runs list", "triggers list"],
)
def test_a_command_acts_at_the_server_that_is_named_and_not_here(url: str, command: str, tmp_path: Path) -> None:
    here = {"JIKKO_HOME": str(tmp_path / "home")}
    asked = ["--url", f"{url}/here", "--token", "jko_x", *command.split(), "--json"]
    outcome = CliRunner().invoke(cli, asked, env=here)
    assert (outcome.exit_code, outcome.stdout) == (0, ""), outcome.stderr
    assert [authorization for _, authorization in _Redirecting.seen] == ["Bearer jko_x"]
    assert not (tmp_path / "home").exists()


def test_why_no_server_answers_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Failure) as raised:
            RemoteServer(url, "jko_x").json("GET", "apps")
    assert str(raised.value) == f"{url}: no server answers: Connection refused"


@pytest.mark.parametrize("count", [PAGE - 1, PAGE])
def test_a_list_that_may_have_more_says_so(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps({"data": [{"run_id": str(uuid.uuid4()), "state": "failed"} for _ in range(count)]}).encode()
    monkeypatch.setattr(RemoteServer, "raw", lambda *_, **__: body)
    outcome = CliRunner().invoke(
        cli, ["--url", "http://日本.example", "--token", "jko_x", "callbacks", "list", "--json"]
    )
    assert (outcome.exit_code, len(outcome.stdout.splitlines())) == (0, count), outcome.stderr
    assert (f"more than the oldest {PAGE}, which are listed" in outcome.stderr) == (count == PAGE)
