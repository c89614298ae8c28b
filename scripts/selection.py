"""Which tests are asked about a change: those that run the changed line, the nearest of them first."""

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
"""How the paths of the tests of a folder below ``src/jikko`` begin, where it is not ``tests/`` and its name."""
TABLES: Final = {"http": "tests/http/test_outline.py", "dify": "tests/http/test_messages.py"}
"""Files of tests that see what most modules of a row make while they are imported, such as operations."""
ELSEWHERE: Final = ("tests/acceptance/", "tests/compat/")
"""Tests that ask a server in another process, so that it is not seen what they run: asked last of every change."""
RECORDED: Final = "tests/compat/"
_MARKS: Final = "not serial and (not services or nats{})"
_OTHER: Final = ("tests/test_house.py", "tests/test_performance_guard.py")
"""Those that look at the text of the source, or at the clock."""
_FIRST_SECONDS: Final = 24.0
"""Tests that are asked first take so long together: half of it the nearest, half those that differ most from them."""
_NEXT_SECONDS: Final = 45.0
"""And those of each later round."""
_START_SECONDS: Final = 0.05
"""What a test costs beyond what it takes."""
_FILE_SECONDS: Final = 0.4
"""What it costs to import another file of tests."""
_COMMON: Final = frozenset({"src", "jikko", "console", "test", "command", "page", "init", "py"})
"""Words in paths that say nothing of what is tested."""


def quick_tests() -> str:
    """Which tests are watched, and asked of all changes, as pytest selects by marks."""
    return f"not slow and {_marks()}"


def slow_tests() -> str:
    """Which tests are asked only of changes that they are named after: those that start commands and servers."""
    return f"slow and not long and {_marks()}"


def _marks() -> str:
    """Those of PostgreSQL only where Debian's is installed."""
    return _MARKS.format(" or postgres" if any(Path("/usr/lib/postgresql").glob("*/bin/postgres")) else "")


def words(path: str) -> set[str]:
    """The words in a path or the name of a test that say what it is about, without the *s* of plurals."""
    found = re.findall(r"[A-Z]?[a-z]+", re.sub(r"\.\w+$", "", path))
    return {word.lower().removesuffix("s") for word in found} - _COMMON


def test_files(within: tuple[str, ...]) -> list[str]:
    """Files of tests whose paths from the root begin so."""
    found = (path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "tests").rglob("test_*.py")))
    return [path for path in found if path.startswith(within) and path not in _OTHER]


def shares(files: list[str], count: int) -> list[list[str]]:
    """Files of tests in N parts, each of which has some of each folder."""
    return [part for number in range(count) if (part := files[number::count])]


def folder_of(mutant: Mutant) -> str:
    """The folder below ``src/jikko`` that a change belongs to; of a module beside the folders, its name."""
    return mutant.path.removeprefix(f"{SOURCE}/").partition("/")[0].removesuffix(".py")


def nearest(folder: str) -> tuple[str, ...]:
    """How the paths of the tests of a folder begin, or of a module beside the folders."""
    return NEAREST.get(folder, (f"tests/{folder}/", f"tests/test_{folder}.py"))


class Selection:
    """Knows which tests run which lines."""

    def __init__(self, report: Report, usable: Collection[str], slow: Collection[str] = ()) -> None:
        """Args:
        report: Of all quick tests.
        usable: The tests that can be run by their names.
        slow: The slow tests that can.
        """
        self._broken = {*report.failed}
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
        durations, count = known(), Counter(test.partition("::")[0] for test in slow)
        takes = {file: durations[file].all - durations[file].fast for file in count if file in durations}
        self._slow = {test: takes.get(file := test.partition("::")[0], QUICK_SECONDS) / count[file] for test in slow}

    def tests_of(self, mutant: Mutant) -> list[str]:
        """All tests that may notice a change, those first that are likely to, and quick."""
        found = self._running(mutant)
        known = {*found}
        elsewhere = (test for test in self._seconds if test.startswith(ELSEWHERE) and test not in known)
        return [*found, *self._named_alike(mutant), *elsewhere]

    def rounds(self, mutant: Mutant) -> Iterator[dict[str, float]]:
        """All of ``tests_of`` with what each takes (s), in the rounds in which they are asked.

        The first is quick: some of the nearest, and some that differ most from them. Then come slow tests that are
        about it, for as long again; then the recorded cases, which ask one server for each file of them, and notice
        what no test of a part does; and last, since each starts a server of its own, all others that ask one in
        another process, unless they are among the nearest.
        """
        running = self._running(mutant)
        known = {*running}
        broken = [test for test in running if test in self._broken]
        running = [test for test in running if test not in self._broken]
        elsewhere = [test for test in self._seconds if test.startswith(ELSEWHERE) and test not in known]
        recorded = [test for test in elsewhere if test.startswith(RECORDED)]
        # Of the recorded cases those come first that are about it: tests/compat/test_chat_recordings.py, say.
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
        """The first of some tests with what each takes (s), one at least; and the rest of them. Of an iterator, the
        rest is left in it.
        """
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
        """Some tests in another order: next is always the one that, for its time, runs most of what none before it
        has run. A line is run by a thousand tests of one thing, and by the one in which it matters.
        """
        seen = 0
        for test in asked:
            seen |= self._runs.get(test, 0)

        def gain(test: str) -> float:
            return -(self._runs.get(test, 0) & ~seen).bit_count() / (_START_SECONDS + self._seconds[test])

        # What a test would add never grows, so that only the best so far has to be looked at again.
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
        """Tests that run what is changed, those first that are likely to notice it, and quick.

        A line that none of them runs is one that runs while its module is imported, such as a constant, or in another
        process: it is noticed by those that run what uses the constant, by those that run something of the module, or
        by those nearest to it.
        """
        lines = self._tests.get(mutant.path, {})
        text = (ROOT / mutant.path).read_text("utf-8")
        found = {test for line in around(text, mutant.line) for test in lines.get(line, ())}
        tables = None if found else TABLES.get(folder_of(mutant))
        # Of a constant in a module that a test imports late, the first that did so runs the line, and says little.
        if not found or is_made_at_import(text, mutant.line):
            found |= {test for line in uses(text, mutant.line) for test in lines.get(line, ())}
        near = nearest(folder_of(mutant))
        if not found:
            found = {test for test in self._seconds if test.startswith(near)}.union(*lines.values())
        name = f"test_{Path(mutant.path).stem}.py"
        by_file: dict[str, list[str]] = defaultdict(list)
        for test in self._seconds:  # in the order in which they ran
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
        """Slow tests of the folder, and others that share a word with the path of what is changed: first those that
        share most, of the module before its folders, in the names of their files before their own.
        """
        own, about, near = words(Path(mutant.path).stem), words(mutant.path), nearest(folder_of(mutant))
        of = {test: words(Path(test.partition("::")[0]).name) for test in self._slow}
        ranks = {
            test: (-len(of[test] & own), -len(of[test] & about), -len(words(test) & about), seconds)
            for test, seconds in self._slow.items()
        }
        return sorted((test for test in ranks if of[test] & about or test.startswith(near)), key=ranks.__getitem__)

    def _took(self, tests: Iterable[str]) -> float:
        return sum(self._seconds[test] for test in tests)
