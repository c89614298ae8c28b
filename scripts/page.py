"""Small changes of the page of the console, and what its own tests and the type checker say to them.

``console/scripts/places.mjs`` finds them, by the parser of TypeScript. Each is tried with the tests of the page that
import what it changes, over any number of other modules, and then with ``tsc``, as nothing lands that it refuses.
"""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.build_console import install, npm, sources
from scripts.copies import ROOT, Answer, Copy
from scripts.mutation import Mutant

PAGE: Final = "console/src"
_GENERATED: Final = (f"{PAGE}/api/schema.ts",)
_TESTS: Final = ("vitest", "related", "--run", "--bail=1", "--passWithNoTests")
_TYPES: Final = ("tsc", "--noEmit", "--incremental", "--tsBuildInfoFile", "../build/types.json")
_SECONDS: Final = 300.0
"""What one question may take. More than ten times what all tests of the page need."""


@dataclass(frozen=True, slots=True)
class PagePlace:
    """A change that could be made."""

    path: str
    """From the root of the repository."""
    line: int
    start: int
    """In bytes of UTF-8, as ``end``."""
    end: int
    instead: str

    def mutant(self, root: Path = ROOT) -> Mutant:
        """The change made, to the file below a folder."""
        before = (root / self.path).read_bytes()
        after = before[: self.start] + self.instead.encode() + before[self.end :]
        return Mutant.of(self.path, self.line, before.decode(), after.decode())


def page_files() -> list[str]:
    """Every file of the page that is changed, from the root: all of its source but what is generated."""
    found = (file.relative_to(ROOT).as_posix() for file in sorted((ROOT / PAGE).rglob("*.ts*")))
    return [path for path in found if ".test." not in path and path not in _GENERATED]


def page_places(only: str) -> list[PagePlace]:
    """Every place of the page that can be changed, in files whose path from the root begins with ``only``.

    Raises:
        CannotBuild: Node or its packages could not be had.
    """
    paths = [path for path in page_files() if path.startswith(only)]
    return places_in(ROOT, paths) if paths else []


def places_in(root: Path, paths: Sequence[str]) -> list[PagePlace]:
    """Every place of some files below a folder that can be changed.

    Raises:
        CannotBuild: Node or its packages could not be had.
    """
    if not (sources() / "node_modules" / "vitest").is_dir():
        install()
    command, environment = npm()
    command = [*command, "run", "--silent", "places", "--", str(root), *paths]
    found = subprocess.run(command, cwd=sources(), env=environment, capture_output=True, check=True)
    return [PagePlace(**place) for place in json.loads(found.stdout)]


def is_of_page(mutant: Mutant) -> bool:
    """Whether it changes the page."""
    return mutant.path.startswith(PAGE)


def ask_page(copy: Copy, mutant: Mutant) -> Answer:
    """What the tests of the page and the type checker say to a change: the same without it is no notice."""
    packages = copy.folder / "console" / "node_modules"
    if not packages.exists():
        packages.symlink_to(sources() / "node_modules", target_is_directory=True)
    for question in ((*_TESTS, mutant.path.removeprefix("console/")), _TYPES):
        with copy.changed(mutant):
            code = _ask(copy, question)
        if code != 0 and _ask(copy, question) == 0:
            return Answer("hung" if code is None else "noticed", frozenset())
    return Answer("survived", frozenset())


def _ask(copy: Copy, question: tuple[str, ...]) -> int | None:
    command, environment = npm()
    program = shutil.which(command[0], path=environment.get("PATH")) or command[0]
    return copy.run([program, *command[1:], "exec", "--", *question], "console", environment, _SECONDS)
