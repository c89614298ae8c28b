"""A plugin of pytest: files of tests that take long begin first, so that no process waits for one at the end.

``durations.txt`` has a line for each file that takes a second or more: what its fast tests take (s), what all of them
take, and its path. Each run leaves what it saw in ``build/durations.json``; `make durations` updates the table with it.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import pytest

ROOT: Final = Path(__file__).parent.parent
SEEN: Final = ROOT / "build" / "durations.json"
_TABLE: Final = Path(__file__).with_suffix(".txt")
_LEAST: Final = 1.0
"""Seconds of the quickest file that the table names."""
QUICK_SECONDS: Final = 0.3
"""What the fast tests of a file take that it does not name."""


class Duration(msgspec.Struct):
    """What the tests of a file take together, in seconds, on a quiet machine."""

    fast: float = 0.0
    """Those of `make check`."""
    all: float = 0.0


def known() -> dict[str, Duration]:
    """What files of tests take that take long, by their paths from the root."""
    rows = (line.split() for line in _TABLE.read_text("utf-8").splitlines())
    return {path: Duration(float(fast), float(total)) for fast, total, path in rows}


def write() -> None:
    """Bring the table up to date by what was seen since `make clean`; other files keep what it says."""
    durations = known() | msgspec.json.decode(SEEN.read_bytes(), type=dict[str, Duration])
    rows = [
        f"{duration.fast:.1f} {duration.all:.1f} {path}"
        for path, duration in sorted(durations.items())
        if duration.all >= _LEAST and (ROOT / path).exists()
    ]
    _TABLE.write_text("\n".join(rows) + "\n", "utf-8")


class Durations:
    """Counts what each file takes."""

    def __init__(self) -> None:
        self.seen: dict[str, Duration] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        duration = self.seen.setdefault(report.nodeid.partition("::")[0], Duration())
        duration.all += report.duration
        if not {"slow", "services", "serial"} & report.keywords.keys():
            duration.fast += report.duration

    def pytest_sessionfinish(self) -> None:
        before = msgspec.json.decode(SEEN.read_bytes(), type=dict[str, Duration]) if SEEN.exists() else {}
        for path, duration in self.seen.items():
            old = before.get(path, Duration())
            # A run of some tests of a file does not tell what all take.
            before[path] = Duration(max(old.fast, duration.fast), max(old.all, duration.all))
        # Some tests run others as a user that may not write here.
        with suppress(PermissionError):
            SEEN.parent.mkdir(exist_ok=True)
            # Another one that ends at the same time reads it whole.
            part = SEEN.with_suffix(f".{os.getpid()}")
            part.write_bytes(msgspec.json.encode(before))
            part.replace(SEEN)


def pytest_configure(config: pytest.Config) -> None:
    """Count in the process that hears of all tests."""
    if not hasattr(config, "workerinput") and config.rootpath == ROOT:
        config.pluginmanager.register(Durations())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Bring the longest files to the front. Each process of tests sorts alike."""
    durations = known()
    if config.rootpath == ROOT:
        items.sort(key=lambda item: -durations.get(item.nodeid.partition("::")[0], Duration()).all)


if __name__ == "__main__":
    write()
