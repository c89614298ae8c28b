"""Mutants of the console's page, tested with its own tests and the type checker.

``console/scripts/places.mjs`` finds possible mutations with TypeScript's parser. Each mutant is tested with the page's
tests that import its file, directly or indirectly, with Biome and ``tsc``, and then with a minute of browser tests
named after the file, or after pages that import it.
"""

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from scripts.build_console import install, npm, sources
from scripts.copies import ROOT, Answer, Copy
from scripts.mutation import Mutant
from scripts.selection import words
from tests.durations import QUICK_SECONDS, known

PAGE: Final = "console/src"
_GENERATED: Final = (f"{PAGE}/api/schema.ts",)
_TESTS: Final = ("vitest", "related", "--run", "--bail=1", "--passWithNoTests")
_TYPES: Final = (
    "../typescript-native/bin/tsc",
    "--noEmit",
    "--incremental",
    "--tsBuildInfoFile",
    "../build/types.json",
)
_STYLE: Final = ("biome", "lint")
_BUILD: Final = ("vite", "build", "--logLevel", "error")
_SECONDS: Final = 300.0
"""Timeout of one check in seconds: more than ten times what all tests of the page need."""
_BROWSER: Final = "tests/console"
_MARKS: Final = ("-m", "slow and services and not serial and not long")
_BROWSER_SECONDS: Final = 60.0
_TEST_SECONDS: Final = 20.0
"""Timeout of one browser test in seconds. Its own waits time out earlier, which fails it; hanging takes several times
as long."""
_IMPORTED: Final = re.compile(r"(?:from|import\() ?'(\.[^']+)'")


@dataclass(frozen=True, slots=True)
class PagePlace:
    """Possible mutation."""

    path: str
    """Relative to the root of the repository."""
    line: int
    start: int
    """In bytes of UTF-8, like ``end``."""
    end: int
    instead: str

    def mutant(self, root: Path = ROOT) -> Mutant:
        """Return the mutant of the file below a folder."""
        before = (root / self.path).read_bytes()
        after = before[: self.start] + self.instead.encode() + before[self.end :]
        return Mutant.of(self.path, self.line, before.decode(), after.decode())


def page_files() -> list[str]:
    """Return the page's source files from the root, except generated ones."""
    found = (file.relative_to(ROOT).as_posix() for file in sorted((ROOT / PAGE).rglob("*.ts*")))
    return [path for path in found if ".test." not in path and path not in _GENERATED]


def page_places(only: str) -> list[PagePlace]:
    """Return the page's possible mutations in files whose path from the root begins with ``only``.

    Raises:
        CannotBuild: Node or its packages are not available.
    """
    paths = [path for path in page_files() if path.startswith(only)]
    return places_in(ROOT, paths) if paths else []


def places_in(root: Path, paths: Sequence[str]) -> list[PagePlace]:
    """Return the possible mutations of files below a folder.

    Raises:
        CannotBuild: Node or its packages are not available.
    """
    if not (sources() / "node_modules" / "vitest").is_dir():
        install()
    command, environment = npm()
    command = [*command, "run", "--silent", "places", "--", str(root), *paths]
    found = subprocess.run(command, cwd=sources(), env=environment, capture_output=True, check=True)
    return [PagePlace(**place) for place in json.loads(found.stdout)]


def is_of_page(mutant: Mutant) -> bool:
    """Return whether the mutant is one of the page."""
    return mutant.path.startswith(PAGE)


def ask_page(copy: Copy, mutant: Mutant) -> Answer:
    """Test a mutant with the page's tests, Biome and the type checker. Failures without it do not count."""
    packages = copy.folder / "console" / "node_modules"
    if not packages.exists():
        packages.symlink_to(sources() / "node_modules", target_is_directory=True)
    file = mutant.path.removeprefix("console/")
    for question in ((*_STYLE, file), (*_TESTS, file), _TYPES):
        with copy.changed(mutant):
            code = _ask(copy, question)
        if code != 0 and _ask(copy, question) == 0:
            return Answer("hung" if code is None else "noticed", frozenset())
    return _ask_browser(copy, mutant)


def importers(path: str) -> set[str]:
    """Return the page's files that import one, directly or indirectly. All paths from the root."""
    imported = _imported()
    found: set[str] = set()
    level = {path}
    while level:
        level = {file for file, others in imported.items() if others & level} - found
        found |= level
    return found


@cache
def _imported() -> dict[str, set[str]]:
    texts = {path: (ROOT / path).read_text("utf-8") for path in page_files()}
    return {
        path: {
            (ROOT / path).parent.joinpath(name).resolve().relative_to(ROOT).as_posix()
            for name in _IMPORTED.findall(text)
        }
        for path, text in texts.items()
    }


def browser_tests(path: str) -> list[str]:
    """Return a minute of browser test files: first those whose names match the mutated file best, then its importers,
    such as pages."""
    own, above = words(path.removeprefix(PAGE)), set[str]().union(*map(words, importers(path)))
    durations = known()
    files = [file.relative_to(ROOT).as_posix() for file in (ROOT / _BROWSER).glob("test_*.py")]
    takes = {file: durations[file].all if file in durations else QUICK_SECONDS for file in files}

    def share(file: str, about: set[str]) -> float:
        said = words(Path(file).stem)
        return sum(any(word == one or (len(one) > 3 and word.startswith(one)) for one in about) for word in said) / (
            len(said) or 1
        )

    chosen: list[str] = []
    seconds = 0.0
    about = {file: shares for file in files if any(shares := (share(file, own), share(file, above)))}
    for file in sorted(about, key=lambda file: (-about[file][0], -about[file][1], takes[file])):
        if not chosen or seconds + takes[file] <= _BROWSER_SECONDS:
            chosen.append(file)
            seconds += takes[file]
    return chosen


def _ask_browser(copy: Copy, mutant: Mutant) -> Answer:
    files = browser_tests(mutant.path)
    named = copy.collected((*_MARKS, *files)) if files else ()
    if not named:
        return Answer("survived", frozenset())
    with copy.changed(mutant):
        if _ask(copy, _BUILD) != 0:
            return Answer("survived", frozenset())
        ranked = sorted(named, key=lambda test: files.index(test.partition("::")[0]))
        said, _ = copy.try_tests(dict.fromkeys(ranked, _TEST_SECONDS), _SECONDS)
    failed = dict.fromkeys(said.failed, _TEST_SECONDS)
    if failed and _ask(copy, _BUILD) == 0 and copy.passes(failed):
        return Answer("noticed", said.ended)
    return Answer("survived", said.ended)


def _ask(copy: Copy, question: tuple[str, ...]) -> int | None:
    # Not by `npm exec`, which takes half a second of a processor itself.
    program = copy.folder / "console" / "node_modules" / ".bin" / question[0]
    return copy.run([str(program), *question[1:]], "console", npm()[1], _SECONDS)
