"""Mutation testing of the code and the page: reports the mutants that no test notices.

Usage: python -m scripts.mutants [--sample N] [--seed N] [--only PATH] [--tests PATH,PATH] [--minutes N]

Mutants are tested in copies of the working tree, one per CPU; the tree itself is never changed. All fast tests run once
without a mutant, to measure the lines each runs and its duration. Each mutant is then tested with the tests that run
its line: first with some of the nearest, survivors with the others, round by round. Hanging tests count as noticing it.
Mutants of the page are tested with its own tests.
When the time is up (or at Ctrl-C), interim results are printed; untested mutants count as not noticed.
Exit code 1: fewer than 80 % were noticed. Some mutants have no visible effect, so 100 % is out of reach; read the
survivors.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from typing import Final, NoReturn, Self, TypeVar

from scripts.build_console import CannotBuild
from scripts.copies import ROOT, Answer, Copy
from scripts.covering import Report
from scripts.mutation import Mutant, Place, places
from scripts.page import PagePlace, ask_page, is_of_page, page_places
from scripts.selection import Selection, quick_tests, shares, slow_tests, test_files
from scripts.tally import Tally
from scripts.watching import SOURCE, Watched, watched

T = TypeVar("T")
K = TypeVar("K")

ROUND_SECONDS: Final = 75.0
"""Seconds per mutant and round. Another round uses the remaining time."""
PARTS: Final = 12
"""Parts per copy into which measured tests are split: an interruption loses the parts in progress."""
MAX_BROKEN_SHARE: Final = 0.03
"""Largest share of failing tests."""


class Copies:
    """Pool of one copy per CPU. Leaving it by an exception kills the running tests."""

    def __init__(self, folder: Path) -> None:
        count = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(count)
        self._all = list(self._pool.map(Copy, [folder / str(number) for number in range(count)]))
        self._free: SimpleQueue[Copy] = SimpleQueue()
        for copy in self._all:
            self._free.put(copy)

    @property
    def count(self) -> int:
        """Number of copies."""
        return len(self._all)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        if error is not None:
            for copy in self._all:
                copy.give_up()
        self._pool.shutdown()

    def each(self, what: Iterable[K], do: Callable[[Copy, K], T]) -> Iterator[tuple[K, T]]:
        """Process each item in a free copy, and yield results as they are completed."""
        running = {self._pool.submit(self._in_one, do, thing): thing for thing in what}
        for done in as_completed(running):
            yield running[done], done.result()

    def _in_one(self, do: Callable[[Copy, K], T], thing: K) -> T:
        copy = self._free.get()
        try:
            return do(copy, thing)
        finally:
            self._free.put(copy)


def all_files() -> list[str]:
    """Return all source files subject to mutation, relative to the root."""
    return [file.relative_to(ROOT).as_posix() for file in sorted((ROOT / SOURCE).rglob("*.py"))]


def all_places(only: str) -> list[Place | PagePlace]:
    """Return all places for mutations in files whose path from the root begins with ``only``.

    Raises:
        CannotBuild: The page is included, and Node or its packages are not available.
    """
    paths = (path for path in all_files() if path.startswith(only))
    code = (place for path in paths for place in places(path, (ROOT / path).read_text("utf-8")))
    return [*code, *page_places(only)]


def sampled(found: Sequence[Place | PagePlace], count: int, seed: int) -> list[Mutant]:
    """Return up to ``count`` mutants, deterministic for the same seed and code."""
    chosen: list[Mutant] = []
    for place in random.Random(seed).sample(found, len(found)):
        if len(chosen) == count:
            break
        if (mutant := place.mutant()) is not None:
            chosen.append(mutant)
    return chosen


def selection(copies: Copies, tests: list[str], known: Watched) -> Selection:
    """Run test files once, without a mutant, to learn which tests concern which mutants. A few failing tests, as on a
    busy machine or under coverage, are listed and used last.

    Raises:
        SystemExit: Too many fail to draw conclusions.
    """
    parts = shares([file for file in tests if file not in known.tests], copies.count * PARTS)

    quick = quick_tests()

    def watch(copy: Copy, files: tuple[str, ...]) -> list[tuple[tuple[str, ...], Report]]:
        report = copy.covering(("-m", quick, *files), all_files())
        if report is not None:
            return [(files, report)]
        if len(files) == 1:
            print(f"left out, since it cannot be run, or not to its end: {files[0]}", flush=True)
            return []
        half = len(files) // 2
        return [*watch(copy, files[:half]), *watch(copy, files[half:])]

    for _, found in copies.each([tuple(part) for part in parts], watch):
        for files, report in found:
            known.add(files, report)
        known.keep()
    if not known.report.seconds:
        raise SystemExit("Without any change, the tests cannot be run.")
    failed = known.report.failed
    if len(failed) > len(known.report.seconds) * MAX_BROKEN_SHARE:
        raise SystemExit("Without any change, these fail already:\n" + "\n".join(failed))
    for test in failed:
        print(f"asked last, since it fails without any change: {test}", flush=True)
    names = dict(copies.each((quick, slow_tests()), lambda copy, marks: copy.collected(("-m", marks, *tests))))
    return Selection(known.report, names[quick], names[slow_tests()])


class Questions:
    """Mutant with its remaining tests."""

    def __init__(self, mutant: Mutant, chosen: Selection) -> None:
        self.mutant = mutant
        self._rounds = chosen.rounds(mutant)
        self._next = next(self._rounds, None)

    @property
    def are_over(self) -> bool:
        """Whether no tests remain."""
        return self._next is None

    def ask(self, copy: Copy) -> Answer:
        """Run the next round; there must be one."""
        assert self._next is not None
        answer = copy.ask(self.mutant, self._next, ROUND_SECONDS)
        left = {test: seconds for test, seconds in self._next.items() if test not in answer.asked}
        self._next = left if left and answer.asked else next(self._rounds, None)
        return answer


def try_all(copies: Copies, mutants: list[Mutant], tests: list[str], tally: Tally) -> None:
    """Test mutants with some test files, printing each outcome.

    Mutants noticed earlier are not tested again, so an interrupted run continues.
    """
    for mutant, answer in copies.each([one for one in mutants if is_of_page(one)], ask_page):
        print(f"page      {answer.outcome:8} {mutant.path}:{mutant.line}", flush=True)
        tally.add(mutant, answer.outcome, every=True)
    mutants = [mutant for mutant in mutants if not is_of_page(mutant)]
    if not mutants:
        return
    known = watched(tests, quick_tests())
    chosen = selection(copies, tests, known)
    before = [mutant for mutant in mutants if known.has_noticed(mutant)]
    for mutant in before:
        tally.add(mutant, "noticed", every=False)
    print(f"{len(before)} of these were noticed before.", flush=True)
    left = [Questions(mutant, chosen) for mutant in mutants if mutant not in before]
    number = 0
    try:
        while left := [one for one in left if not one.are_over]:
            number += 1
            asked, left = left, []
            for one, answer in copies.each(asked, lambda copy, one: one.ask(copy)):
                print(f"round {number:<3} {answer.outcome:8} {one.mutant.path}:{one.mutant.line}", flush=True)
                tally.add(one.mutant, answer.outcome, every=one.are_over)
                if answer.outcome == "survived":
                    left.append(one)
                else:
                    known.note(one.mutant)
    finally:
        known.keep()


def main() -> int:
    """Test a sample. Returns the exit code."""
    parser = argparse.ArgumentParser(description="Change the code, and see which changes no test notices.")
    parser.add_argument("--sample", type=int, default=100, help="how many changes are tried (100)")
    parser.add_argument("--seed", type=int, help="which ones; by default others each time")
    parser.add_argument("--only", default="", help=f"change only files whose path begins so, such as {SOURCE}/http")
    parser.add_argument("--tests", default="tests", help="ask only files of tests whose path begins so; several by ,")
    parser.add_argument("--minutes", type=float, default=38, help="tell what is known after so long (38); 0: never")
    arguments = parser.parse_args()
    seed = random.randrange(1_000_000) if arguments.seed is None else arguments.seed
    began = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, 60 * arguments.minutes)
    try:
        found = all_places(arguments.only)
    except CannotBuild as error:
        sys.exit(f"Changes of the page need Node and its packages; ONLY={SOURCE} makes none there.\n{error}")
    mutants = sampled(found, arguments.sample, seed)
    if not mutants:
        sys.exit(f"There is nothing to change in files whose path begins with {arguments.only!r}.")
    print(f"{len(mutants)} of {len(found)} possible changes; SEED={seed} makes the same choice again.", flush=True)
    tally, ended = Tally(mutants), ""
    with tempfile.TemporaryDirectory(prefix="jikko-mutants-", ignore_cleanup_errors=True) as name:
        # Some tests switch to another user, who needs access to the copy.
        os.chmod(name, 0o755)
        try:
            with Copies(Path(name)) as copies:
                try_all(copies, mutants, test_files(tuple(arguments.tests.split(","))), tally)
        except KeyboardInterrupt:
            ended = "Broken off; the next call goes on from here. "
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    minutes = (time.monotonic() - began) / 60
    print(f"\n{tally.summary()}.\n{ended}It took {minutes:.0f} minutes. SEED={seed}", flush=True)
    return 0 if tally.is_enough else 1


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
