"""Errors that end a command, formatted for people or programs, depending on its options."""

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


def test_ports_above_the_last_one_are_refused_before_anything_starts() -> None:
    outcome = CliRunner().invoke(cli, ["cluster", "up", "--servers", "2", "--port", "65535"])

    assert outcome.exit_code == 2
    assert "--port: 2 servers from 65535 on need ports above 65535" in outcome.stderr
