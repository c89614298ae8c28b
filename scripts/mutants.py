"""Changes the code a little, many times, and reports which changes no test notices.

Usage: python -m scripts.mutants [--sample N] [--seed N] [--only PATH]

Each change is made in a copy of the working tree, never in the tree itself, on every processor at once. First the tests
run that are nearest to the changed file. What survives those is tried with all fast tests: several changes together,
and then each by itself with the tests that failed. Exit code 1: fewer than 80 % were noticed. Some changes alter
nothing that can be seen, so that 100 % cannot be had; read what survives.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from typing import Final, NoReturn, Self, TypeVar

from scripts.copies import ROOT, Copy, Outcome, Suite
from scripts.mutation import Mutant, Place, places

T = TypeVar("T")
K = TypeVar("K")

SOURCE: Final = "src/jikko"
NEAREST: Final[dict[str, tuple[str, ...]]] = {
    "engine": ("tests/engine",),
    "runs": ("tests/runs", "tests/conversations"),
    "conversations": ("tests/conversations",),
    "cluster": ("tests/cluster", "tests/server"),
    "dify": ("tests/http",),
    "server": ("tests/server", "tests/acceptance/test_http_*.py"),
    "store": ("tests/contract", "tests/store"),
    "http": ("tests/http", "tests/acceptance/test_http_*.py"),
    "outbound": ("tests/outbound",),
}
"""What is changed, below ``src/jikko``, and where its tests are. A file of tests named after the module comes first."""
QUICK: Final = ("-m", "not slow")
ALL: Final = (*QUICK, "tests", "--ignore=tests/test_house.py", "--ignore=tests/test_performance_guard.py")
"""All but those that look at the text of the source, or at the clock."""
TOGETHER: Final = 8
"""Changes that are tried together at most."""
MIN_NOTICED_SHARE: Final = 0.8


class Copies:
    """A copy for each processor, and what runs in them. Leaving it by an error ends the tests under way."""

    def __init__(self, folder: Path) -> None:
        count = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(count)
        self._all = list(self._pool.map(Copy, [folder / str(number) for number in range(count)]))
        self._free: SimpleQueue[Copy] = SimpleQueue()
        for copy in self._all:
            self._free.put(copy)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        if error is not None:
            for copy in self._all:
                copy.end_all()
        self._pool.shutdown()

    def each(self, what: Iterable[K], do: Callable[[Copy, K], T]) -> Iterator[tuple[K, T]]:
        """Do something with each, in a copy that is free, and give what came of it as soon as it did."""
        running = {self._pool.submit(self._in_one, do, thing): thing for thing in what}
        for done in as_completed(running):
            yield running[done], done.result()

    def _in_one(self, do: Callable[[Copy, K], T], thing: K) -> T:
        copy = self._free.get()
        try:
            return do(copy, thing)
        finally:
            self._free.put(copy)


def all_places(only: str) -> list[Place]:
    """Every place that can be changed, in files whose path from the root begins with ``only``."""
    files = [file for folder in NEAREST for file in sorted((ROOT / SOURCE / folder).rglob("*.py"))]
    paths = [file.relative_to(ROOT).as_posix() for file in files]
    return [
        place for path in paths if path.startswith(only) for place in places(path, (ROOT / path).read_text("utf-8"))
    ]


def sampled(found: list[Place], count: int, seed: int) -> list[Mutant]:
    """So many changes, or as many as there are: the same for the same seed and code."""
    chosen: list[Mutant] = []
    for place in random.Random(seed).sample(found, len(found)):
        if len(chosen) == count:
            break
        if (mutant := place.mutant()) is not None:
            chosen.append(mutant)
    return chosen


def folder_of(mutant: Mutant) -> str:
    """The row of ``NEAREST`` that a change belongs to."""
    return mutant.path.removeprefix(f"{SOURCE}/").partition("/")[0]


def nearest(folder: str) -> list[str]:
    """The options with which pytest runs the tests of a folder."""
    found = [path for pattern in NEAREST[folder] for path in sorted(ROOT.glob(pattern))]
    return [*QUICK, *(path.relative_to(ROOT).as_posix() for path in found)]


def named_after(mutant: Mutant) -> list[str]:
    """Files of the nearest tests that are named after the changed module."""
    name = f"test_{Path(mutant.path).stem}.py"
    found = [ROOT / place / name for place in NEAREST[folder_of(mutant)]]
    return [path.relative_to(ROOT).as_posix() for path in found if path.is_file()]


def groups(mutants: Iterable[Mutant]) -> list[tuple[Mutant, ...]]:
    """Changes that can be made together: each of another file."""
    made: list[dict[str, Mutant]] = []
    for mutant in mutants:
        group = next((group for group in made if len(group) < TOGETHER and mutant.path not in group), None)
        if group is None:
            made.append(group := {})
        group[mutant.path] = mutant
    return [tuple(group.values()) for group in made]


def tried_together(copy: Copy, group: tuple[Mutant, ...], everything: Suite) -> list[tuple[Mutant, Outcome]]:
    """What all tests say to each of several changes."""
    with copy.changed(group):
        failing = copy.failing(everything)
    if failing == []:
        return [(mutant, "survived") for mutant in group]
    # Where they hang together, it cannot be told which tests would fail.
    tests = everything if failing is None else Suite(tuple(failing), everything.seconds)
    return [(mutant, copy.outcome(mutant, tests)) for mutant in group]


def survivors(copies: Copies, mutants: list[Mutant]) -> list[Mutant]:
    """Those that no test notices. Tells of each change as it is tried."""
    folders = sorted({folder_of(mutant) for mutant in mutants})
    by_folder = dict(copies.each(folders, lambda copy, folder: copy.measured(nearest(folder))))

    def ask_nearest(copy: Copy, mutant: Mutant) -> Outcome:
        tests = by_folder[folder_of(mutant)]
        return copy.outcome(mutant, Suite((*named_after(mutant), *tests.options), tests.seconds))

    left: list[Mutant] = []
    for mutant, outcome in copies.each(mutants, ask_nearest):
        left += _told(mutant, outcome, "nearest tests")
    if not left:
        return []
    [(_, everything)] = copies.each([ALL], Copy.measured)
    last: list[Mutant] = []
    for _, outcomes in copies.each(groups(left), lambda copy, group: tried_together(copy, group, everything)):
        for mutant, outcome in outcomes:
            last += _told(mutant, outcome, "all tests")
    return last


def _told(mutant: Mutant, outcome: Outcome, by: str) -> list[Mutant]:
    print(f"{by:13} {outcome:8} {mutant.path}:{mutant.line}", flush=True)
    return [mutant] if outcome == "survived" else []


def main() -> int:
    """Try a sample. Returns the exit code."""
    parser = argparse.ArgumentParser(description="Change the code, and see which changes no test notices.")
    parser.add_argument("--sample", type=int, default=100, help="how many changes are tried (100)")
    parser.add_argument("--seed", type=int, help="which ones; by default others each time")
    parser.add_argument("--only", default="", help=f"change only files whose path begins so, such as {SOURCE}/http")
    arguments = parser.parse_args()
    seed = random.randrange(1_000_000) if arguments.seed is None else arguments.seed
    signal.signal(signal.SIGTERM, _interrupt)
    began = time.monotonic()
    found = all_places(arguments.only)
    mutants = sampled(found, arguments.sample, seed)
    if not mutants:
        sys.exit(f"There is nothing to change in files whose path begins with {arguments.only!r}.")
    print(f"{len(mutants)} of {len(found)} possible changes; SEED={seed} makes the same choice again.", flush=True)
    with tempfile.TemporaryDirectory(prefix="jikko-mutants-", ignore_cleanup_errors=True) as name:
        # Some tests become another user, who has to get at the copy.
        os.chmod(name, 0o755)
        with Copies(Path(name)) as copies:
            left = survivors(copies, mutants)
    for mutant in sorted(left, key=lambda mutant: (mutant.path, mutant.line)):
        print(f"\nNot noticed: {mutant.path}:{mutant.line}\n{mutant.diff}")
    noticed, minutes = len(mutants) - len(left), (time.monotonic() - began) / 60
    share = noticed / len(mutants)
    print(f"\n{noticed} of {len(mutants)} changes were noticed ({share:.0%}), in {minutes:.0f} minutes. SEED={seed}")
    return 0 if share >= MIN_NOTICED_SHARE else 1


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted. Nothing was changed.")
