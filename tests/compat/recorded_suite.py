"""What the tests of all recorded suites share: their cases, the fast ones among them, and what an answer differs in."""

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
    """The suite of a folder beside this file, as our own overrides have it."""
    suite = load_suite(HERE / folder, "")
    return Suite(suite.root, [with_overrides(case) for case in suite.cases if case.name not in left_out])


def sampled(cases: Sequence[Case], slow: Collection[str] = ()) -> list[Any]:
    """Parameters of a test, named as the cases are. Every third is fast, so that all families are among them.

    Args:
        slow: Names of cases that wait for long.
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
    """What the answers to a case have otherwise than the recorded ones; the wording of errors is our own.

    Args:
        is_known: Of a finding that does not count.
    """
    around = Surroundings(target.keys, suite.files, target.echo_url, target.knowledge)
    return [
        f"L{finding.level.value} {finding.step} {'.'.join(map(str, finding.path))}: "
        f"expected {finding.expected!r}, got {finding.got!r}"
        for finding in judge(case, execute(case, transport, around))
        if finding.level.value < Level.TEXT.value and not is_known(finding)
    ]
