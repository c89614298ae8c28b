"""Lazy imports of a server on one machine: no time or memory for unused features.

A start's work is counted, so that no clock and no other process affects it. The bounds are the reproducible
measurements plus some room; raise them only with a recorded reason.
"""

import sys
from collections.abc import Iterator

import pytest
from benchmarks.server_start import Counted, Start, counted

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
    *("jikko.cluster.nats", "jikko.store.postgres", "jikko.store.sqlite.memory_database"),
    # What a server's operator sees of it, if anybody looks.
    *("jikko.console.console_service", "jikko.console.issues", "jikko.http.console.visitor_gate"),
    *("jikko.http.reference", "jikko.forecast.forecast", "jikko.observing.traces.run_traces"),
    # Operations that few apps are asked for.
    *("jikko.http.routes.annotation_routes", "jikko.http.routes.audio", "jikko.http.routes.completions"),
    *("jikko.http.routes.conversations", "jikko.http.routes.knowledge", "jikko.http.mcp"),
    # Datasets, tools, plugins, models, backups.
    *("jikko.dify.knowledge", "jikko.knowledge.indexing", "jikko.knowledge.retrieval", "jikko.knowledge.service"),
    *("jikko.knowledge.texts", "jikko.ports.stores.knowledge", "jikko.repositories.knowledge.dataset_repository"),
    *("jikko.plugins", "jikko.strategies", "jikko.tools"),
    *("jikko.providers.anthropic_messages", "jikko.providers.providers_file", "jikko.providers.llama_cpp"),
    *("jikko.providers.openai", "jikko.providers.other_models", "jikko.providers.wordllama"),
    "jikko.providers.embedder",
    *("jikko.maintenance.bucket_backup", "jikko.maintenance.restore", "jikko.maintenance.scheduled_backups"),
    # Nodes that no workflow has.
    *("jikko.nodes.agents", "jikko.nodes.files", "jikko.nodes.flow.iteration", "jikko.nodes.http"),
    *("jikko.nodes.data", "jikko.nodes.knowledge", "jikko.nodes.model.llm", "jikko.nodes.tools"),
    *(
        "jikko.documents.office",
        "jikko.sandbox.fork_server_client",
        "jikko.sandbox.programs",
        "jikko.sandbox.selftest",
    ),
    # A bucket or memory for files, and how to try an app for which a key was made.
    *("jikko.files.bucket", "jikko.files.memory_blobs", "jikko.server.curl_examples"),
)
"""Beginnings of the names of modules."""
MAX_MODULES = 385
"""Of ours, packages included: 368. Each takes 0.1 to 0.5 ms, and some ten KiB. Five are what asks for the next
schedule, and waits for it."""
MAX_DATA_CLASSES = 12
"""Each takes a third of a millisecond to make, thirty times what a struct takes."""
MAX_CALLS = 290_000
"""Of functions: 285,300, and some thousand more with Python 3.11; all but a few thousand are for imports, 600 for
each of our modules. 3,000 are for apps without a workflow: what they share with chats and runs; the last 1,000 for
retries of deliveries, which are looked for as schedules are."""
MAX_STATEMENTS = 95
"""Of SQL, in a folder that is up to date: 75 to 86, as background jobs that begin with the server come before or after
it is ready. 30 are settings of three connections.
"""
MAX_KIB = 21_500 if sys.version_info >= (3, 12) else 22_100
"""Of Python's memory: 21,160, and 21,760 with Python 3.11; of it some 40 KiB for each of our modules."""
MAX_KIB_OF_LOAD = 800
"""What load adds to it: 300 to 330, for pools, caches and the modules that runs need."""
MAX_KIB_LEFT = 2.0
"""What 4 requests leave behind that make 3 runs, once the load goes on: 0, give or take 0.6."""


@pytest.fixture(scope="module")
def server() -> Iterator[Counted]:
    """`jikko serve` that counts. The one that uses its folder first compiles the modules."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        with counted() as server:
            yield server


@pytest.fixture(scope="module")
def start(server: Counted) -> Start:
    """What it did until it was ready."""
    return server.start


def test_no_library_of_features_that_are_not_used_is_imported(start: Start) -> None:
    assert {*LIBRARIES, *STANDARD} & {*start.modules} == set()


def test_nothing_of_ours_is_imported_that_nobody_asked_for(start: Start) -> None:
    assert [name for name in start.modules if name.startswith(OURS)] == []


def test_few_modules_are_imported_for_a_start(start: Start) -> None:
    assert 0 < sum(name.startswith("jikko") for name in start.modules) <= MAX_MODULES


def test_few_data_classes_are_made_for_a_start(start: Start) -> None:
    assert 0 < len(start.data_classes) <= MAX_DATA_CLASSES, start.data_classes


def test_few_functions_are_called_for_a_start(start: Start) -> None:
    assert 0 < start.calls <= MAX_CALLS


def test_few_statements_are_asked_of_the_database_for_a_start(start: Start) -> None:
    assert 0 < len(start.statements) <= MAX_STATEMENTS, start.statements


def test_memory_is_that_of_a_start_and_runs_leave_nothing_behind(server: Counted) -> None:
    assert 0 < server.start.kib <= MAX_KIB
    server.load(40)
    before = server.kib()
    assert before <= server.start.kib + MAX_KIB_OF_LOAD
    server.load(40)
    assert server.kib() <= before + 40 * MAX_KIB_LEFT
