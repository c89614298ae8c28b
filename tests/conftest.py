"""Configuration and fixtures of all tests."""

import compileall
import gc
import os
import signal
from collections.abc import AsyncIterator, Generator
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.runs.world import World

pytest_plugins = [
    "pytester",
    "tests.durations",
    "tests.no_skips",
    "tests.cluster.nats_server",
    "tests.files.buckets",
    "tests.files.radosgw",
    "tests.sandbox.forked",
    "tests.store.postgres_server",
    "tests.store.templates",
]

# Commands started by tests receive Ctrl-C and hangups even if the tests' parent ignores them (a shell's `&`, nohup):
# ignored signals are inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Messages are in English, whatever the user's locale; tests of another language set it themselves.
os.environ["LC_ALL"] = "C.UTF-8"

# Settings of Jikko in the calling shell do not apply to commands started by tests.
for name in [name for name in os.environ if name.startswith("JIKKO_")]:
    del os.environ[name]

# The duration of an example depends on the machine's load.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    """Name the test run, for what its processes share: see ``warm_commands``."""
    os.environ["TEST_RUN"] = getattr(config, "workerinput", {}).get("testrunuid") or uuid4().hex


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Exclude modules and test items from garbage collection: they live until the end."""
    gc.disable()
    try:
        if worker := getattr(session.config, "workerinput", None):
            compile_share(session.config, int(worker["workerid"].removeprefix("gw")), worker["workercount"])
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def compile_share(config: pytest.Config, number: int, count: int) -> None:
    """Compile a share of Jikko, a different one per process, so that each loads what others compiled.

    Args:
        number: Index of this process, from 0.
        count: Number of processes.
    """
    source = sorted((config.rootpath / "src").rglob("*.py"))
    for path in source[number::count]:
        compileall.compile_file(path, quiet=2)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def world(request: pytest.FixtureRequest) -> AsyncIterator["World"]:
    """World in memory; on disk for the parameter ``disk``."""
    from tests.runs.world import World

    is_on_disk = getattr(request, "param", "memory") == "disk"
    world = World.on_disk(request.getfixturevalue("tmp_path")) if is_on_disk else World()
    yield world
    await world.close()


@pytest.fixture
def soon_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat an unresponsive holder of a run as unreachable at once: there is no holder to wait for."""
    monkeypatch.setattr("jikko.runs.control._OUT_OF_REACH_SECONDS", 0.0)
