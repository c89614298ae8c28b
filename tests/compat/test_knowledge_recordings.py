"""Datasets, the knowledge API and retrieval, recorded from a real Dify 1.15 and replayed against the real server."""

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

LEFT_OUT = {
    "know_fail_branch": "the sandbox of the recorded server was out of order",
    "know_template": "the sandbox of the recorded server was out of order",
    "know_template__none": "the sandbox of the recorded server was out of order",
    "know_single_two": "its scores depend on the ids that datasets happen to have",
}
"""Recorded cases that are not replayed, and why (decision 64)."""
_SUITE = load_suite(Path(__file__).parent / "knowledge", "")
SUITE = Suite(_SUITE.root, [with_overrides(case) for case in _SUITE.cases if case.name not in LEFT_OUT])


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server with all recorded datasets and apps, next to the servers that these call."""
    folder = tmp_path_factory.mktemp("knowledge") / "work"
    with started(SUITE, f"{sys.executable} -m jikko", folder) as running:
        yield running


@pytest.fixture(scope="module")
def transport(target: Target) -> Iterator[HttpTransport]:
    made = HttpTransport(target.base_url)
    yield made
    made.close()


@pytest.mark.parametrize("case", sampled(SUITE.cases))
def test_answers_are_as_recorded(case: Case, target: Target, transport: HttpTransport) -> None:
    around = Surroundings(target.keys, SUITE.files, target.echo_url, target.knowledge)
    findings = judge(case, execute(case, transport, around))

    shown = [
        f"L{finding.level.value} {finding.step} {'.'.join(map(str, finding.path))}: "
        f"expected {finding.expected!r}, got {finding.got!r}"
        for finding in findings
        if finding.level.value < Level.TEXT.value
    ]
    assert shown == []


def test_the_runs_of_all_cases_do_the_same_when_they_are_replayed(target: Target) -> None:
    assert otherwise(target.folder) == []
