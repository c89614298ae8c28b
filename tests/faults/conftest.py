import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.echo import EchoServer
from tests.acceptance.several_servers import SeveralServers
from tests.acceptance.workflows import ASKS, ECHO, app, end, fetch, form, start
from tests.cluster.nats_server import NatsServer, nats_running
from tests.faults.starts import Trial, Try
from tests.faults.table import IN_CI, Seen, chosen, keep
from tests.files.buckets import CREDENTIALS, Buckets
from tests.store.postgres_server import PostgresServer

LIFE = 3.0
"""Seconds after which these tests' servers are considered dead."""
LONG_LIFE = {"JIKKO_MEMBER_SECONDS": "10"}
"""Settings for tests in which no server may be considered dead, even on a busy machine."""

Made = Callable[..., SeveralServers]
Keep = Callable[[Seen], None]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "TEST_FAULTS" in os.environ:
        others = [item for item in items if fault_of(item) not in {None, *chosen()}]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]
    for item in items:
        if (mark := item.get_closest_marker("fault")) is not None:
            item.add_marker(pytest.mark.services)
            item.add_marker(pytest.mark.slow)
            if mark.args[0] not in IN_CI:
                item.add_marker(pytest.mark.long)


def fault_of(item: pytest.Item) -> int | None:
    """Return the number of the fault tested, if any."""
    mark = item.get_closest_marker("fault")
    return None if mark is None else mark.args[0]


@pytest.fixture
def seen(request: pytest.FixtureRequest) -> Keep:
    """Function for a test's last line: records the outcome of its fault."""
    number = fault_of(request.node)
    assert number is not None

    def keep_it(what: Seen) -> None:
        print(f"\n{number}: {what}")
        if os.environ.get("TEST_KEEP_FAULTS"):
            keep(number, what)

    return keep_it


@pytest.fixture(scope="module")
def echo() -> Iterator[EchoServer]:
    """Server called by workflows."""
    server = EchoServer()
    yield server
    server.close()


@pytest.fixture
def nats() -> Iterator[NatsServer]:
    """NATS server of this test, to be killed."""
    with nats_running() as server:
        yield server


@pytest.fixture
def settings(postgres_server: PostgresServer, buckets: Buckets, nats_server: NatsServer) -> dict[str, str]:
    """Settings shared by several servers: a new database and bucket. Tests replace those that they break."""
    return {
        "JIKKO_DATABASE_URL": postgres_server.made(),
        "JIKKO_FILES_URL": buckets.made(),
        "JIKKO_NATS_URL": nats_server.url,
        "JIKKO_LAME_DUCK_SECONDS": "0",
        "JIKKO_MEMBER_SECONDS": str(LIFE),
        **CREDENTIALS,
    }


@pytest.fixture
def servers(tmp_path: Path, echo: EchoServer, settings: dict[str, str]) -> Iterator[Made]:
    """Factory of servers with the apps below."""
    made: list[SeveralServers] = []

    def make(count: int = 3, **more: str) -> SeveralServers:
        made.append(SeveralServers(tmp_path, apps_of(echo), settings | more, count))
        return made[-1]

    yield make
    for several in made:
        several.close()


@pytest.fixture
def on(tmp_path: Path, echo: EchoServer) -> Iterator[Try]:
    """Factory of a folder's server, with settings."""
    made: list[Trial] = []
    file = tmp_path / "fetch.yml"
    nodes = [start("q"), fetch("call", f"{echo.url}/{{{{#start.q#}}}}"), end(a="call.body")]
    file.write_text(app("Fetch", nodes, "start>call>end"), encoding="utf-8")

    def make(folder: Path, **settings: str) -> Trial:
        made.append(Trial(folder / "home", file, echo, settings))
        return made[-1]

    yield make
    for trial in made:
        trial.starts.server.close()


def apps_of(echo: EchoServer) -> dict[str, str]:
    """Return the apps; ``steps`` makes three slow calls in sequence."""
    calls = [fetch(name, f"{echo.url}/slow/{name}/{{{{#start.q#}}}}") for name in "abc"]
    hold = fetch("wait", f"{echo.url}/hold/{{{{#start.q#}}}}")
    both = [start("q"), hold, form("ask", "?"), end("done", q="start.q"), end("said", said="ask.comment")]
    return {
        "steps": app(
            "Steps",
            [start("q"), *calls, end(q="start.q", a="a.body", b="b.body", c="c.body")],
            "start>a>b>c>end",
        ),
        "held": app("Held", [start("q"), hold, end(q="start.q")], "start>wait>end"),
        # Asks while another branch runs.
        "both": app("Both", both, "start>wait>done start>ask ask:yes>said"),
        "asks": ASKS,
        "echo": ECHO,
    }
