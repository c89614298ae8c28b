"""Pytest plugin: collects ``*.test.yml`` files as tests, and provides ``run_flow`` to run workflows with mocks.

If a session uses neither, only this module is imported.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import jikko

_ENDINGS = (".test.yml", ".test.yaml")
_HAS_CASES = re.compile(rb"^(cases|evaluate) *:", re.MULTILINE)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker of evaluations."""
    config.addinivalue_line("markers", "evaluation: of a test file of workflows; it may ask models that cost money")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a test file of workflows, skipping other programs' files of that name."""
    ending = next((end for end in _ENDINGS if file_path.name.lower().endswith(end)), None)
    if ending is None:
        return None
    beside = [file_path.with_name(file_path.name[: -len(ending)] + end) for end in (".yml", ".yaml")]
    if not any(each.exists() for each in beside) and not _HAS_CASES.search(file_path.read_bytes()):
        return None
    found: pytest.Collector = import_module("jikko.embedded.pytest_items").FlowTestFile.from_parent(
        parent, path=file_path
    )
    return found


@pytest.fixture(scope="session")
def _flows() -> "Iterator[Callable[[Path], jikko.Flow]]":
    """Yield a cache of workflows by file, which share their resources until all tests are done."""
    with ExitStack() as stack:
        opened: dict[tuple[Path, int], jikko.Flow] = {}

        def flow(path: Path) -> "jikko.Flow":
            key = (path, path.stat().st_mtime_ns)
            if key not in opened:
                opened[key] = stack.enter_context(jikko.load(path))
            return opened[key]

        yield flow


@pytest.fixture
def run_flow(request: pytest.FixtureRequest, _flows: "Callable[[Path], jikko.Flow]") -> "Callable[..., jikko.FlowRun]":
    """Run a workflow, as ``jikko.Flow.run`` does: ``run_flow(FILE, inputs, mocks=…)``. The path is relative to the
    test's folder. Calls without a mock are refused, unless ``outside`` is given."""

    def run(path: str | Path, inputs: Mapping[str, Any] | None = None, **given: Any) -> "jikko.FlowRun":
        return _flows(request.path.parent / path).run(inputs, **{"outside": "refuse", **given})

    return run
