"""Help and completion of all commands, without importing any."""

import json
import subprocess
import sys

import click
import pytest

from jikko.cli.main import cli

LISTED = {
    "help": "cli(['--help'], standalone_mode=False)",
    "completion": (
        "from click import Context\n"
        "offered = cli.shell_complete(Context(cli, info_name='jikko'), 'mi')\n"
        "print(*(f'  {item.value}  {item.help}' for item in offered), sep='\\n')"
    ),
}


@pytest.mark.parametrize("way", LISTED)
def test_to_list_all_commands_imports_none(way: str) -> None:
    code = (
        "import sys, json\n"
        "from jikko.cli.main import cli\n"
        f"{LISTED[way]}\n"
        "print(json.dumps([name for name in sys.modules if name.startswith(('jikko.', 'asyncio', 'logging'))]))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert "Migrate the database to this version." in shown
    assert set(json.loads(shown.splitlines()[-1])) == {
        *("jikko.cli", "jikko.cli.main", "jikko.cli.command_failure", "jikko.cli.command_failure"),
        *("jikko.cli.terminal", "jikko.cli.terminal"),
    }


def test_completion_offers_the_commands_and_options_that_begin_so() -> None:
    def offered(incomplete: str) -> list[str]:
        return [item.value for item in cli.shell_complete(click.Context(cli, info_name="jikko"), incomplete)]

    assert offered("p") == ["packages", "plugins", "providers"]
    assert offered("--v") == ["--version"]
    assert offered("") == sorted(cli.commands)
