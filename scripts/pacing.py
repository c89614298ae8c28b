"""Pytest plugin that runs given tests in order, reports their progress, and starts none after a time budget.

Usage: pytest -p scripts.pacing --named FILE --said FILE --budget SECONDS. The first file lists tests, one per line;
missing ones are ignored. Each event is appended to the second file at once, so that progress is known even if tests
hang or end the process (``Said``).
"""

import os
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Said:
    """Progress of tests."""

    begun: tuple[str, ...] = ()
    """Started tests, in order."""
    ended: frozenset[str] = frozenset()
    failed: tuple[str, ...] = ()
    """Failed tests; files that cannot be imported."""
    is_over: bool = False
    """Whether pytest completed."""

    @property
    def under_way(self) -> str | None:
        """The running test."""
        return self.begun[-1] if self.begun and self.begun[-1] not in self.ended else None


def read(file: Path) -> Said:
    """Read a progress file."""
    lines = file.read_text("utf-8").split("\n")[:-1] if file.exists() else []
    of: dict[str, list[str]] = {"begins": [], "ends": [], "fails": [], "over": []}
    for line in lines:
        what, _, name = line.partition(" ")
        of[what].append(name)
    failed = tuple(dict.fromkeys(of["fails"]))
    return Said(tuple(of["begins"]), frozenset(of["ends"]), failed, bool(of["over"]))


class Pacing:
    """Reporter of progress."""

    def __init__(self, named: list[str], said: Path, budget: float) -> None:
        self._places = {name: place for place, name in enumerate(named)}
        self._file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._process = os.getpid()
        self._until = time.monotonic() + budget

    def _say(self, what: str, name: str = "") -> None:
        if os.getpid() == self._process:  # not in a fork
            os.write(self._file, f"{what} {name}\n".encode())

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record files that cannot be imported."""
        if report.failed:
            self._say("fails", report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Select the named tests, grouped by file in the order of first tests."""
        items[:] = [item for item in items if item.nodeid in self._places]
        first: dict[Path, int] = {}
        for item in items:
            first[item.path] = min(self._places[item.nodeid], first.get(item.path, len(self._places)))
        items.sort(key=lambda item: (first[item.path], self._places[item.nodeid]))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Run a test with its fixtures."""
        self._say("begins", item.nodeid)
        done = yield
        self._say("ends", item.nodeid)
        if time.monotonic() > self._until:
            item.session.shouldstop = "The time is up."
        return done

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record a failed phase of a test."""
        if report.failed:
            self._say("fails", report.nodeid)

    def pytest_sessionfinish(self) -> None:
        """Record the end of the session."""
        self._say("over")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add three options, all required."""
    parser.addoption("--named", type=Path, required=True, help="A file that names tests, one a line.")
    parser.addoption("--said", type=Path, required=True, help="The file to write.")
    parser.addoption("--budget", type=float, required=True, help="After how many seconds no other test begins.")


def pytest_configure(config: pytest.Config) -> None:
    """Start recording before test modules are imported."""
    named = config.getoption("--named").read_text("utf-8").split("\n")
    config.pluginmanager.register(Pacing(named, config.getoption("--said"), config.getoption("--budget")))
