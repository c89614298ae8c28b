"""Runs the fast tests that a change can break, nearest first, within a minute on two idle CPUs.

Usage: python -m scripts.quick [--since REV] [--seconds N] [--list] [--history N [--every M]]

The change is the difference from REV: by default uncommitted changes, or else the last commit. It can break the test
files that import changed modules, directly or indirectly; the shorter the chain, the nearer. Files named after the
change come first, then those of its folders. Modules may also be loaded by name or run as programs: all tests of a
module's folder follow its importers. Data files beside tests can break their folder's tests. What exceeds the time is
listed, and left to `make check`.
"""

import argparse
import resource
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from statistics import quantiles
from typing import Final

import grimp
import msgspec
from scripts.selection import ELSEWHERE, nearest
from tests.durations import QUICK_SECONDS, known

ROOT: Final = Path(__file__).parent.parent
MARKS: Final = "not slow and not services and not serial"
COMMAND: Final = (sys.executable, "-W", "error", "-m", "pytest", "-n", "2", "--dist", "loadfile", "-m", MARKS)
SECONDS: Final = 80.0
"""Seconds of tests in one process: they run two at a time, with some seconds to start."""
_START_SECONDS: Final = 0.2
"""Seconds to import another test file."""
_BY_NAME: Final = 99
"""Distance, in imports, of the folder's tests, which may load a module by name."""
ALWAYS: Final = ("tests/test_house.py",)
"""Quick tests that read every file."""
ROOTS: Final = {"src/jikko/": "src/", "tests/": "", "scripts/": "", "benchmarks/": ""}
"""Module folders, and the prefixes to remove for module names."""
READERS: Final[Mapping[str, tuple[str, ...]]] = {
    "docs/": ("tests/test_page_blocks.py", "tests/test_scale_page.py", "tests/test_runbook.py"),
    "deploy/": ("tests/deploy/",),
    "examples/": ("tests/forecast/", "tests/dsl/"),
    "scripts/": ("tests/test_mutants.py",),
    "console/": ("tests/test_build_console.py",),
    "pyproject.toml": ("tests/test_extras.py", "tests/test_lock.py"),
    "requirements.txt": ("tests/test_lock.py",),
    "docs/decisions/": ("tests/test_decisions.py",),
}
"""Tests that read files other than modules, by path prefix."""


class Choice(msgspec.Struct, frozen=True):
    """Selected test files, nearest to the change first."""

    chosen: list[str]
    left: list[str]
    """Test files that exceed the time."""
    seconds: float
    """Sequential duration of the selected files (s)."""


class Imports:
    """Import graph of modules, including imports inside functions. All paths are relative to the root."""

    def __init__(self, importers: Callable[[str], Collection[str]], modules: Collection[str]) -> None:
        """Args:
        importers: Returns the direct importers of a module, by name.
        modules: Names of all modules."""
        self._importers = importers
        self._modules = modules

    @classmethod
    def read(cls) -> "Imports":
        """Read all modules of source and tests."""
        sys.path.insert(0, str(ROOT))
        graph = grimp.build_graph("jikko", "tests", "scripts", "benchmarks", cache_dir=str(ROOT / "build" / "imports"))
        return cls(graph.find_modules_that_directly_import, graph.modules)

    def distances(self, paths: Iterable[str]) -> dict[str, int]:
        """Return the test files that reach any of some files, with their distances in imports."""
        level = {module for path in paths if (module := self._module(path))}
        found: dict[str, int] = {}
        distance = 0
        while level:
            found |= dict.fromkeys(level, distance)
            level = {importer for module in level for importer in self._importers(module)} - found.keys()
            distance += 1
        return {
            f"{module.replace('.', '/')}.py": steps
            for module, steps in found.items()
            if module.startswith("tests.") and module.rpartition(".")[2].startswith("test_")
        }

    def _module(self, path: str) -> str | None:
        """Return the module of a file; for data beside modules, their package."""
        for root, prefix in ROOTS.items():
            if path.startswith(root):
                name = path.removeprefix(prefix).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
                while name and name not in self._modules:
                    name = name.rpartition(".")[0]
                return name or None
        return None


