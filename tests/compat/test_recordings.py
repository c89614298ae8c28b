"""Requests and answers recorded from a real Dify 1.15, replayed against the real server.

Expectations are in ``recordings/cases/NAME/case.json``. Result, record and stream must be as recorded; the wording of
errors is our own.
"""

import pytest

from tests.compat.recorded_suite import differences, sampled, suite_of
from tests.compat.replay.cases import Case
from tests.compat.replay.jikko import Target
from tests.compat.replay.transport import HttpTransport
from tests.compat.replayed import otherwise

pytestmark = pytest.mark.once

SUITE = suite_of("recordings")
SLOW = {"code_py_timeout"}
"""Cases that wait for a limit of many seconds."""


@pytest.mark.parametrize("case", sampled(SUITE.cases, SLOW))
def test_answers_are_as_recorded(case: Case, target: Target, transport: HttpTransport) -> None:
    assert differences(case, SUITE, target, transport) == []


def test_the_runs_of_all_cases_do_the_same_when_they_are_replayed(target: Target) -> None:
    assert otherwise(target.folder) == []
