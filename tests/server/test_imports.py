"""What a server of one machine does not wait for, and has no memory for."""

import subprocess
import sys

import pytest

LIBRARIES = (
    *("asyncpg", "nats", "obstore"),
    *(
        "aiohttp",
        "anthropic",
        "jinja2",
        "jsonschema_rs",
        "llama_cpp",
        "mcp",
        "numpy",
        "openai",
        "opentelemetry",
        "pydantic",
    ),
    *("pypdf", "quickjs", "websockets"),
)
"""Those of features that nobody asked for yet, whether they are installed or not."""
OURS = (
    *("jikko.cluster.nats", "jikko.store.postgres"),
    *("jikko.observing.traces.run_traces", "jikko.plugins", "jikko.store.memory.run_store"),
)
MODULES = (
    "jikko.cli.main, jikko.cli.serve, jikko.assemble, jikko.server.worker, jikko.server.supervisor, jikko.http.app, "
    "jikko.server.http_server, jikko.http.console.table"
)
MAX_DATA_CLASSES = 30
"""Each takes a third of a millisecond to make, thirty times what a struct takes."""


@pytest.fixture(scope="module")
def started() -> list[str]:
    """What a process says of itself that imported what a server needs, and put it together."""
    code = (
        "import dataclasses, sys\n"
        "make, made = dataclasses._process_class, []\n"
        "dataclasses._process_class = lambda cls, *rest: made.append(cls) or make(cls, *rest)\n"
        f"import {MODULES}\n"
        "from jikko.settings import Settings\n"
        "import asyncio, tempfile, pathlib\n"
        "async def main():\n"
        "    with tempfile.TemporaryDirectory() as home:\n"
        "        async with jikko.assemble.assemble(Settings(home=pathlib.Path(home)), owned=True, console=True):\n"
        f"            print(sorted({{*{LIBRARIES!r}}} & set(sys.modules)))\n"
        f"            print(sorted(name for name in sys.modules if name.startswith({OURS!r})))\n"
        "            print(sum(cls.__module__.startswith('jikko.') for cls in made))\n"
        "asyncio.run(main())\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not found.returncode, found.stderr
    return found.stdout.splitlines()


def test_nothing_of_several_servers_and_of_features_that_are_not_used_is_imported(started: list[str]) -> None:
    assert started[:2] == ["[]", "[]"]


def test_few_data_classes_are_made_for_a_start(started: list[str]) -> None:
    assert 0 < int(started[2]) <= MAX_DATA_CLASSES
