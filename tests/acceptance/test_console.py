"""The console of a real server: the link on the terminal, tokens by the command, several workers."""

import json
import re
import socket
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.processes import Command, Server
from tests.acceptance.terminal import Terminal
from tests.acceptance.workflows import ECHO
from tests.effort import PATIENCE, trusted

API = "/console/api"


def own_page(url: str) -> dict[str, str]:
    """What a page of the console sends."""
    return {"X-Jikko-Console": "1", "Origin": url, "Sec-Fetch-Site": "same-origin"}


@contextmanager
def signed_in(link: str) -> Iterator[httpx.Client]:
    """A browser that has opened a link."""
    url, _, ticket = link.partition("/console/enter#ticket=")
    with httpx.Client(base_url=url, headers=own_page(url), verify=trusted(), timeout=PATIENCE) as client:
        assert client.post(f"{API}/session", json={"ticket": ticket}).status_code == 200, link
        yield client


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_terminal_gets_a_link_that_opens_the_console(tmp_path: Path, workers: str) -> None:
    with Terminal(tmp_path / "home", ["serve", "--port", "0", "--workers", workers]) as terminal:
        terminal.wait_for("Console: ")
        link = re.sub(r"\s", "", terminal.wait_for(" (opens it once"))
        with signed_in(link) as client:
            assert client.get(f"{API}/session").json()["role"] == "operator"


def test_where_there_is_no_terminal_no_link_is_printed(jikko: Command) -> None:
    server = Server(jikko.home)
    try:
        assert "ticket" not in server.output
        [entry] = jikko.json("console", "--viewer")
        assert entry["url"].startswith(server.url)
        with signed_in(entry["url"]) as client:
            assert client.get(f"{API}/session").json()["role"] == "viewer"
    finally:
        server.close()


def test_a_list_that_is_looked_at_ends_with_the_server_and_holds_nothing_up(jikko: Command) -> None:
    token = "a" * 40
    server = Server(jikko.home, settings={"JIKKO_CONSOLE_TOKEN": token})
    try:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.stream(
            "GET", f"{server.url}{API}/runs/stream", headers=headers, verify=trusted(), timeout=PATIENCE
        ) as answer:
            lines = answer.iter_lines()
            assert next(lines) == "event: tick"
            code = server.stop()
            rest = list(lines)
    finally:
        server.close()

    assert (code, "event: error" in rest) == (0, False)
    # Otherwise the server gives up waiting for it after some seconds.
    assert "cut off" not in server.output
    assert "uvicorn" not in server.output


def test_a_token_with_scopes_and_an_end_is_made_by_the_command(jikko: Command) -> None:
    given = ("--scope", "runs:read", "--scope", "apps:write", "--expires", "2h")
    [made] = jikko.json("console", "tokens", "new", "展開 🚢", *given)
    assert (made["scopes"], made["role"]) == (["apps:write", "runs:read"], "viewer")
    [listed] = jikko.json("console", "tokens", "list")
    assert listed["expires_at"] == made["expires_at"] == pytest.approx(listed["created_at"] + 7200, abs=60)
    shown = jikko("console", "tokens", "list").out
    assert "apps:write,runs:read" in shown
    assert "expires 2" in shown
    for refused in (("--scope", "all"), ("--viewer", "--scope", "runs:read"), ("--expires", "soon")):
        assert jikko("console", "tokens", "new", "x", *refused).code == 2


def test_tokens_are_made_listed_and_revoked_by_the_command(jikko: Command, tmp_path: Path) -> None:
    [made] = jikko.json("console", "tokens", "new", "CI")
    file = tmp_path / "token"
    assert jikko("console", "tokens", "new", "Eyes", "--viewer", "--to", file).out.strip() == f"in {file}"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    server = Server(jikko.home)
    try:
        for token, role in ((made["token"], "operator"), (file.read_text().strip(), "viewer")):
            headers = {"Authorization": f"Bearer {token}"}
            assert (
                httpx.get(f"{server.url}{API}/session", headers=headers, verify=trusted(), timeout=PATIENCE).json()[
                    "role"
                ]
                == role
            )
        listed = jikko.json("console", "tokens", "list")
        assert [(entry["name"], entry["role"]) for entry in listed] == [("CI", "operator"), ("Eyes", "viewer")]
        assert "CI" in jikko("console", "tokens", "list").out
        assert jikko("console", "tokens", "revoke", made["id"]).code == 0
        assert jikko("console", "tokens", "revoke", made["id"]).code != 0
        headers = {"Authorization": f"Bearer {made['token']}"}
        assert (
            httpx.get(f"{server.url}{API}/session", headers=headers, verify=trusted(), timeout=PATIENCE).status_code
            == 401
        )
    finally:
        server.close()


def test_off_it_is_not_there(jikko: Command) -> None:
    server = Server(jikko.home, settings={"JIKKO_CONSOLE": "off"})
    try:
        for path in ("/console", "/console/", f"{API}/session", "/console/openapi.json"):
            assert httpx.get(f"{server.url}{path}", verify=trusted(), timeout=PATIENCE).status_code == 404
    finally:
        server.close()
    refused = jikko("console", JIKKO_CONSOLE="off")
    assert (refused.code, "JIKKO_CONSOLE" in refused.err) == (1, True)


@pytest.fixture
def several(jikko: Command, tmp_path: Path) -> Iterator[Server]:
    """A server of two workers with an app."""
    (tmp_path / "echo.yml").write_text(ECHO, encoding="utf-8")
    server = Server(jikko.home, tmp_path / "echo.yml", options=["--workers", "2"])
    yield server
    server.close()


def test_all_workers_know_a_session_and_tell_what_moved(several: Server, jikko: Command) -> None:
    [entry] = jikko.json("console")
    with signed_in(entry["url"]) as client:
        app = client.get(f"{API}/apps").json()["data"][0]["id"]
        listeners = [Listener(client, several.url) for _ in range(6)]
        for listener in listeners:
            listener.wait_for(lambda tick: True)
        started = client.post(f"{API}/apps/{app}/runs", json={"inputs": {"q": "hi"}}).json()["run_id"]
        for listener in listeners:
            listener.wait_for(
                lambda tick: (started, "succeeded") in [(run["id"], run["status"]) for run in tick["changed"]]
            )
            assert listener.last["new"] == 1
            listener.close()


class Listener:
    """Follows the list of runs over a connection of its own."""

    def __init__(self, client: httpx.Client, url: str) -> None:
        self._client = httpx.Client(base_url=url, cookies=dict(client.cookies), verify=trusted(), timeout=PATIENCE)
        self._ticks: list[Any] = []
        self._moved = threading.Condition()
        self._connection: Future[socket.socket] = Future()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    @property
    def last(self) -> Any:
        return self._ticks[-1]

    def wait_for(self, is_so: Any) -> None:
        """Wait until some message is as wanted."""
        end = time.monotonic() + PATIENCE
        with self._moved:
            while not any(is_so(tick) for tick in self._ticks):
                assert self._moved.wait(end - time.monotonic()), self._ticks

    def close(self) -> None:
        """Hang up: the next line may be a ping, many seconds later."""
        self._connection.result(PATIENCE).shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        self._client.close()

    def _read(self) -> None:
        with suppress(httpx.HTTPError), self._client.stream("GET", f"{API}/runs/stream") as answer:
            self._connection.set_result(answer.extensions["network_stream"].get_extra_info("socket"))
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    with self._moved:
                        self._ticks.append(json.loads(line[6:]))
                        self._moved.notify_all()
