"""Shared parts of the tests of recorded suites: their cases, the fast ones among them, and differences of answers."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.compat.replay.cases import Case, Suite, load_suite, with_overrides
from tests.compat.replay.execute import Surroundings, execute
from tests.compat.replay.jikko import Target
from tests.compat.replay.judge import Finding, judge
from tests.compat.replay.levels import Level
from tests.compat.replay.transport import HttpTransport

HERE = Path(__file__).parent


def suite_of(folder: str, left_out: Collection[str] = ()) -> Suite:
    """Return the suite of a folder beside this file, with our overrides."""
    suite = load_suite(HERE / folder, "")
    return Suite(suite.root, [with_overrides(case) for case in suite.cases if case.name not in left_out])


def sampled(cases: Sequence[Case], slow: Collection[str] = ()) -> list[Any]:
    """Return a test's parameters, named after the cases. Every third is fast, so that all families are covered.

    Args:
        slow: Names of cases with long waits.
    """
    return [
        pytest.param(case, id=case.name, marks=[pytest.mark.slow] if number % 3 or case.name in slow else [])
        for number, case in enumerate(cases)
    ]


def differences(
    case: Case,
    suite: Suite,
    target: Target,
    transport: HttpTransport,
    is_known: Callable[[Finding], bool] = lambda finding: False,
) -> list[str]:
    """Return the differences of a case's answers from the recorded ones; the wording of errors is our own.

    Args:
        is_known: Whether a finding is ignored.
    """
    around = Surroundings(target.keys, suite.files, target.echo_url, target.knowledge)
    return [
        f"L{finding.level.value} {finding.step} {'.'.join(map(str, finding.path))}: "
        f"expected {finding.expected!r}, got {finding.got!r}"
        for finding in judge(case, execute(case, transport, around))
        if finding.level.value < Level.TEXT.value and not is_known(finding)
    ]
