from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import ASKS, ECHO, Node, app, end, fetch, if_contains, node, python, start, template
from tests.cluster.nats_server import NatsServer
from tests.files.buckets import CREDENTIALS, Buckets
from tests.store.postgres_server import PostgresServer

QUICK: Final = ("test_http_*.py", "test_service_api.py")
"""Fast test files in this folder: they share a server, to which the command imports apps."""


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Mark all other tests that start the command or a server as slow, even at a second each: there are hundreds."""
    for item in items:
        if item.path.parent == Path(__file__).parent and not any(fnmatch(item.path.name, quick) for quick in QUICK):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def jikko(tmp_path: Path) -> Command:
    """Command with its own data folder."""
    return Command(tmp_path / "home")


@pytest.fixture(scope="package")
def echo() -> Iterator[EchoServer]:
    """Server called by workflows."""
    server = EchoServer()
    yield server
    server.close()


@dataclass
class Scene:
    """Running server with apps and a client for each."""

    server: Server
    command: Command
    client: Callable[[str], Client]
    """By name of the app."""


@pytest.fixture(scope="package")
def scene(tmp_path_factory: pytest.TempPathFactory, echo: EchoServer) -> Iterator[Scene]:
    """Server shared by many tests, none of which may depend on others."""
    with scene_in(tmp_path_factory.mktemp("scene"), apps_of(echo)) as made:
        yield made


@contextmanager
def scene_in(folder: Path, apps: Mapping[str, str], **settings: str) -> Iterator[Scene]:
    """Server with apps, in a folder."""
    command = Command(folder / "home")
    keys = command.imported(folder, apps)
    server = Server(command.home, settings=settings)
    clients = {name: Client(server.url, key) for name, key in keys.items()}
    yield Scene(server, command, clients.__getitem__)
    for client in clients.values():
        client.close()
    server.close()


def apps_of(echo: EchoServer) -> dict[str, str]:
    """Return the apps of the shared server."""
    return {
        "echo": ECHO,
        "strict": app("Strict", [start("q", required=True), end(q="start.q")], "start>end"),
        # Waits at the echo server until the test releases it.
        "held": app(
            "Held",
            [start("name"), fetch("wait", f"{echo.url}/hold/{{{{#start.name#}}}}"), end(answer="wait.body")],
            "start>wait wait>end",
        ),
        "work": app(
            "Work",
            [
                start("q"),
                python("shout", "def main(q):\n    return {'text': q.upper()}\n", {"text": "string"}, q="start.q"),
                if_contains("loud", "shout.text", "!"),
                template("yes", "{{ text }} is loud", text="shout.text"),
                template("no", "{{ text }} is quiet", text="shout.text"),
                end("end-loud", said="yes.output"),
                end("end-quiet", said="no.output"),
            ],
            "start>shout shout>loud loud:true>yes loud:false>no yes>end-loud no>end-quiet",
        ),
        "broken": app(
            "Broken",
            [start("q"), python("bad", "def main():\n    return 1 / 0\n", {"text": "string"}), end(text="bad.text")],
            "start>bad bad>end",
        ),
        "asks": ASKS,
        "file": app("File", [_start_of_file("document"), end(same="start.document")], "start>end"),
        "chat": app("Chat", [start("q"), node_answer()], "start>answer", mode="advanced-chat"),
    }


def _start_of_file(name: str) -> Node:
    methods = {"allowed_file_types": ["document"], "allowed_file_upload_methods": ["local_file"]}
    return node("start", "start", variables=[{"variable": name, "label": name, "type": "file", **methods}])


def node_answer() -> dict[str, object]:
    return {"id": "answer", "data": {"type": "answer", "title": "answer", "answer": "hello"}}


@pytest.fixture(scope="module")
def several_settings_of_module(
    postgres_server: PostgresServer, s3_server: Buckets, nats_server: NatsServer
) -> dict[str, str]:
    """``several_settings`` for all tests of a file."""
    return _shared(postgres_server, s3_server, nats_server)


@pytest.fixture
def several_settings(postgres_server: PostgresServer, buckets: Buckets, nats_server: NatsServer) -> dict[str, str]:
    """Settings shared by several servers: a new database and bucket."""
    return _shared(postgres_server, buckets, nats_server)


def _shared(postgres_server: PostgresServer, buckets: Buckets, nats_server: NatsServer) -> dict[str, str]:
    return {
        "JIKKO_DATABASE_URL": postgres_server.made(),
        "JIKKO_FILES_URL": buckets.made(),
        "JIKKO_NATS_URL": nats_server.url,
        "JIKKO_LAME_DUCK_SECONDS": "0",
        **CREDENTIALS,
    }
