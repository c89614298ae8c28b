"""``jikko runs export``: its queries."""

import pytest
from click.testing import CliRunner

from jikko.cli.main import cli
from jikko.exit_codes import ExitCode


@pytest.mark.parametrize("until", ["1h", "2h"])
def test_a_span_of_time_that_ends_before_it_begins_is_no_export_of_nothing(until: str) -> None:
    outcome = CliRunner().invoke(cli, ["runs", "export", "--since", "1h", "--until", until])

    assert outcome.exit_code == ExitCode.USAGE
    assert "--since is further back than --until" in outcome.output
