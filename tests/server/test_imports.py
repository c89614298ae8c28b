"""What a server of one machine does not wait for, and has no memory for: what nobody has asked it for yet."""

import json
import subprocess
import sys
from typing import Any

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
    *("pypdf", "python_multipart", "quickjs", "starlette.requests", "websockets"),
)
"""Those of features that nobody asked for yet, whether they are installed or not."""
STANDARD = ("html.parser", "http.cookies", "importlib.metadata", "statistics", "zoneinfo")
"""Modules of Python that take long and that only some feature uses."""
OURS = (
    # Several servers, and records elsewhere.
    *("jikko.cluster.nats", "jikko.store.postgres", "jikko.store.memory.run_store"),
    # What a server's operator sees of it, if anybody looks.
    *("jikko.console.service", "jikko.console.mending", "jikko.http.console.gate", "jikko.http.console.tables"),
    *("jikko.http.reference", "jikko.forecast.forecast", "jikko.observing.traces.run_traces"),
    # Operations that few apps are asked for.
    *("jikko.http.routes.annotations", "jikko.http.routes.audio", "jikko.http.routes.completions"),
    *("jikko.http.routes.conversations", "jikko.http.routes.knowledge", "jikko.http.routes.mcp_server"),
    # Datasets, tools, plugins, models, backups.
    *("jikko.dify.knowledge", "jikko.knowledge.indexing", "jikko.knowledge.retrieval", "jikko.knowledge.service"),
    *("jikko.knowledge.texts", "jikko.ports.stores.knowledge", "jikko.store.sqlite.knowledge.datasets"),
    *("jikko.plugins", "jikko.strategies", "jikko.tools"),
    *("jikko.providers.anthropic_messages", "jikko.providers.file", "jikko.providers.llama_cpp"),
    *("jikko.providers.openai", "jikko.providers.speech", "jikko.providers.vectors", "jikko.providers.wordllama"),
    *("jikko.maintenance.in_bucket", "jikko.maintenance.restore", "jikko.maintenance.scheduled_backups"),
    # Nodes that no workflow has.
    *("jikko.nodes.agents", "jikko.nodes.files", "jikko.nodes.flow.iteration", "jikko.nodes.http"),
    *("jikko.nodes.data", "jikko.nodes.knowledge", "jikko.nodes.model.llm", "jikko.nodes.tools"),
    *("jikko.documents.pdf", "jikko.sandbox.fork_server_client", "jikko.sandbox.programs", "jikko.sandbox.selftest"),
    # A bucket or memory for files, and how to try an app for which a key was made.
    *("jikko.files.bucket", "jikko.files.memory", "jikko.server.trial"),
)
"""Beginnings of the names of modules."""
MODULES = "jikko.cli.main, jikko.cli.serve, jikko.assemble, jikko.server.worker, jikko.server.supervisor"
MAX_MODULES = 479
"""Of ours, packages included. Each takes 0.1 to 0.5 ms, and some ten KiB."""
MAX_DATA_CLASSES = 12
"""Each takes a third of a millisecond to make, thirty times what a struct takes."""


@pytest.fixture(scope="module")
def started() -> dict[str, Any]:
    """What a process says of itself that imported what a server needs, and put it together."""
    code = (
        "import dataclasses, sys\n"
        "make, made = dataclasses._process_class, []\n"
        "dataclasses._process_class = lambda cls, *rest: made.append(cls) or make(cls, *rest)\n"
        f"import {MODULES}\n"
        "from jikko.settings import Settings\n"
        "import asyncio, json, tempfile, pathlib\n"
        "async def main():\n"
        "    from jikko.http.app import create_app\n"
        "    from jikko.server import http_server\n"
        "    from jikko.server.member import ServerMember\n"
        "    from jikko.server.serving import api_of, console_of\n"
        "    with tempfile.TemporaryDirectory() as home:\n"
        "        async with jikko.assemble.assemble(\n"
        "            Settings(home=pathlib.Path(home)), owned=True, console=True\n"
        "        ) as assembly:\n"
        "            create_app(api_of(assembly), console=console_of(assembly))\n"
        "            leading = asyncio.ensure_future(ServerMember(assembly, print).lead())\n"
        "            await asyncio.sleep(0)\n"
        "            await assembly.indexing.prepare()\n"
        "            leading.cancel()\n"
        "    data_classes = [cls.__name__ for cls in made if cls.__module__.startswith('jikko.')]\n"
        "    print(json.dumps({'modules': sorted(sys.modules), 'data_classes': data_classes}))\n"
        "asyncio.run(main())\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not found.returncode, found.stderr
    said: dict[str, Any] = json.loads(found.stdout)
    return said


def test_no_library_of_features_that_are_not_used_is_imported(started: dict[str, Any]) -> None:
    assert {*LIBRARIES, *STANDARD} & {*started["modules"]} == set()


def test_nothing_of_ours_is_imported_that_nobody_asked_for(started: dict[str, Any]) -> None:
    assert [name for name in started["modules"] if name.startswith(OURS)] == []


def test_few_modules_are_imported_for_a_start(started: dict[str, Any]) -> None:
    assert 0 < sum(name.startswith("jikko") for name in started["modules"]) <= MAX_MODULES


def test_few_data_classes_are_made_for_a_start(started: dict[str, Any]) -> None:
    assert 0 < len(started["data_classes"]) <= MAX_DATA_CLASSES, started["data_classes"]
