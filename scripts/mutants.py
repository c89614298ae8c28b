"""Changes the code a little, many times, and reports which changes no test notices.

Usage: python -m scripts.mutants [--sample N] [--seed N] [--only PATH]

Each change is made in a copy of the working tree, never in the tree itself, on every processor at once. First the tests
run that are nearest to the changed file, and for what survives those, all fast tests. Exit code 1: fewer than 80 % were
noticed. Some changes alter nothing that can be seen, so that 100 % cannot be had; read what survives.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Final, Literal, NoReturn, Self, TypeAlias

from scripts.mutation import Mutant, Place, places

ROOT: Final = Path(__file__).parents[1]
SOURCE: Final = "src/jikko"
NEAREST: Final[dict[str, tuple[str, ...]]] = {
    "engine": ("tests/engine", "tests/service"),
    "service": ("tests/service", "tests/http"),
    "store": ("tests/contract", "tests/store"),
    "http": ("tests/http", "tests/acceptance"),
    "outbound": ("tests/outbound",),
}
"""What is changed, below ``src/jikko``, and where the tests of it are. The first place is tried first."""
QUICK: Final = ("-m", "not slow")
ALL: Final = (*QUICK, "tests", "--ignore=tests/test_house.py", "--ignore=tests/test_performance_guard.py")
"""All but those that look at the text of the source, or at the clock."""
ENOUGH: Final = 0.8

Outcome: TypeAlias = Literal["noticed", "hung", "survived"]


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the working tree, in which one change at a time is made."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> "Copy":
        """Copy what is or could be in the repository, with whatever was changed and not committed."""
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        # Python takes a compiled file for current if time and size agree, which a change of one character may not
        # alter. Those that are compiled so are compared by their content.
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "compileall",
            "-q",
            "--invalidation-mode",
            "checked-hash",
            folder / "src",
        ]
        subprocess.run(command, check=True)
        (folder / "tmp").mkdir()
        return cls(folder)

    @contextmanager
    def changed(self, mutant: Mutant) -> Iterator[None]:
        """Have the change in the copy."""
        file = self.folder / mutant.path
        before = file.read_text(encoding="utf-8")
        file.write_text(mutant.text, encoding="utf-8")
        try:
            yield
        finally:
            file.write_text(before, encoding="utf-8")

    def test(self, options: Iterable[str], seconds: float) -> Outcome:
        """Run tests until one fails, for so many seconds at most."""
        command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "--tb=no", "--no-header", *options]
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.folder / "src"),
            "TMPDIR": str(self.folder / "tmp"),
            "HYPOTHESIS_STORAGE_DIRECTORY": str(self.folder / "hypothesis"),
        }
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                return "hung"
            finally:
                self.end_all()
                shutil.rmtree(self.folder / "tmp", ignore_errors=True)
                (self.folder / "tmp").mkdir(exist_ok=True)
        return "survived" if code == 0 else "noticed"

    def end_all(self) -> None:
        """End the tests, and whatever they started and left running."""
        mark = f"PYTHONPATH={self.folder}/".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (entry / "environ").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)
            except OSError:  # it has ended, or is none of ours
                continue


@dataclass(frozen=True, slots=True)
class Tests:
    """Tests that are run together."""

    options: tuple[str, ...]
    seconds: float
    """What they may take: several times as much as without a change, since a change may make them wait."""


class Copies:
    """The copies, one for each processor, and what runs in them. Leaving it early ends the tests under way."""

    def __init__(self, folder: Path) -> None:
        count = os.cpu_count() or 1
        self._free: SimpleQueue[Copy] = SimpleQueue()
        self._pool = ThreadPoolExecutor(count)
        self._all = list(self._pool.map(Copy.made, [folder / str(number) for number in range(count)]))
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

    def measured(self, kinds: Mapping[str, tuple[str, ...]]) -> dict[str, Tests]:
        """Run tests without a change, by name. Ends the program if some fail: nothing could be learnt from them."""
        return dict(zip(kinds, self._pool.map(self._measure, kinds.values()), strict=True))

    def _measure(self, options: tuple[str, ...]) -> Tests:
        copy = self._free.get()
        began = time.monotonic()
        outcome = copy.test(options, seconds=3600)
        took = time.monotonic() - began
        self._free.put(copy)
        if outcome != "survived":
            raise SystemExit(f"Without any change, this fails already: pytest {' '.join(options)}")
        return Tests(options, 30 + 4 * took)

    def tried(self, mutants: Sequence[Mutant], tests: Mapping[str, Tests]) -> Iterator[tuple[Mutant, Outcome]]:
        """What the tests of its folder say to each change, as soon as they do."""
        running = {self._pool.submit(self._try, mutant, tests[folder_of(mutant)]): mutant for mutant in mutants}
        for done in as_completed(running):
            yield running[done], done.result()

    def _try(self, mutant: Mutant, tests: Tests) -> Outcome:
        copy = self._free.get()
        try:
            with copy.changed(mutant):
                return copy.test(tests.options, tests.seconds)
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


def survivors(copies: Copies, mutants: Sequence[Mutant], tests: Mapping[str, Tests], by: str) -> list[Mutant]:
    """Those that tests do not notice. Tells of each change as it is tried."""
    survived: list[Mutant] = []
    for number, (mutant, outcome) in enumerate(copies.tried(mutants, tests), 1):
        print(f"{number:4}/{len(mutants)} {by}: {outcome:8} {mutant.path}:{mutant.line}", flush=True)
        if outcome == "survived":
            survived.append(mutant)
    return survived


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
            folders = sorted({folder_of(mutant) for mutant in mutants})
            nearest = copies.measured({folder: (*QUICK, *NEAREST[folder]) for folder in folders})
            left = survivors(copies, mutants, nearest, "nearest tests")
            if left:
                everything = copies.measured({"": ALL})[""]
                left = survivors(copies, left, dict.fromkeys(folders, everything), "all tests")
    for mutant in sorted(left, key=lambda mutant: (mutant.path, mutant.line)):
        print(f"\nNot noticed: {mutant.path}:{mutant.line}\n{mutant.diff}")
    noticed, minutes = len(mutants) - len(left), (time.monotonic() - began) / 60
    share = noticed / len(mutants)
    print(f"\n{noticed} of {len(mutants)} changes were noticed ({share:.0%}), in {minutes:.0f} minutes. SEED={seed}")
    return 0 if share >= ENOUGH else 1


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
