"""Apps without a workflow, recorded from a real Dify 1.15 and replayed against the real server."""

import pytest

from tests.compat.recorded_suite import differences, sampled, suite_of
from tests.compat.replay.cases import Case
from tests.compat.replay.jikko import Target
from tests.compat.replay.judge import Finding
from tests.compat.replay.transport import HttpTransport
from tests.compat.replayed import otherwise

pytestmark = pytest.mark.once

NAMED_BY_ID = {"basic_agent_dataset", "basic_agent_dataset_no_query", "basic_agent_dataset_two"}
"""Cases that hold the ids of the recorded server's datasets, as keys: what differs there is the key alone."""
SUITE = suite_of("basic")
SLOW = {"basic_agent_stop", "basic_chat_stop", "basic_completion_stop"}
"""Cases that wait for a model that speaks slowly."""


@pytest.mark.parametrize("case", sampled(SUITE.cases, SLOW))
def test_answers_are_as_recorded(case: Case, target: Target, transport: HttpTransport) -> None:
    def is_key(finding: Finding) -> bool:
        return case.name in NAMED_BY_ID and "tool_labels" in finding.path

    assert differences(case, SUITE, target, transport, is_key) == []


def test_the_runs_of_all_cases_do_the_same_when_they_are_replayed(target: Target) -> None:
    assert otherwise(target.folder) == []
