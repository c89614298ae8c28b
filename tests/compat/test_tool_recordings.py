"""Tool nodes, recorded from a real Dify 1.15 and replayed against the real server, with its tools file."""

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

_SUITE = load_suite(Path(__file__).parent / "tools", "")
SUITE = Suite(_SUITE.root, [with_overrides(case) for case in _SUITE.cases])
SLOW = {"mcp_slow", "tool_web__broken"}
"""Cases that wait for some seconds."""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server with all recorded apps and their tools, next to the servers that these call."""
    folder = tmp_path_factory.mktemp("tools") / "work"
    with started(SUITE, f"{sys.executable} -m jikko", folder) as running:
        yield running


@pytest.fixture(scope="module")
def transport(target: Target) -> Iterator[HttpTransport]:
    made = HttpTransport(target.base_url)
    yield made
    made.close()


@pytest.mark.parametrize("case", sampled(SUITE.cases, lambda case: case.name in SLOW))
def test_answers_are_as_recorded(case: Case, target: Target, transport: HttpTransport) -> None:
    findings = judge(case, execute(case, transport, Surroundings(target.keys, SUITE.files, target.echo_url)))

    shown = [
        f"L{finding.level.value} {finding.step} {'.'.join(map(str, finding.path))}: "
        f"expected {finding.expected!r}, got {finding.got!r}"
        for finding in findings
        if finding.level.value < Level.TEXT.value
    ]
    assert shown == []


def test_the_runs_of_all_cases_do_the_same_when_they_are_replayed(target: Target) -> None:
    # A replay asks no MCP server, and so does not know which parameters a tool of one lacks.
    assert [each for each in otherwise(target.folder) if not each.startswith("mcp_unknown_param: ")] == []
