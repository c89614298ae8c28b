"""Selection of tests for a mutant: those that run the mutated line, nearest first."""

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Final

from scripts.copies import ROOT
from scripts.covering import Report
from scripts.mutation import Mutant, around, is_made_at_import, uses
from scripts.watching import SOURCE
from tests.durations import QUICK_SECONDS, known

NEAREST: Final[dict[str, tuple[str, ...]]] = {
    "assemble": ("tests/http/console", "tests/server", "tests/maintenance"),
    "cli": ("tests/cli", "tests/acceptance/test_command_"),
    "cluster": ("tests/cluster", "tests/server"),
    "console": ("tests/http/console", "tests/contract/test_console_store.py"),
    "dify": ("tests/http", "tests/conversations"),
    "files": ("tests/files", "tests/http/test_files.py"),
    "http": ("tests/http", "tests/acceptance/test_http_"),
    "repositories": ("tests/repositories", "tests/contract", "tests/store"),
    "runs": ("tests/runs", "tests/conversations"),
    "sandbox": ("tests/sandbox", "tests/contract/test_sandbox.py"),
    "server": ("tests/server", "tests/acceptance/test_http_"),
    "store": ("tests/contract", "tests/store"),
}
"""Path prefixes of the tests for folders below ``src/jikko``, where they differ from ``tests/NAME``."""
TABLES: Final = {"http": "tests/http/test_outline.py", "dify": "tests/http/test_messages.py"}
"""Test files that check what most modules of a folder define at import, such as operations."""
ELSEWHERE: Final = ("tests/acceptance/", "tests/compat/")
"""Tests that use a server in another process, so that their lines are not measured: used last, for every mutant."""
RECORDED: Final = "tests/compat/"
_MARKS: Final = "not serial and (not services or nats{})"
_OTHER: Final = ("tests/test_house.py", "tests/test_performance_guard.py")
"""Tests of the source text or of time."""
_FIRST_SECONDS: Final = 24.0
"""Total duration of the first round: half the nearest tests, half those that differ most from them."""
_NEXT_SECONDS: Final = 45.0
"""Total duration of each later round."""
_START_SECONDS: Final = 0.05
"""Overhead of a test."""
_FILE_SECONDS: Final = 0.4
"""Time to import another test file."""
_COMMON: Final = frozenset({"src", "jikko", "console", "test", "command", "page", "init", "py"})
"""Words in paths that do not indicate the subject."""


def quick_tests() -> str:
    """Return pytest's mark expression of tests that are measured, and used for all mutants."""
    return f"not slow and {_marks()}"


def slow_tests() -> str:
    """Return the mark expression of tests that start commands and servers: used only for mutants they are
    named after."""
    return f"slow and not long and {_marks()}"


def _marks() -> str:
    """Include PostgreSQL tests only where Debian's PostgreSQL is installed."""
    return _MARKS.format(" or postgres" if any(Path("/usr/lib/postgresql").glob("*/bin/postgres")) else "")


def words(path: str) -> set[str]:
    """Return the subject words in a path or test name, without plural *s*."""
    found = re.findall(r"[A-Z]?[a-z]+", re.sub(r"\.\w+$", "", path))
    return {word.lower().removesuffix("s") for word in found} - _COMMON


def test_files(within: tuple[str, ...]) -> list[str]:
    """Return test files by path prefixes from the root."""
    found = (path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "tests").rglob("test_*.py")))
    return [path for path in found if path.startswith(within) and path not in _OTHER]


def shares(files: list[str], count: int) -> list[list[str]]:
    """Split test files into ``count`` parts, each with some of each folder."""
    return [part for number in range(count) if (part := files[number::count])]


def folder_of(mutant: Mutant) -> str:
    """Return a mutant's folder below ``src/jikko``; for a top-level module, its name."""
    return mutant.path.removeprefix(f"{SOURCE}/").partition("/")[0].removesuffix(".py")


def nearest(folder: str) -> tuple[str, ...]:
    """Return the path prefixes of the tests for a folder or top-level module."""
    return NEAREST.get(folder, (f"tests/{folder}/", f"tests/test_{folder}.py"))


