"""Pytest plugin that measures which tests run which lines of given files, their durations and failures.

Usage: pytest -p scripts.covering --lines-of FILE --report FILE. The first file lists Python files, one path per line;
the second receives a ``Report`` in JSON. Lines run during imports belong to no test. Subprocesses of tests are not
measured.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest
from coverage import Coverage

_SCHEDSTAT: Final = Path("/proc/thread-self/schedstat")
"""Nanoseconds that a thread ran, nanoseconds it waited for a CPU, and number of time slices."""


class Report(msgspec.Struct):
    """Measurements of one pytest process."""

    seconds: dict[str, float] = {}
    """Duration of each test, by node id."""
    failed: list[str] = []
    lines: dict[str, dict[int, list[int]]] = {}
    """Tests that run each line, as positions in ``seconds``, by file and line from 1."""

    def tests(self) -> dict[str, dict[int, list[str]]]:
        """Return ``lines`` with the names of the tests."""
        names = [*self.seconds]
        return {
            path: {line: [names[number] for number in tests] for line, tests in lines.items()}
            for path, lines in self.lines.items()
        }

    def only(self, wanted: Callable[[str], bool]) -> "Report":
        """Return the report of the tests with matching names."""
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
        """Add the report of another process on other tests."""
        before = len(self.seconds)
        self.seconds |= other.seconds
        self.failed += other.failed
        for path, lines in other.lines.items():
            known = self.lines.setdefault(path, {})
            for line, tests in lines.items():
                known[line] = [*known.get(line, ()), *(before + number for number in tests)]


class Covering:
    """Coverage of the files while tests run."""

    def __init__(self, files: list[str], report: Path) -> None:
        self._files = {str(Path(file).resolve()): file for file in files}
        self._path = report
        self._report = Report()
        # The project's coverage configuration is ignored, and other files cost nothing.
        self._coverage = Coverage(data_file=None, config_file=False, include=list(self._files), messages=False)
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Count fixtures with the test that needs them, and subtract time spent waiting for a CPU."""
        self._coverage.switch_context(item.nodeid)
        began = time.monotonic() - _kept_waiting()
        try:
            return (yield)
        finally:
            self._report.seconds[item.nodeid] = max(0.0, time.monotonic() - _kept_waiting() - began)
            self._coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record a test's outcome."""
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
    """Return the seconds for which this thread waited for a CPU; 0 if the system does not report it."""
    try:
        return int(_SCHEDSTAT.read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add two options, both required."""
    parser.addoption("--lines-of", type=Path, required=True, help="A file that names Python files, a path a line.")
    parser.addoption("--report", type=Path, required=True, help="The file to write.")


def pytest_configure(config: pytest.Config) -> None:
    """Start measuring before test modules are imported."""
    files = config.getoption("--lines-of").read_text("utf-8").split("\n")
    config.pluginmanager.register(Covering([*filter(None, files)], config.getoption("--report")))
