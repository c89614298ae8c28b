"""``jikko plugins test`` and ``call``: whether plugins start, take their credentials, and do what they say."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from jikko.cli.options import home_option, json_option, providers_option, run_async, settings_of
from jikko.terminal_text import shown


@click.command(short_help="Start plugins, and try their credentials.")
@click.argument("names", nargs=-1)
@home_option
@json_option
def test(names: tuple[str, ...], home: Path | None, as_json: bool) -> None:
    """Start each plugin (or those with these NAMES), and have it try its credentials.

    The exit code is 0 if all do.
    """
    sys.exit(run_async(_test(names, settings_of(home=home), as_json)))


async def _test(names: tuple[str, ...], settings: Any, as_json: bool) -> int:
    from jikko.assemble.plugin_packages import plugin_packages

    failed = 0
    async with plugin_packages(settings) as tools:
        listed = [entry for entry in tools.runtime.installed.entries() if not names or entry.plugin.id in names]
        for missing in set(names) - {entry.plugin.id for entry in listed}:
            failed += 1
            _echo({"plugin": missing, "ok": False, "error": "it is not installed"}, as_json)
        for entry in listed:
            error = await tools.tried(entry)
            failed += error is not None
            _echo({"plugin": f"{entry.plugin.id} {entry.plugin.version}", "ok": error is None, "error": error}, as_json)
    return 1 if failed else 0


@click.command(short_help="Call one tool.", context_settings={"ignore_unknown_options": True})
@click.argument("tool", metavar="PROVIDER/TOOL")
@click.argument("values", nargs=-1, metavar="KEY=VALUE...")
@providers_option
@home_option
@json_option
def call(tool: str, values: tuple[str, ...], providers: Path | None, home: Path | None, as_json: bool) -> None:
    """Call one tool of a plugin, and show its messages as they come, one a line.

    PROVIDER is written as in workflow files: langgenius/tavily/tavily, or duckduckgo. Values are converted to the types
    that the tool declares. A failure shows the plugin's own stack.
    """
    given: dict[str, Any] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals:
            raise click.UsageError(f"{value!r} is no KEY=VALUE.")
        given[name] = text
    provider, _, name = tool.rpartition("/")
    if not provider:
        raise click.UsageError(f"{tool!r} is no PROVIDER/TOOL.")
    sys.exit(run_async(_call(provider, name, given, settings_of(home=home, providers=providers), as_json)))


async def _call(provider: str, name: str, given: dict[str, Any], settings: Any, as_json: bool) -> int:
    from jikko.assemble.plugin_packages import plugin_packages

    async with plugin_packages(settings) as tools:
        error = await tools.called(provider, name, given, lambda line: click.echo(shown(line)))
        if error is not None:
            click.echo(
                json.dumps({"error": error}, ensure_ascii=False) if as_json else shown(f"Error: {error}"), err=True
            )
        return 0 if error is None else 1


def _echo(entry: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(entry, ensure_ascii=False))
    elif entry["ok"]:
        click.echo(shown(f"ok      {entry['plugin']}"))
    else:
        click.echo(shown(f"FAILED  {entry['plugin']}: {entry['error']}"))