class Selection:
    """Index of which tests run which lines."""

    def __init__(self, report: Report, usable: Collection[str], slow: Collection[str] = ()) -> None:
        """Args:
        report: Of all quick tests.
        usable: Tests that can be selected by name.
        slow: Slow tests that can be selected by name."""
        self._broken = {*report.failed}
        self._seconds = {test: seconds for test, seconds in report.seconds.items() if test in usable}
        self._tests = {
            path: {line: {test for test in tests if test in self._seconds} for line, tests in lines.items()}
            for path, lines in report.tests().items()
        }
        self._runs: dict[str, int] = defaultdict(int)
        """Lines run by each test, as a bit set."""
        bit = 1
        for lines in self._tests.values():
            for tests in lines.values():
                for test in tests:
                    self._runs[test] |= bit
                bit <<= 1
        durations, count = known(), Counter(test.partition("::")[0] for test in slow)
        takes = {file: durations[file].all - durations[file].fast for file in count if file in durations}
        self._slow = {test: takes.get(file := test.partition("::")[0], QUICK_SECONDS) / count[file] for test in slow}

    def tests_of(self, mutant: Mutant) -> list[str]:
        """Return all tests that may notice a mutant, the most likely and quick ones first."""
        found = self._running(mutant)
        known = {*found}
        elsewhere = (test for test in self._seconds if test.startswith(ELSEWHERE) and test not in known)
        return [*found, *self._named_alike(mutant), *elsewhere]

    def rounds(self, mutant: Mutant) -> Iterator[dict[str, float]]:
        """Yield ``tests_of`` with their durations (s), in rounds.

        The first round is quick: some of the nearest tests, and some that differ most from them. Slow tests on the
        subject follow, for as long again; then the recorded cases, which share a server per file and cover the whole;
        and last, since each starts its own server, all other tests of another process, unless they are among the
        nearest.
        """
        running = self._running(mutant)
        known = {*running}
        broken = [test for test in running if test in self._broken]
        running = [test for test in running if test not in self._broken]
        elsewhere = [test for test in self._seconds if test.startswith(ELSEWHERE) and test not in known]
        recorded = [test for test in elsewhere if test.startswith(RECORDED)]
        # Recorded cases on the subject come first, such as tests/compat/test_chat_recordings.py.
        about = {"conversations": "chat", "dify": "chat"}.get(folder_of(mutant), folder_of(mutant).removesuffix("s"))
        recorded.sort(key=lambda test: about not in test.partition("::")[0])
        near, left = self._within(_FIRST_SECONDS / 2, running)
        ranked = self._unlike(left, near)
        first = near | self._within(_FIRST_SECONDS / 2, ranked)[0] if left else near
        if first:
            yield first
        slow, slow_left = self._within(_NEXT_SECONDS, self._named_alike(mutant))
        if slow:
            yield slow
        left = recorded
        while left:
            chosen, left = self._within(_NEXT_SECONDS, left)
            yield chosen
        left = [*ranked, *slow_left, *(test for test in elsewhere if not test.startswith(RECORDED)), *broken]
        while left:
            chosen, left = self._within(_NEXT_SECONDS, left)
            yield chosen

    def _within(self, seconds: float, tests: Iterable[str]) -> tuple[dict[str, float], list[str]]:
        """Return the first tests that fit, with durations (s), at least one; and the rest. An iterator keeps
        its rest."""
        chosen: dict[str, float] = {}
        files: set[str] = set()
        waiting = iter(tests)
        for test in waiting:
            file = test.partition("::")[0]
            chosen[test] = takes = self._seconds[test] if test in self._seconds else self._slow[test]
            seconds -= takes + _START_SECONDS + (0 if file in files else _FILE_SECONDS)
            files.add(file)
            if seconds < 0:
                break
        return chosen, [] if waiting is tests else [*waiting]

    def _unlike(self, tests: Iterable[str], asked: Iterable[str]) -> Iterator[str]:
        """Order tests greedily: next is always the one that adds most new lines for its time. A line may be run by a
        thousand tests of one subject, and by the single one in which it matters."""
        seen = 0
        for test in asked:
            seen |= self._runs.get(test, 0)

        def gain(test: str) -> float:
            return -(self._runs.get(test, 0) & ~seen).bit_count() / (_START_SECONDS + self._seconds[test])

        # A test's gain never grows, so only the best so far is evaluated again.
        waiting = [(gain(test), place, test) for place, test in enumerate(tests)]
        heapq.heapify(waiting)
        while waiting:
            _, place, test = waiting[0]
            now = gain(test)
            if len(waiting) > 1 and now > min(waiting[1:3])[0]:
                heapq.heapreplace(waiting, (now, place, test))
                continue
            heapq.heappop(waiting)
            seen |= self._runs.get(test, 0)
            yield test

    def _running(self, mutant: Mutant) -> list[str]:
        """Return the tests that run the mutated code, the most likely and quick ones first.

        A line without tests runs at import, such as a constant, or in another process. Then the users of the constant
        count, or tests that run anything in the module, or the nearest tests.
        """
        lines = self._tests.get(mutant.path, {})
        text = (ROOT / mutant.path).read_text("utf-8")
        found = {test for line in around(text, mutant.line) for test in lines.get(line, ())}
        tables = None if found else TABLES.get(folder_of(mutant))
        # A constant in a lazily imported module is run by the first test that imports it, which means little.
        if not found or is_made_at_import(text, mutant.line):
            found |= {test for line in uses(text, mutant.line) for test in lines.get(line, ())}
        near = nearest(folder_of(mutant))
        if not found:
            found = {test for test in self._seconds if test.startswith(near)}.union(*lines.values())
        name = f"test_{Path(mutant.path).stem}.py"
        by_file: dict[str, list[str]] = defaultdict(list)
        for test in self._seconds:  # in execution order
            if test in found or test.partition("::")[0] == tables:
                by_file[test.partition("::")[0]].append(test)
        ranked = sorted(
            by_file.items(),
            key=lambda item: (
                item[0] != tables,
                Path(item[0]).name != name,
                not item[0].startswith(near),
                self._took(item[1]),
            ),
        )
        return [test for _, tests in ranked for test in tests]

    def _named_alike(self, mutant: Mutant) -> list[str]:
        """Return slow tests of the folder, and others that share a word with the mutant's path: first those that share
        most, the module before its folders, file names before test names."""
        own, about, near = words(Path(mutant.path).stem), words(mutant.path), nearest(folder_of(mutant))
        of = {test: words(Path(test.partition("::")[0]).name) for test in self._slow}
        ranks = {
            test: (-len(of[test] & own), -len(of[test] & about), -len(words(test) & about), seconds)
            for test, seconds in self._slow.items()
        }
        return sorted((test for test in ranks if of[test] & about or test.startswith(near)), key=ranks.__getitem__)

    def _took(self, tests: Iterable[str]) -> float:
        return sum(self._seconds[test] for test in tests)
