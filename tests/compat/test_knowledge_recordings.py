"""Datasets, the knowledge API and retrieval, recorded from a real Dify 1.15 and replayed against the real server."""

import pytest

from tests.compat.recorded_suite import differences, sampled, suite_of
from tests.compat.replay.cases import Case
from tests.compat.replay.jikko import Target
from tests.compat.replay.transport import HttpTransport
from tests.compat.replayed import otherwise

pytestmark = pytest.mark.once

LEFT_OUT = {
    "know_fail_branch": "the sandbox of the recorded server was out of order",
    "know_template": "the sandbox of the recorded server was out of order",
    "know_template__none": "the sandbox of the recorded server was out of order",
    "know_single_two": "its scores depend on the ids that datasets happen to have",
}
"""Recorded cases that are not replayed, and why (decision 64)."""
SUITE = suite_of("knowledge", LEFT_OUT)


@pytest.mark.parametrize("case", sampled(SUITE.cases))
def test_answers_are_as_recorded(case: Case, target: Target, transport: HttpTransport) -> None:
    assert differences(case, SUITE, target, transport) == []


def test_the_runs_of_all_cases_do_the_same_when_they_are_replayed(target: Target) -> None:
    assert otherwise(target.folder) == []
