"""Copies of the working tree, in which tests run against mutants."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec
from scripts import pacing
from scripts.covering import Report
from scripts.mutation import Mutant
from scripts.pacing import Said

ROOT: Final = Path(__file__).parents[1]
_COMPILE: Final = ("-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "src", "tests", "scripts")
_LAUNCH: Final = (sys.executable, "-S", str(Path(__file__).with_name("launch.py")))
_QUIET: Final = ("--tb=no", "--no-header", "--assert=plain", "-p", "no:cacheprovider")
"""Tracebacks are not needed; without assertion rewriting test modules need not be compiled again at each start."""
_ALL_SECONDS: Final = 7200.0
"""Timeout of all tests together, in seconds; never reached in practice."""
_WATCH_SECONDS: Final = 600.0
"""Timeout of a part of the tests under coverage, in seconds: several times what it needs."""
_LEAST_PATIENCE: Final = 30.0
"""Shortest timeout of one test with a mutant, and of pytest's shutdown, in seconds."""
_START_PATIENCE: Final = 30.0
"""Timeout until the first test begins, in seconds, plus one second per test file."""
_PATIENCE: Final = 5.0
"""Timeout of a test with a mutant, as a multiple of its duration without."""
_LOOK_SECONDS: Final = 0.2
_END_SECONDS: Final = 20.0
_ENOUGH: Final = 5
"""Tests tried of a file that a mutant keeps from being imported, to show that it can be imported otherwise."""

Outcome: TypeAlias = Literal["noticed", "hung", "survived"]


class GivenUp(Exception):
    """Tests were cancelled before their outcome was known."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Verdict of tests on a mutant."""

    outcome: Outcome
    asked: frozenset[str]
    """Tests that need not run again."""


