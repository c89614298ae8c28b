"""Requests and answers recorded from a real Dify 1.15, replayed against the real server.

What is expected of a case stands in ``recordings/cases/NAME/case.json``. Result, record and stream have to be as
recorded; the wording of errors is our own.
"""

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

RECORDINGS = Path(__file__).parent / "recordings"
_SUITE = load_suite(RECORDINGS, "")
SUITE = Suite(_SUITE.root, [with_overrides(case) for case in _SUITE.cases])


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server with all recorded apps, next to the servers that their workflows call."""
    folder = tmp_path_factory.mktemp("compat") / "work"
    with started(SUITE, f"{sys.executable} -m jikko", folder) as running:
        yield running


@pytest.fixture(scope="module")
def transport(target: Target) -> Iterator[HttpTransport]:
    made = HttpTransport(target.base_url)
    yield made
    made.close()


SLOW = {"code_py_timeout"}
"""Cases that wait for a limit of many seconds."""


@pytest.mark.parametrize("case", sampled(SUITE.cases, lambda case: case.name in SLOW))
def test_answers_are_as_recorded(case: Case, target: Target, transport: HttpTransport) -> None:
    around = Surroundings(target.keys, SUITE.files, target.echo_url)

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
