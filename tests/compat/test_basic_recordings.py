"""Apps without a workflow, recorded from a real Dify 1.15 and replayed against the real server."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compat.replay.cases import Case, Suite, load_suite, with_overrides
from tests.compat.replay.execute import Surroundings, execute
from tests.compat.replay.jikko import Target, started
from tests.compat.replay.judge import judge
from tests.compat.replay.levels import Level
from tests.compat.replay.transport import HttpTransport
from tests.compat.replayed import otherwise
from tests.compat.sampled import sampled

pytestmark = pytest.mark.once

NAMED_BY_ID = {"basic_agent_dataset", "basic_agent_dataset_no_query", "basic_agent_dataset_two"}
"""Cases that hold the ids of the recorded server's datasets, as keys: what differs there is the key alone."""
_SUITE = load_suite(Path(__file__).parent / "basic", "")
SUITE = Suite(_SUITE.root, [with_overrides(case) for case in _SUITE.cases])
SLOW = {"basic_agent_stop", "basic_chat_stop", "basic_completion_stop"}
"""Cases that wait for a model that speaks slowly."""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server with all recorded apps, their datasets and tools, next to the servers that these call."""
    folder = tmp_path_factory.mktemp("basic") / "work"
    with started(SUITE, f"{sys.executable} -m jikko", folder) as running:
        yield running


@pytest.fixture(scope="module")
def transport(target: Target) -> Iterator[HttpTransport]:
    made = HttpTransport(target.base_url)
    yield made
    made.close()


@pytest.mark.parametrize("case", sampled(SUITE.cases, lambda case: case.name in SLOW))
def test_answers_are_as_recorded(case: Case, target: Target, transport: HttpTransport) -> None:
    around = Surroundings(target.keys, SUITE.files, target.echo_url, target.knowledge)
    findings = judge(case, execute(case, transport, around))

    shown = [
        f"L{finding.level.value} {finding.step} {'.'.join(map(str, finding.path))}: "
        f"expected {finding.expected!r}, got {finding.got!r}"
        for finding in findings
        if finding.level.value < Level.TEXT.value and not (case.name in NAMED_BY_ID and "tool_labels" in finding.path)
    ]
    assert shown == []


def test_the_runs_of_all_cases_do_the_same_when_they_are_replayed(target: Target) -> None:
    assert otherwise(target.folder) == []
