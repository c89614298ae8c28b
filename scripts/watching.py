"""What was learnt of tests, kept in ``build/mutants.json`` for the next time: which lines each runs, and which changes
they noticed. Only files of tests that have changed since run again. Which lines a test runs only decides which tests
are asked, so that it is still good enough when the code has changed, once it is told where those lines are now.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Final

import msgspec
from scripts.copies import ROOT
from scripts.covering import Report
from scripts.mutation import Mutant

SOURCE: Final = "src/jikko"
KEPT: Final = ROOT / "build" / "mutants.json"


class Watched(msgspec.Struct):
    """What is known of the tests of some files."""

    source: str
    """The digest of the code, and of what tests share."""
    asked: str = ""
    """Which tests were run, of those in the files."""
    texts: dict[str, str] = {}
    """The code as it was when they ran, by path from the root."""
    tests: dict[str, str] = {}
    """The digests of the files of tests, by path from the root."""
    report: Report = msgspec.field(default_factory=Report)
    noticed: set[str] = set()
    """Digests of the changes that some test noticed."""

    def add(self, files: Iterable[str], report: Report) -> None:
        """Add what became of the tests of files."""
        self.tests |= {file: _digest([file]) for file in files}
        self.report.add(report)

    def has_noticed(self, mutant: Mutant) -> bool:
        """Whether some test noticed a change."""
        return _digest_of(mutant) in self.noticed

    def note(self, mutant: Mutant) -> None:
        """Some test noticed a change."""
        self.noticed.add(_digest_of(mutant))

    def keep(self) -> None:
        """Write it down for the next time."""
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_bytes(msgspec.json.encode(self))


def watched(files: Sequence[str], asked: str = "") -> Watched:
    """What is known of the tests of these files, as they are now; of some, or all, it may be nothing.

    Args:
        asked: Which tests of them; nothing is known if it was others.
    """
    source = _digest(_shared())
    texts = {path: (ROOT / path).read_text("utf-8") for path in _shared() if path.startswith(SOURCE)}
    nothing = Watched(source, asked, texts)
    try:
        kept = msgspec.json.decode(KEPT.read_bytes(), type=Watched)
    except (OSError, msgspec.DecodeError):
        return nothing
    if kept.asked != asked:
        return nothing
    same = {file for file in files if kept.tests.get(file) == _digest([file])}
    tests = {file: kept.tests[file] for file in files if file in same}
    report = kept.report.only(lambda test: test.partition("::")[0] in same)
    report.lines = {
        path: moved(lines, kept.texts.get(path, ""), texts[path])
        for path, lines in report.lines.items()
        if path in texts
    }
    # Other code may not be noticed; and a test that was changed may be the one that noticed it.
    noticed = kept.noticed if kept.source == source and same >= kept.tests.keys() else set()
    return Watched(source, asked, texts, tests, report, noticed)


def moved(tests: Mapping[int, list[int]], before: str, after: str) -> dict[int, list[int]]:
    """What runs which lines of a text, by line from 1, of what ran those of an earlier one. Lines that were put in, or
    are others now, have what ran those that they stand for; if they stand for none, that around them.
    """
    if before == after:
        return dict(tests)
    found: dict[int, list[int]] = {}
    matcher = SequenceMatcher(None, before.split("\n"), after.split("\n"), autojunk=False)
    for kind, first, last, start, end in matcher.get_opcodes():
        for line in range(start, end):
            if kind == "equal":
                old = range(first + line - start, first + line - start + 1)
            else:
                old = range(first, last) if last > first else range(first - 1, first + 1)
            if ran := sorted({test for number in old for test in tests.get(number + 1, ())}):
                found[line + 1] = ran
    return found


def _digest_of(mutant: Mutant) -> str:
    return hashlib.sha256(f"{mutant.path}\0{mutant.text}".encode()).hexdigest()


def _shared() -> list[str]:
    found = [*(ROOT / SOURCE).rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    return sorted(path.relative_to(ROOT).as_posix() for path in found if not path.name.startswith("test_"))


def _digest(paths: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.encode() + b"\0" + (ROOT / path).read_bytes() + b"\0")
    return digest.hexdigest()
