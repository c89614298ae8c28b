"""Copies of the working tree, in which tests run against code that was changed."""

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
"""Nobody reads what failed; so modules of tests need not be compiled anew for that, at every start."""
_ALL_SECONDS: Final = 7200.0
"""What all tests together may take. More than they ever need."""
_WATCH_SECONDS: Final = 600.0
"""What a part of them may take that is watched: several times as much as it needs."""
_LEAST_PATIENCE: Final = 30.0
"""What one test may take with a change, if that is more than it needs without; pytest, to end."""
_START_PATIENCE: Final = 30.0
"""What pytest and the first file of tests may take until a test begins, and a second for each file."""
_PATIENCE: Final = 5.0
"""How many times as long as without a change one may take, if that is more."""
_LOOK_SECONDS: Final = 0.2
_END_SECONDS: Final = 20.0
_ENOUGH: Final = 5
"""So many tests of a file that cannot be imported with a change show that it can be without."""

Outcome: TypeAlias = Literal["noticed", "hung", "survived"]


class GivenUp(Exception):
    """Tests were ended before they had an outcome."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What tests say to a change."""

    outcome: Outcome
    asked: frozenset[str]
    """The tests that have nothing more to say."""


class Copy:
    """One copy. The tree itself is never changed, whatever becomes of the process."""

    def __init__(self, folder: Path) -> None:
        """Copy what is or could be in the repository, with whatever was changed and not committed.

        Args:
            folder: Made here.
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
        """The command that runs pytest. Nothing is compiled for who asks the page alone: it takes longer than that."""
        # Python takes a compiled file for current if time and size agree, which a change of one character may not
        # alter. Those that are compiled so are compared by their content.
        subprocess.run([sys.executable, *_COMPILE], cwd=self.folder, check=True)
        return (sys.executable, "-m", "pytest")

    @contextmanager
    def changed(self, mutant: Mutant) -> Iterator[None]:
        """Have a change in the copy."""
        file = self.folder / mutant.path
        before = file.read_text("utf-8")
        file.write_text(mutant.text, "utf-8")
        try:
            yield
        finally:
            file.write_text(before, "utf-8")

    def covering(self, options: Sequence[str], files: Iterable[str]) -> Report | None:
        """Run tests without a change, and see which lines of files each runs. ``None``: pytest does not start or end,
        so that nothing could be learnt.
        """
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
        """The names of tests, as pytest finds them now: a few are others each time."""
        command = [*self._pytest, "--collect-only", "--no-header", *options]
        found = subprocess.run(command, cwd=self.folder, env=self._environment(), capture_output=True, text=True)
        return {line for line in found.stdout.split("\n") if "::" in line}

    def ask(self, mutant: Mutant, tests: Mapping[str, float], budget: float) -> Answer:
        """What tests say to a change, up to the first that fails with the change and not without it.

        A busy machine can make tests fail or wait as well, and what it does is no notice. So what waits does so twice.

        Args:
            tests: By name, what each takes without the change (s).
            budget: After how many seconds no other test begins.
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
                if time.monotonic() < until:  # what did not begin is not there, with the change
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
        """Whether all of some tests pass with the code as it is."""
        said, hangs = self.try_tests(tests, _ALL_SECONDS)
        return said.is_over and bool(said.ended) and not said.failed and not hangs

    def try_tests(self, tests: Mapping[str, float], budget: float) -> tuple[Said, bool]:
        """Run tests with the code as it is, up to the first that fails. What they say, and whether one hangs."""
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
        """The exit code of a command that is none of pytest. ``None``: it takes longer.

        Args:
            within: The folder, from the root of the copy.
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
        """A process; ended when this is left, with all that it started.

        Raises:
            GivenUp: Nobody waits for it any more.
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
            # What was compiled of one change would be taken for another of the same second and length.
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(scratch),
            "HYPOTHESIS_STORAGE_DIRECTORY": str(scratch / "hypothesis"),
        }

    def give_up(self) -> None:
        """End the tests under way, and begin none any more."""
        self._given_up = True


def _suspects(tests: Mapping[str, float], said: Said, *, hangs: bool) -> dict[str, float]:
    """The tests that say something, if that is not what the machine does: those that failed, the one that takes too
    long or has ended the process, some of a file that cannot be imported, or some of all if pytest could not begin.
    """
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
