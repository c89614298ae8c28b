"""``jikko serve --reload``: files that change while they are served."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import app, end, start, template
from tests.effort import PATIENCE

pytestmark = pytest.mark.once


def says(text: str) -> str:
    return app("挨拶", [start("q"), template("t", text), end(said="t.output")], "start>t t>end")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "says.yml"
    path.write_text(says("one"), encoding="utf-8")
    return path


@pytest.fixture
def server(tmp_path: Path, file: Path) -> Iterator[Server]:
    served = Server(tmp_path / "home", file, options=("--reload",))
    yield served
    served.close()


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    [key] = (server.home / "keys").iterdir()
    found = Client(server.url, key.read_text().strip())
    yield found
    found.close()


def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.05)


def answer_of(client: Client) -> object:
    return client.run(q="x")["data"]["outputs"]["said"]


def test_a_file_that_changes_is_published_again(server: Server, client: Client, file: Path) -> None:
    assert answer_of(client) == "one"
    file.write_text(says("二 🌸"), encoding="utf-8")
    until(lambda: answer_of(client) == "二 🌸")
    # As many editors do it.
    new = file.with_suffix(".new")
    new.write_text(says("san"), encoding="utf-8")
    os.replace(new, file)
    until(lambda: answer_of(client) == "san")
    assert server.stop() == 0
    assert "Traceback" not in server.output


@pytest.mark.slow
def test_a_file_that_is_broken_for_a_while_is_told_and_the_old_version_is_served(
    server: Server, client: Client, file: Path
) -> None:
    file.write_text("- 1", encoding="utf-8")
    until(lambda: f"not published: {file}: 1 problem" in server.output)
    assert answer_of(client) == "one"
    file.unlink()
    file.write_text(says("again"), encoding="utf-8")
    until(lambda: answer_of(client) == "again")
    assert "Traceback" not in server.output


def test_it_is_for_one_worker_and_files_that_are_named(tmp_path: Path, file: Path) -> None:
    jikko = Command(tmp_path / "home")
    for command in (("serve", "--reload"), ("serve", "--reload", "--workers", "2", file)):
        refused = jikko(*command)
        assert (refused.code, "--reload" in refused.err) == (2, True)
