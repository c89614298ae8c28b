"""Copies of the working tree, in which tests run against code that was changed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec
from scripts.covering import Report
from scripts.mutation import Mutant

ROOT: Final = Path(__file__).parents[1]
_COMPILE: Final = ("-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "src", "tests", "scripts")
_QUIET: Final = ("--tb=no", "--no-header", "--assert=plain")
"""Nobody reads what failed; so modules of tests need not be compiled anew for that, at every start."""
_ALL_SECONDS: Final = 7200.0
"""What all tests together may take. More than they ever need."""

Outcome: TypeAlias = Literal["noticed", "hung", "survived"]


class GivenUp(Exception):
    """Tests were ended before they had an outcome."""


@dataclass(frozen=True, slots=True)
class Suite:
    """Tests that are run together."""

    options: tuple[str, ...]
    """Of pytest."""
    seconds: float = _ALL_SECONDS
    """What they may take. Several times as much as without a change, which may make them wait."""


class Copy:
    """One copy. The tree itself is never changed, whatever becomes of the process."""

    def __init__(self, folder: Path) -> None:
        """Copy what is or could be in the repository, with whatever was changed and not committed.

        Args:
            folder: Made here.
        """
        self.folder = folder
        self._given_up = False
        self._failed = folder / "cache" / "v" / "cache" / "lastfailed"
        listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        # Python takes a compiled file for current if time and size agree, which a change of one character may not
        # alter. Those that are compiled so are compared by their content.
        subprocess.run([sys.executable, *_COMPILE], cwd=folder, check=True)

    @contextmanager
    def changed(self, mutants: Iterable[Mutant]) -> Iterator[None]:
        """Have changes in the copy, each of another file."""
        before = {self.folder / mutant.path: (self.folder / mutant.path).read_text("utf-8") for mutant in mutants}
        for mutant in mutants:
            (self.folder / mutant.path).write_text(mutant.text, "utf-8")
        try:
            yield
        finally:
            for file, text in before.items():
                file.write_text(text, "utf-8")

    def covering(self, options: Sequence[str], files: Iterable[str]) -> Report:
        """Run tests without a change, and see which lines of files each runs.

        Raises:
            SystemExit: pytest does not start: nothing could be learnt.
        """
        report, named = self.folder / "report.json", self.folder / "files.txt"
        named.write_text("\n".join(files), "utf-8")
        report.unlink(missing_ok=True)
        watching = ("-p", "scripts.covering", "--lines-of", str(named), "--report", str(report))
        if self._run((*watching, *options), _ALL_SECONDS) not in (0, 1) or not report.exists():
            raise SystemExit("Without any change, the tests cannot be run.")
        return msgspec.json.decode(report.read_bytes(), type=Report)

    def collected(self, options: Sequence[str]) -> set[str]:
        """The names of tests, as pytest finds them now: a few are others each time."""
        command = [sys.executable, "-m", "pytest", "--collect-only", "--no-header", *options]
        found = subprocess.run(command, cwd=self.folder, env=self._environment(), capture_output=True, text=True)
        return {line for line in found.stdout.split("\n") if "::" in line}

    def outcome(self, mutant: Mutant, tests: Suite) -> Outcome:
        """What tests say to a change, up to the first that fails with the change and not without it.

        A busy machine can make tests fail or wait as well, and what it does is no notice.
        """
        options = tests.options
        while True:
            with self.changed([mutant]):
                code, failed = self._tried(("-x", *options), tests.seconds)
            if code is None:
                return "survived" if self._tried(("-x", *options), tests.seconds)[0] is None else "hung"
            if code in (0, 5):  # all passed, or there is none left
                return "survived"
            if not failed or self._tried(failed, tests.seconds)[0] == 0:
                return "noticed"
            options += tuple(f"--deselect={test}" for test in failed)

    def failing(self, tests: Suite) -> list[str] | None:
        """The tests that fail with the code as it is; ``None`` if that cannot be told, as they hang or do not start."""
        code, failed = self._tried(tests.options, tests.seconds)
        return failed if code in (0, 1) else None

    def _tried(self, options: Sequence[str], seconds: float) -> tuple[int | None, list[str]]:
        """The exit code of pytest, as ``_run`` gives it, and the tests that failed."""
        self._failed.unlink(missing_ok=True)
        code = self._run(("-o", f"cache_dir={self.folder / 'cache'}", *options), seconds)
        return code, list(json.loads(self._failed.read_text("utf-8"))) if self._failed.exists() else []

    def _run(self, options: Sequence[str], seconds: float) -> int | None:
        """The exit code of pytest; ``None`` if it took too long.

        Raises:
            GivenUp: Nobody waits for it any more.
        """
        if self._given_up:
            raise GivenUp
        scratch = self.folder / "tmp"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "pytest", *_QUIET, *options]
        nothing = subprocess.DEVNULL
        with subprocess.Popen(
            command, cwd=self.folder, env=self._environment(), stdin=nothing, stdout=nothing, stderr=nothing
        ) as process:
            try:
                if self._given_up:  # while it was started
                    self.end_all()
                code = process.wait(seconds)
                if self._given_up:
                    raise GivenUp
                return code
            except subprocess.TimeoutExpired:
                return None
            finally:
                self.end_all()

    def _environment(self) -> dict[str, str]:
        scratch = self.folder / "tmp"
        return {
            **os.environ,
            "PYTHONPATH": str(self.folder / "src"),
            # What was compiled of one change would be taken for another of the same second and length.
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(scratch),
            "HYPOTHESIS_STORAGE_DIRECTORY": str(scratch / "hypothesis"),
        }

    def give_up(self) -> None:
        """End the tests under way, and begin none any more."""
        self._given_up = True
        self.end_all()

    def end_all(self) -> None:
        """End the tests under way, and whatever tests started and left running."""
        mark = f"PYTHONPATH={self.folder}/".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (entry / "environ").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)
            except OSError:  # it has ended, or is none of ours
                continue
