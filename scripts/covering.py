"""A plugin of pytest: which tests run which lines of some files, how long each test takes, and which fail.

Usage: pytest -p scripts.covering --lines-of FILE --report FILE. The first file names Python files, a path a line; the
second gets a ``Report`` in JSON. A line that runs while modules are imported belongs to no test. What a test has
another process do is not seen.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest
from coverage import Coverage

_SCHEDSTAT: Final = Path("/proc/thread-self/schedstat")
"""Nanoseconds that a thread ran, those that it was kept waiting for a processor, and how often it ran."""


class Report(msgspec.Struct):
    """What one process of pytest saw."""

    seconds: dict[str, float] = {}
    """What each test took, by its name (pytest's node id)."""
    failed: list[str] = []
    lines: dict[str, dict[int, list[int]]] = {}
    """By file, as it was named, and line from 1: the tests that run it, as positions in ``seconds``."""

    def tests(self) -> dict[str, dict[int, list[str]]]:
        """``lines`` with the names of the tests."""
        names = [*self.seconds]
        return {
            path: {line: [names[number] for number in tests] for line, tests in lines.items()}
            for path, lines in self.lines.items()
        }

    def only(self, wanted: Callable[[str], bool]) -> "Report":
        """What it says of some tests, by their names."""
        seconds = {test: seconds for test, seconds in self.seconds.items() if wanted(test)}
        moved = {test: number for number, test in enumerate(seconds)}
        at = [moved.get(test) for test in self.seconds]
        return Report(
            seconds,
            [test for test in self.failed if test in seconds],
            {
                path: {line: [new for old in tests if (new := at[old]) is not None] for line, tests in lines.items()}
                for path, lines in self.lines.items()
            },
        )

    def add(self, other: "Report") -> None:
        """Add what another process saw, of other tests."""
        before = len(self.seconds)
        self.seconds |= other.seconds
        self.failed += other.failed
        for path, lines in other.lines.items():
            known = self.lines.setdefault(path, {})
            for line, tests in lines.items():
                known[line] = [*known.get(line, ()), *(before + number for number in tests)]


class Covering:
    """Watches the files while tests run."""

    def __init__(self, files: list[str], report: Path) -> None:
        self._files = {str(Path(file).resolve()): file for file in files}
        self._path = report
        self._report = Report()
        # Whatever is configured for other uses does not count here; other files cost nothing.
        self._coverage = Coverage(data_file=None, config_file=False, include=list(self._files), messages=False)
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Count what runs for the test that needs it, and the time without that in which other processes ran."""
        self._coverage.switch_context(item.nodeid)
        began = time.monotonic() - _kept_waiting()
        try:
            return (yield)
        finally:
            self._report.seconds[item.nodeid] = max(0.0, time.monotonic() - _kept_waiting() - began)
            self._coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what became of a test."""
        if report.failed and report.nodeid not in self._report.failed:
            self._report.failed.append(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        """Write the report."""
        self._coverage.stop()
        data = self._coverage.get_data()
        numbers = {test: number for number, test in enumerate(self._report.seconds)}
        for path in data.measured_files():
            by_line = data.contexts_by_lineno(path)
            self._report.lines[self._files[path]] = {
                line: tests
                for line, names in by_line.items()
                if (tests := sorted(numbers[name] for name in names if name in numbers))
            }
        self._path.write_bytes(msgspec.json.encode(self._report))


def _kept_waiting() -> float:
    """Seconds for which this thread could have run, and another did. 0 where the system does not tell."""
    try:
        return int(_SCHEDSTAT.read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def pytest_addoption(parser: pytest.Parser) -> None:
    """Two options, both needed."""
    parser.addoption("--lines-of", type=Path, required=True, help="A file that names Python files, a path a line.")
    parser.addoption("--report", type=Path, required=True, help="The file to write.")


def pytest_configure(config: pytest.Config) -> None:
    """Begin to watch, before modules of tests are imported."""
    files = config.getoption("--lines-of").read_text("utf-8").split("\n")
    config.pluginmanager.register(Covering([*filter(None, files)], config.getoption("--report")))
