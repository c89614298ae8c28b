"""``jikko runs stop|retry``: what can be asked of a server, and what may answer."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner, Result

from jikko.cli.main import cli
from jikko.exit_codes import ExitCode


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers each request with the same bytes: its address, and the first lines of what it was sent."""
    asked: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                received = b""
                while b'"user"' not in received:
                    received += connection.recv(1 << 16)
                asked.append(received.partition(b"\r\n")[0])
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", asked
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def json_answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def run_command(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["runs", *arguments, "--key", "app-1"])


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("stop", b"SSH-2.0-OpenSSH\r\n"),
        ("stop", json_answer(b"[]")),
        ("retry", json_answer(b"[]")),
        ("retry", json_answer(b"{}")),
        ("retry", json_answer(b"<html>")),
    ],
)
def test_an_answer_that_is_none_of_a_server_of_ours_is_an_error(command: str, answer: bytes) -> None:
    with answering(answer) as (url, _):
        outcome = run_command(command, "r", "--url", url)

    assert outcome.exit_code in (ExitCode.FAILED, ExitCode.UNAVAILABLE)
    assert outcome.output.startswith(f"Error: {url}")


def test_a_run_is_named_in_the_address_whatever_is_in_its_id() -> None:
    with answering(json_answer(b'{"stopped": true}')) as (url, asked):
        outcome = run_command("stop", "a b/../é?", "--url", url)

    assert (outcome.exit_code, outcome.output) == (0, "stopped\n")
    assert asked == [b"POST /v1/workflows/run/a%20b%2F..%2F%C3%A9%3F/stop HTTP/1.1"]


@pytest.mark.parametrize("until", ["1h", "2h"])
def test_a_span_of_time_that_ends_before_it_begins_is_no_export_of_nothing(until: str) -> None:
    outcome = CliRunner().invoke(cli, ["runs", "export", "--since", "1h", "--until", until])

    assert outcome.exit_code == ExitCode.USAGE
    assert "--since is further back than --until" in outcome.output