class Copy:
    """Copy of the working tree, which itself is never changed, even if the process dies."""

    def __init__(self, folder: Path) -> None:
        """Copy tracked and untracked files that are not ignored, including uncommitted changes.

        Args:
            folder: Created here.
        """
        self.folder = folder
        self._given_up = False
        listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)

    @cached_property
    def _pytest(self) -> tuple[str, ...]:
        """Compile the modules, and return the pytest command. Lazy: mutants of the page do not need it."""
        # Python checks compiled files by time and size, which a change of one character may not alter; these are
        # checked by content.
        subprocess.run([sys.executable, *_COMPILE], cwd=self.folder, check=True)
        return (sys.executable, "-m", "pytest")

    @contextmanager
    def changed(self, mutant: Mutant) -> Iterator[None]:
        """Apply a mutant to the copy for the block."""
        file = self.folder / mutant.path
        before = file.read_text("utf-8")
        file.write_text(mutant.text, "utf-8")
        try:
            yield
        finally:
            file.write_text(before, "utf-8")

    def covering(self, options: Sequence[str], files: Iterable[str]) -> Report | None:
        """Run tests without a mutant and measure which lines each runs. ``None``: pytest failed to start or end."""
        report, named = self.folder / "report.json", self.folder / "files.txt"
        named.write_text("\n".join(files), "utf-8")
        report.unlink(missing_ok=True)
        watching = ("-p", "scripts.covering", "--lines-of", str(named), "--report", str(report))
        with self._running((*watching, *options)) as process:
            until = time.monotonic() + _WATCH_SECONDS
            while process.poll() is None and time.monotonic() < until:
                self._look(process)
            code = process.returncode
        if code not in (0, 1, 5) or not report.exists():
            return None
        return msgspec.json.decode(report.read_bytes(), type=Report)

    def collected(self, options: Sequence[str]) -> set[str]:
        """Return the names of tests as pytest collects them now: a few change from run to run."""
        command = [*self._pytest, "--collect-only", "--no-header", *options]
        found = subprocess.run(command, cwd=self.folder, env=self._environment(), capture_output=True, text=True)
        return {line for line in found.stdout.split("\n") if "::" in line}

    def ask(self, mutant: Mutant, tests: Mapping[str, float], budget: float) -> Answer:
        """Test a mutant, up to the first test that fails only with it.

        On a busy machine tests may fail or time out without it, too, so timeouts are confirmed by a second try.

        Args:
            tests: Duration of each test without the mutant (s), by name.
            budget: Seconds after which no further test begins.
        """
        asked: set[str] = set()
        until = time.monotonic() + budget
        while left := {test: seconds for test, seconds in tests.items() if test not in asked}:
            if (budget := until - time.monotonic()) < 0:
                break
            with self.changed(mutant):
                said, hangs = self.try_tests(left, budget)
            asked |= said.ended
            suspects = _suspects(left, said, hangs=hangs)
            if not suspects:
                if time.monotonic() < until:  # the mutant removed the tests that did not begin
                    asked |= left.keys()
                break
            if self.passes(suspects):
                with self.changed(mutant):
                    hung_once = hangs and self.passes(suspects)
                if not hung_once:
                    return Answer("hung" if hangs else "noticed", frozenset(asked))
            asked |= suspects.keys()
        return Answer("survived", frozenset(asked))

    def passes(self, tests: Mapping[str, float]) -> bool:
        """Return whether all tests pass with the copy's current code."""
        said, hangs = self.try_tests(tests, _ALL_SECONDS)
        return said.is_over and bool(said.ended) and not said.failed and not hangs

    def try_tests(self, tests: Mapping[str, float], budget: float) -> tuple[Said, bool]:
        """Run tests with the copy's current code, up to the first failure. Returns their outcome, and whether one
        hangs."""
        named, file = self.folder / "named.txt", self.folder / "said.txt"
        named.write_text("\n".join(tests), "utf-8")
        file.unlink(missing_ok=True)
        files = dict.fromkeys(test.partition("::")[0] for test in tests)
        options = ("-p", "scripts.pacing", "--named", str(named), "--said", str(file), "--budget", str(budget), "-x")
        with self._running((*options, *files)) as process:
            said, size, since = Said(), 0, time.monotonic()
            while process.poll() is None:
                self._look(process)
                if file.exists() and file.stat().st_size > size:
                    said, size, since = pacing.read(file), file.stat().st_size, time.monotonic()
                patience = max(_LEAST_PATIENCE, _PATIENCE * tests.get(said.under_way or "", 0.0))
                if time.monotonic() - since > (patience if said.begun else _START_PATIENCE + len(files)):
                    return pacing.read(file), True
        return pacing.read(file), False

    def run(self, command: Sequence[str], within: str, environment: Mapping[str, str], seconds: float) -> int | None:
        """Return the exit code of a command other than pytest; ``None`` on timeout.

        Args:
            within: Working directory, relative to the copy.
        """
        until = time.monotonic() + seconds
        with self._started(command, within, environment) as process:
            while process.poll() is None and time.monotonic() < until:
                self._look(process)
            return process.returncode

    def _running(self, options: Sequence[str]) -> AbstractContextManager[subprocess.Popen[bytes]]:
        return self._started([*self._pytest, *_QUIET, *options], ".", {})

    @contextmanager
    def _started(
        self, command: Sequence[str], within: str, environment: Mapping[str, str]
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Start a process; kill it with all its descendants at the end of the block.

        Raises:
            GivenUp: The copy was cancelled.
        """
        scratch = self.folder / "tmp"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(exist_ok=True)
        nothing = subprocess.DEVNULL
        process = subprocess.Popen(
            [*_LAUNCH, *command],
            cwd=self.folder / within,
            env={**self._environment(), **environment},
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _look(self, process: subprocess.Popen[bytes]) -> None:
        if self._given_up:
            raise GivenUp
        try:
            process.wait(_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            return

    def _environment(self) -> dict[str, str]:
        scratch = self.folder / "tmp"
        return {
            **os.environ,
            "PYTHONPATH": str(self.folder / "src"),
            # Bytecode of one mutant would be taken for that of another with the same second and size.
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(scratch),
            "HYPOTHESIS_STORAGE_DIRECTORY": str(scratch / "hypothesis"),
        }

    def give_up(self) -> None:
        """Kill running tests, and start no more."""
        self._given_up = True


def _suspects(tests: Mapping[str, float], said: Said, *, hangs: bool) -> dict[str, float]:
    """Return the tests that may have detected the mutant: failed ones, the one that timed out or ended the process,
    some of a file that cannot be imported, or some of all if pytest did not begin."""
    names = [*said.failed]
    if (hangs or not said.is_over) and said.under_way is not None:
        names.append(said.under_way)
    found = {test: seconds for test, seconds in tests.items() if test in names}
    for name in names:
        if name not in tests:
            found |= dict([item for item in tests.items() if item[0].startswith(f"{name}::")][:_ENOUGH])
    if not found and (hangs or not said.is_over):
        found = dict([item for item in tests.items() if item[0] not in said.ended][:_ENOUGH])
    return found
