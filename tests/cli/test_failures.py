"""How errors end a command: for people or for programs, as its options say."""

import json

import pytest
from click.testing import CliRunner

from jikko.cli.main import cli


@pytest.mark.parametrize(
    ("arguments", "as_json"),
    [
        (("no-such-file.yml", "--json"), True),
        (("--json", "--", "no-such-file.yml"), True),
        (("no-such-file.yml",), False),
        (("--", "--json"), False),
        (("--", "no-such-file.yml", "--json"), False),
    ],
)
def test_errors_are_json_if_that_is_asked_for_by_an_option(arguments: tuple[str, ...], as_json: bool) -> None:
    outcome = CliRunner().invoke(cli, ["run", *arguments])

    assert outcome.exit_code == 2
    if as_json:
        assert set(json.loads(outcome.stderr)) == {"code", "message", "hint"}
    else:
        assert "Error: " in outcome.stderr