def choose(paths: Collection[str], imports: Imports, seconds: float, durations: Mapping[str, float]) -> Choice:
    """Select tests for changed files.

    Args:
        paths: Changed files, relative to the root.
        seconds: Sequential time budget. Changed tests are always selected.
        durations: Durations of test files (s); missing ones are quick.
    """
    distances = imports.distances(paths)
    readers = tuple({begin for path in paths for begin in _readers(path, imports)})
    folders = tuple({begin for path in paths for begin in _near(path)})
    commands = {f"test_command_{Path(path).stem}.py" for path in paths}
    stems = {f"test_{Path(path).stem}.py" for path in paths} | commands
    rooms = [_folders(path) for path in paths]
    files = {*ALWAYS, *distances, *(test for test in _tests() if test.startswith((*readers, *folders)))}
    files |= {test for test in _tests() if Path(test).name in commands and not test.startswith(ELSEWHERE)}

    def rank(test: str) -> tuple[bool, bool, bool, int, int, float]:
        is_reader = test not in distances and test.startswith(readers)
        return (
            test not in paths and test not in ALWAYS,
            durations.get(test, QUICK_SECONDS) == 0,  # nearly all of its tests are slow
            Path(test).name not in stems and not is_reader,
            -max((len(_folders(test) & room) for room in rooms), default=0),
            distances.get(test, _BY_NAME),
            durations.get(test, 0.0),
        )

    chosen, left, total = [], [], 0.0
    for test in sorted((file for file in files if (ROOT / file).exists()), key=rank):
        takes = durations.get(test, QUICK_SECONDS) + _START_SECONDS
        if total + takes <= seconds or test in paths:
            chosen.append(test)
            total += takes
        else:
            left.append(test)
    return Choice(chosen, left, total)


def _readers(path: str, imports: Imports) -> set[str]:
    """Return path prefixes of tests that a file can break without being imported by them."""
    found = {begin for start, tests in READERS.items() if path.startswith(start) for begin in tests}
    if path.startswith("tests/") and not imports.distances([path]):
        found.add(f"{path.rpartition('/')[0]}/test_")
    return found


def _near(path: str) -> list[str]:
    """Return path prefixes of the tests for a module's folder."""
    if not path.startswith("src/jikko/"):
        return []
    near = nearest(path.removeprefix("src/jikko/").partition("/")[0].removesuffix(".py"))
    return [begin for begin in near if not begin.startswith(ELSEWHERE)]


def _folders(path: str) -> set[str]:
    """Return the folder names of a file below source or tests."""
    return {*path.removeprefix("src/jikko/").removeprefix("tests/").split("/")[:-1]}


def _tests() -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "tests").rglob("test_*.py"))]


def changed(since: str) -> list[str]:
    """Return the files that differ from a revision, including new ones; by default, the change described above."""
    new = _git("ls-files", "--others", "--exclude-standard")
    if since:
        return [*_git("diff", "--name-only", since), *new]
    return [*_git("diff", "--name-only", "HEAD"), *new] or _git("diff", "--name-only", "HEAD~1")


def _git(*words: str) -> list[str]:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def history(count: int, imports: Imports, seconds: float, durations: Mapping[str, float], every: int) -> None:
    """Print the durations for the last commits (s), and the share of affected tests that is left out.

    Args:
        every: Runs the selected tests of every N-th commit on the current code, and prints their CPU time (s); 0 for
            none.
    """
    took: list[float] = []
    tried: list[float] = []
    for number, commit in enumerate(_git("rev-list", "--no-merges", f"--max-count={count}", "HEAD")):
        paths = _git("show", "--name-only", "--format=", commit)
        choice = choose(paths, imports, seconds, durations)
        took.append(choice.seconds)
        line = f"{commit[:8]} {choice.seconds:5.1f} s, {len(choice.chosen):3} files, {len(choice.left):3} left"
        if every and number % every == 0:
            before = _cpu_seconds()
            code = subprocess.run([*COMMAND, *choice.chosen], cwd=ROOT, check=False, capture_output=True).returncode
            tried.append((_cpu_seconds() - before) / 2)
            line += f", tried: {tried[-1]:.1f} s on two processors, exit code {code}"
        print(line, flush=True)
    print(f"median {quantiles(took, n=2)[0]:.1f} s, p90 {quantiles(took, n=10)[8]:.1f} s of tests, one after the other")
    if len(tried) > 1:
        print(
            f"{len(tried)} tried: p90 {quantiles(tried, n=10)[8]:.1f} s, longest {max(tried):.1f} s on two processors"
        )


def _cpu_seconds() -> float:
    """CPU time of all ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Run the tests. Returns pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--since", default="", help="a revision, such as main")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--list", action="store_true", help="run nothing; print the files")
    parser.add_argument("--every", type=int, default=0, metavar="M", help="and try one in M of these")
    parser.add_argument("--history", type=int, default=0, metavar="N", help="run nothing; what the last N commits take")
    given = parser.parse_args()
    imports = Imports.read()
    durations = {path: duration.fast for path, duration in known().items()}
    if given.history:
        history(given.history, imports, given.seconds, durations, given.every)
        return 0
    choice = choose(changed(given.since), imports, given.seconds, durations)
    if given.list:
        print("\n".join(choice.chosen))
        return 0
    code = subprocess.run([*COMMAND, *choice.chosen], cwd=ROOT, check=False).returncode
    seconds = sum(durations.get(test, QUICK_SECONDS) for test in choice.left)
    print(f"{len(choice.chosen)} files of tests ran. ", end="")
    if choice.left:
        print(f"`make check` has {len(choice.left)} more ({seconds:.0f} s of tests) that this change reaches:")
        print("\n".join(f"  {test}" for test in choice.left))
    else:
        print("No other fast test is reached by this change.")
    return code


if __name__ == "__main__":
    sys.exit(main())
