"""Pytest plugin that starts long test files first, so that no process waits for one at the end.

``durations.txt`` has a line per file that takes a second or more: the duration of its fast tests (s), of all its tests,
and its path. Each run stores its measurements in ``build/durations.json``; `make durations` updates the table from
them.
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
"""Shortest duration in the table, in seconds."""
QUICK_SECONDS: Final = 0.3
"""Assumed duration of the fast tests of a file missing from the table, in seconds."""
_TOGETHER: Final = "tests/console/"
"""Folder whose files start one after the other, as if each took as long as the longest: successive ones of a process
share a browser."""


class Duration(msgspec.Struct):
    """Total duration of a file's tests in seconds, on a quiet machine."""

    fast: float = 0.0
    """Tests of `make check`."""
    all: float = 0.0


def known() -> dict[str, Duration]:
    """Return the durations of long test files, by path from the root."""
    rows = (line.split() for line in _TABLE.read_text("utf-8").splitlines())
    return {path: Duration(float(fast), float(total)) for fast, total, path in rows}


def write() -> None:
    """Update the table with the measurements since `make clean`; other files keep their lines."""
    durations = known() | msgspec.json.decode(SEEN.read_bytes(), type=dict[str, Duration])
    rows = [
        f"{duration.fast:.1f} {duration.all:.1f} {path}"
        for path, duration in sorted(durations.items())
        if duration.all >= _LEAST and (ROOT / path).exists()
    ]
    _TABLE.write_text("\n".join(rows) + "\n", "utf-8")


class Durations:
    """Measurements per file."""

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
            # A run of some tests of a file does not measure all.
            before[path] = Duration(max(old.fast, duration.fast), max(old.all, duration.all))
        # Some tests run others as a user who may not write here.
        with suppress(PermissionError):
            SEEN.parent.mkdir(exist_ok=True)
            # A process that ends at the same time must read a complete file.
            part = SEEN.with_suffix(f".{os.getpid()}")
            part.write_bytes(msgspec.json.encode(before))
            part.replace(SEEN)


def pytest_configure(config: pytest.Config) -> None:
    """Measure in the process that receives the results of all tests."""
    if not hasattr(config, "workerinput") and config.rootpath == ROOT:
        config.pluginmanager.register(Durations())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Move the longest files to the front; deterministic across test processes."""
    durations = known()
    longest = max((found.all for path, found in durations.items() if path.startswith(_TOGETHER)), default=0.0)

    def place(item: pytest.Item) -> tuple[float, bool, float]:
        path = item.nodeid.partition("::")[0]
        seconds, together = durations.get(path, Duration()).all, path.startswith(_TOGETHER)
        return -(longest if together else seconds), together, -seconds

    if config.rootpath == ROOT:
        items.sort(key=place)


if __name__ == "__main__":
    write()
