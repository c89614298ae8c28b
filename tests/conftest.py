"""What all tests share."""

import compileall
import gc
import importlib
import os
import signal
from collections.abc import AsyncIterator, Generator
from contextlib import suppress
from typing import TYPE_CHECKING

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
    "tests.store.postgres_server",
    "tests.store.templates",
]

# The commands that tests start hear Ctrl-C and the end of a terminal, though what started the tests ignores them
# (a shell's `&`, nohup): what is ignored is inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Messages are in English, whatever the locale of who runs the tests; those about another language set it themselves.
os.environ["LC_ALL"] = "C.UTF-8"

# Nor do settings of Jikko in the shell that runs the tests mean anything to the commands that tests start.
for name in [name for name in os.environ if name.startswith("JIKKO_")]:
    del os.environ[name]

# How long an example takes depends on what else the machine does.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """The modules and the items of tests stay until the end: the garbage collector does not look through them."""
    gc.disable()
    try:
        if worker := getattr(session.config, "workerinput", None):
            compile_share(session.config, int(worker["workerid"].removeprefix("gw")), worker["workercount"])
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def compile_share(config: pytest.Config, number: int, count: int) -> None:
    """Begin with another part of the modules than the other processes do: what one has compiled, the others load.

    Args:
        number: Of this process, from 0.
        count: How many there are.
    """
    source = sorted((config.rootpath / "src").rglob("*.py"))
    for path in source[number::count]:
        compileall.compile_file(path, quiet=2)
    named = [config.invocation_params.dir / argument.partition("::")[0] for argument in config.args]
    tests = sorted({file for path in named for file in (path.rglob("test_*.py") if path.is_dir() else (path,))})
    for path in tests[number::count]:
        # What cannot be imported is told when its turn comes.
        with suppress(Exception):
            importlib.import_module(".".join(path.relative_to(config.rootpath).with_suffix("").parts))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def world() -> AsyncIterator["World"]:
    """A world in memory."""
    from tests.runs.world import World

    world = World()
    yield world
    await world.close()


@pytest.fixture
def soon_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """The holder of a run that does not answer is out of reach at once: there is none, and nothing to wait for."""
    monkeypatch.setattr("jikko.runs.control._OUT_OF_REACH_SECONDS", 0.0)
