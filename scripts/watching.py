"""Cache of test measurements in ``build/mutants.json``: the lines each test runs, and the mutants it noticed. Only
changed test files run again. Lines only decide which tests are used, so they stay good enough after code changes,
once mapped to their new positions."""

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
    """Known measurements of some test files."""

    source: str
    """Digest of the code and of shared test modules."""
    asked: str = ""
    """Selection of tests that were run in the files."""
    texts: dict[str, str] = {}
    """Code at the time of measurement, by path from the root."""
    tests: dict[str, str] = {}
    """Digests of the test files, by path from the root."""
    report: Report = msgspec.field(default_factory=Report)
    noticed: set[str] = set()
    """Digests of noticed mutants."""

    def add(self, files: Iterable[str], report: Report) -> None:
        """Add a report on the tests of files."""
        self.tests |= {file: _digest([file]) for file in files}
        self.report.add(report)

    def has_noticed(self, mutant: Mutant) -> bool:
        """Return whether some test noticed a mutant."""
        return _digest_of(mutant) in self.noticed

    def note(self, mutant: Mutant) -> None:
        """Record a noticed mutant."""
        self.noticed.add(_digest_of(mutant))

    def keep(self) -> None:
        """Write the cache."""
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_bytes(msgspec.json.encode(self))


def watched(files: Sequence[str], asked: str = "") -> Watched:
    """Return what is known of the tests in these files as they are now; possibly nothing.

    Args:
        asked: Selection of tests; nothing is known of other selections.
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
    # Changed code may not be noticed, and a changed test may be the one that noticed it.
    noticed = kept.noticed if kept.source == source and same >= kept.tests.keys() else set()
    return Watched(source, asked, texts, tests, report, noticed)


def moved(tests: Mapping[int, list[int]], before: str, after: str) -> dict[int, list[int]]:
    """Map the tests that run each line (from 1) of an earlier text to a new one. Inserted or changed lines get the
    tests of the lines they replace, or else of the surrounding ones."""
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
