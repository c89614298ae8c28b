"""pytest collector for test files of workflows: a file, and an item per case."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pytest

from jikko.concurrency.loop_thread import LoopThread
from jikko.embedded.case_runs import OpenRunners
from jikko.embedded.evaluating import evaluated
from jikko.proving.case_file import FlowCase
from jikko.proving.case_plan import CasePlan, Snapshots, read_plan
from jikko.proving.verdict import CaseResult
from jikko.setting_sources import read_settings

_MAX_SECONDS: Final = 60.0
"""Timeout of a run, as for ``jikko test``."""


class OpenServices:
    """Services that run the cases of a session."""

    def __init__(self) -> None:
        self._loop = LoopThread().__enter__()
        self._settings = read_settings(os.environ, max_seconds=_MAX_SECONDS)
        self._runners = OpenRunners(self._settings)

    def evaluation(self, plan: CasePlan) -> CaseResult:
        """Run the rows of a test file, and check its gates."""
        return self._loop.run(evaluated(self._settings, plan))

    def result(self, plan: CasePlan, case: FlowCase) -> CaseResult:
        """Run a case, and compare it with its snapshot."""
        result = self._loop.run(self._runners.result(plan, case))
        if result.outcome == "passed" and (problems := Snapshots(plan, update=False).compare(result)):
            result.outcome, result.problems = "failed", problems
        return result

    def close(self) -> None:
        try:
            self._loop.run(self._runners.close())
        finally:
            self._loop.__exit__(None, None, None)


_SERVICES: Final = pytest.StashKey[OpenServices]()


class NotAsExpected(Exception):
    """A case failed; the text says why."""


class FlowTestFile(pytest.File):
    """A test file."""

    def collect(self) -> Iterable[pytest.Item]:
        """Yield its cases, and its evaluation. Problems of the file are reported with their lines."""
        read = read_plan(self.path)
        if read.plan is None:
            raise self.CollectError(
                "\n".join(f"{self.path}:{each.line}:{each.column}: {each}" for each in read.problems)
            )
        for case in read.plan.file.cases:
            yield FlowTestCase.from_parent(self, name=case.name, plan=read.plan, case=case)
        if read.plan.file.evaluate is not None:
            yield FlowEvaluation.from_parent(self, name="evaluate", plan=read.plan)


class FlowTest(pytest.Item):
    """A case, or an evaluation.

    It runs in the set-up phase: if its result is unknown, pytest reports an error instead of a failure.
    """

    def __init__(self, *, plan: CasePlan, **given: Any) -> None:
        super().__init__(**given)
        self._plan = plan
        self._result: CaseResult | None = None

    def setup(self) -> None:
        stash = self.config.stash
        if _SERVICES not in stash:
            stash[_SERVICES] = OpenServices()
            self.config.add_cleanup(stash[_SERVICES].close)
        self._result = result = self._run(stash[_SERVICES])
        if result.outcome == "skipped":
            pytest.skip(result.reason)
        if result.outcome == "error":
            raise NotAsExpected(_in_words(result))

    def _run(self, services: OpenServices) -> CaseResult:
        raise NotImplementedError

    def runtest(self) -> None:
        assert self._result is not None
        if self._result.outcome == "failed":
            raise NotAsExpected(_in_words(self._result))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, NotAsExpected):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, max(0, self._plan.lines.get(self.name, 1) - 1), self.name


class FlowTestCase(FlowTest):
    """A case."""

    def __init__(self, *, case: FlowCase, **given: Any) -> None:
        super().__init__(**given)
        self._case = case

    def _run(self, services: OpenServices) -> CaseResult:
        if self._case.skip:
            pytest.skip(self._case.skip)
        return services.result(self._plan, self._case)


class FlowEvaluation(FlowTest):
    """An evaluation, with a mark by which it can be deselected."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.add_marker("evaluation")

    def _run(self, services: OpenServices) -> CaseResult:
        try:
            return services.evaluation(self._plan)
        except OSError as error:
            raise NotAsExpected(f"{error.filename or self.path} cannot be written: {error.strerror}") from None


def _in_words(result: CaseResult) -> str:
    lines = [f"{each.where}: {each.text}" if each.where else each.text for each in result.problems]
    return "\n".join([*lines, *([f"path: {' → '.join(result.path)}"] if result.path else [])])
