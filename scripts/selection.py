"""Which tests are asked about a change: those that run the changed line, the nearest of them first."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Final

from scripts.copies import ROOT, Suite
from scripts.covering import Report
from scripts.mutation import Mutant, around, uses
from scripts.watching import SOURCE

NEAREST: Final[dict[str, tuple[str, ...]]] = {
    "engine": ("tests/engine",),
    "runs": ("tests/runs", "tests/conversations"),
    "conversations": ("tests/conversations",),
    "cluster": ("tests/cluster", "tests/server"),
    "dify": ("tests/http", "tests/conversations"),
    "server": ("tests/server", "tests/acceptance/test_http_"),
    "store": ("tests/contract", "tests/store"),
    "http": ("tests/http", "tests/acceptance/test_http_"),
    "outbound": ("tests/outbound",),
}
"""What is changed, below ``src/jikko``, and how the paths of its tests begin."""
ELSEWHERE: Final = ("tests/acceptance/", "tests/compat/")
"""Tests that ask a server in another process, so that it is not seen what they run: asked last of every change."""
_QUICK: Final = "not slow and not serial and (not services or nats or postgres)"
_WITHOUT_POSTGRES: Final = "not slow and not serial and (not services or nats)"
_OTHER: Final = ("tests/test_house.py", "tests/test_performance_guard.py")
"""Those that look at the text of the source, or at the clock."""
_FIRST_SECONDS: Final = 30.0
"""Tests that are asked first take so long together: half of it the nearest, half those that differ most from them."""
_START_SECONDS: Final = 60.0
_PATIENCE: Final = 5.0
"""How many times as long as they took tests may take with a change, which may make them wait."""


def quick_tests() -> str:
    """Which tests are asked, as pytest selects by marks: those of PostgreSQL only where Debian's is installed."""
    return _QUICK if any(Path("/usr/lib/postgresql").glob("*/bin/postgres")) else _WITHOUT_POSTGRES


def test_files(within: tuple[str, ...]) -> list[str]:
    """Files of tests whose paths from the root begin so."""
    found = (path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "tests").rglob("test_*.py")))
    return [path for path in found if path.startswith(within) and path not in _OTHER]


def shares(files: list[str], count: int) -> list[list[str]]:
    """Files of tests in N parts, each of which has some of each folder."""
    return [part for number in range(count) if (part := files[number::count])]


def folder_of(mutant: Mutant) -> str:
    """The row of ``NEAREST`` that a change belongs to."""
    return mutant.path.removeprefix(f"{SOURCE}/").partition("/")[0]


class Selection:
    """Knows which tests run which lines."""

    def __init__(self, report: Report, usable: Collection[str]) -> None:
        """Args:
        report: Of all tests.
        usable: The tests that can be run by their names, and do not fail without a change.
        """
        self._seconds = {test: seconds for test, seconds in report.seconds.items() if test in usable}
        self._tests = {
            path: {line: {test for test in tests if test in self._seconds} for line, tests in lines.items()}
            for path, lines in report.tests().items()
        }
        self._runs: dict[str, int] = defaultdict(int)
        """The lines that each test runs, as bits."""
        bit = 1
        for lines in self._tests.values():
            for tests in lines.values():
                for test in tests:
                    self._runs[test] |= bit
                bit <<= 1

    def tests_of(self, mutant: Mutant) -> list[str]:
        """All tests that may notice a change, those first that are likely to, and quick."""
        found = self._running(mutant)
        known = {*found}
        return [*found, *(test for test in self._seconds if test.startswith(ELSEWHERE) and test not in known)]

    def first(self, mutant: Mutant) -> list[str]:
        """The first of ``tests_of``. To start a server for one of its cases would take as long as all of them, so that
        those which ask one in another process are left for later, unless they are among the nearest.
        """
        found = self._running(mutant) or self.tests_of(mutant)
        chosen = self._within(_FIRST_SECONDS / 2, found)
        return [*chosen, *self._within(_FIRST_SECONDS / 2, self._unlike(found[len(chosen) :], chosen))]

    def _within(self, seconds: float, tests: Iterable[str]) -> list[str]:
        """The first of them, one at least."""
        chosen = []
        for test in tests:
            chosen.append(test)
            seconds -= self._seconds[test]
            if seconds < 0:
                break
        return chosen

    def _unlike(self, tests: list[str], asked: Iterable[str]) -> Iterator[str]:
        """Some tests in another order: next is always the one that, for its time, runs most of what none before it
        has run. A line is run by a thousand tests of one thing, and by the one in which it matters.
        """
        seen = 0
        for test in asked:
            seen |= self._runs.get(test, 0)
        left = {test: self._runs.get(test, 0) for test in tests}
        while left:
            best = max(left, key=lambda test: (left[test] & ~seen).bit_count() / (0.05 + self._seconds[test]))
            seen |= left.pop(best)
            yield best

    def _running(self, mutant: Mutant) -> list[str]:
        """Tests that run what is changed, those first that are likely to notice it, and quick.

        A line that none of them runs is one that runs while its module is imported, such as a constant, or in another
        process: it is noticed by those that run what uses the constant, by those that run something of the module, or
        by those nearest to it.
        """
        lines = self._tests.get(mutant.path, {})
        text = (ROOT / mutant.path).read_text("utf-8")
        found = {test for line in around(text, mutant.line) for test in lines.get(line, ())}
        found = found or {test for line in uses(text, mutant.line) for test in lines.get(line, ())}
        near = NEAREST[folder_of(mutant)]
        if not found:
            found = {test for test in self._seconds if test.startswith(near)}.union(*lines.values())
        name = f"test_{Path(mutant.path).stem}.py"
        by_file: dict[str, list[str]] = defaultdict(list)
        for test in self._seconds:  # in the order in which they ran
            if test in found:
                by_file[test.partition("::")[0]].append(test)
        ranked = sorted(
            by_file.items(),
            key=lambda item: (Path(item[0]).name != name, not item[0].startswith(near), self._took(item[1])),
        )
        return [test for _, tests in ranked for test in tests]

    def suite(self, tests: Iterable[str]) -> Suite:
        """Tests as they are run: each once, in this order."""
        options = tuple(dict.fromkeys(tests))
        return Suite(options, _START_SECONDS + _PATIENCE * self._took(options))

    def _took(self, tests: Iterable[str]) -> float:
        return sum(self._seconds[test] for test in tests)
