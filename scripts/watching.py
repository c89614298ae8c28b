"""What was learnt of tests, kept in ``build/mutants.json`` for the next time: which lines each runs, and which changes
they noticed. Only files of tests that have changed since run again, unless the code or what tests share has changed.
"""

import hashlib
from collections.abc import Iterable, Sequence
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
    source = f"{_digest(_shared())} {asked}".strip()
    try:
        kept = msgspec.json.decode(KEPT.read_bytes(), type=Watched)
    except (OSError, msgspec.DecodeError):
        return Watched(source)
    if kept.source != source:
        return Watched(source)
    same = {file for file in files if kept.tests.get(file) == _digest([file])}
    tests = {file: kept.tests[file] for file in files if file in same}
    # A test that was changed may be the one that noticed it.
    noticed = kept.noticed if same >= kept.tests.keys() else set()
    return Watched(source, tests, kept.report.only(lambda test: test.partition("::")[0] in same), noticed)


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
