"""Runs the fast tests that a change can break, those nearest to it first, within a minute on two quiet processors.

Usage: python -m scripts.quick [--since REV] [--seconds N] [--list] [--history N [--every M]]

A change is what differs from REV: by default what is not committed, or else the last commit. A file of tests can be
broken by it if it imports what changed, over any number of other modules. The fewer there are between them, the nearer
it is; those that are named after it come first, then those of its folders. A module can be loaded by its name, too, or
started as a program: behind those that import it come all tests of its folder. A file of data beside tests can break
the tests of its folder. What does not fit into the time is named, and left to `make check`.
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
"""Of tests, as one process runs them: two at a time, and some seconds to start."""
_START_SECONDS: Final = 0.2
"""To import another file of tests."""
_BY_NAME: Final = 99
"""As many imports count those that a test of the folder may need to load a module by its name."""
ALWAYS: Final = ("tests/test_house.py",)
"""They read every file, and are quick."""
ROOTS: Final = {"src/jikko/": "src/", "tests/": "", "scripts/": "", "benchmarks/": ""}
"""Where modules are, and what precedes their names."""
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
"""Files that no module imports, by the beginnings of their paths, and tests that read them."""


class Choice(msgspec.Struct, frozen=True):
    """Files of tests, the nearest to a change first."""

    chosen: list[str]
    left: list[str]
    """What did not fit."""
    seconds: float
    """What the chosen take together (s), one after the other."""


class Imports:
    """Which modules import which, those inside functions included. All paths are relative to the root."""

    def __init__(self, importers: Callable[[str], Collection[str]], modules: Collection[str]) -> None:
        """Args:
        importers: The modules that import one directly, by its name.
        modules: The names of all.
        """
        self._importers = importers
        self._modules = modules

    @classmethod
    def read(cls) -> "Imports":
        """Read all modules of source and tests."""
        sys.path.insert(0, str(ROOT))
        graph = grimp.build_graph("jikko", "tests", "scripts", "benchmarks", cache_dir=str(ROOT / "build" / "imports"))
        return cls(graph.find_modules_that_directly_import, graph.modules)

    def distances(self, paths: Iterable[str]) -> dict[str, int]:
        """The files of tests that reach any of some files, and over how many imports at the least."""
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
        """The module that a file is, or belongs to: data beside modules is read by their package."""
        for root, prefix in ROOTS.items():
            if path.startswith(root):
                name = path.removeprefix(prefix).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
                while name and name not in self._modules:
                    name = name.rpartition(".")[0]
                return name or None
        return None


def choose(paths: Collection[str], imports: Imports, seconds: float, durations: Mapping[str, float]) -> Choice:
    """Choose tests for changed files.

    Args:
        paths: What changed, relative to the root.
        seconds: What the tests may take together, one after the other. Changed tests are chosen in any case.
        durations: What files of tests take (s); those that are missing are quick.
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
            durations.get(test, QUICK_SECONDS) == 0,  # nearly all that is in it is slow
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
    """How the paths of tests begin that a file can break though none of them imports it."""
    found = {begin for start, tests in READERS.items() if path.startswith(start) for begin in tests}
    if path.startswith("tests/") and not imports.distances([path]):
        found.add(f"{path.rpartition('/')[0]}/test_")
    return found


def _near(path: str) -> list[str]:
    """How the paths of the tests of a module's folder begin."""
    if not path.startswith("src/jikko/"):
        return []
    near = nearest(path.removeprefix("src/jikko/").partition("/")[0].removesuffix(".py"))
    return [begin for begin in near if not begin.startswith(ELSEWHERE)]


def _folders(path: str) -> set[str]:
    """The names of the folders of a file below the source or the tests."""
    return {*path.removeprefix("src/jikko/").removeprefix("tests/").split("/")[:-1]}


def _tests() -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "tests").rglob("test_*.py"))]


def changed(since: str) -> list[str]:
    """The files that differ from a revision, new ones included; without a name: the change described above."""
    new = _git("ls-files", "--others", "--exclude-standard")
    if since:
        return [*_git("diff", "--name-only", since), *new]
    return [*_git("diff", "--name-only", "HEAD"), *new] or _git("diff", "--name-only", "HEAD~1")


def _git(*words: str) -> list[str]:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def history(count: int, imports: Imports, seconds: float, durations: Mapping[str, float], every: int) -> None:
    """Print what the last commits would take (s), and how much of what each can break would be left.

    Args:
        every: Of the commits, one in so many is tried: its tests run as they are now, and what processors they take (s)
            is printed. None with 0.
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
    """Of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Run them. Returns the exit code of pytest."""
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
