"""``jikko plugins test`` and ``call``: whether plugins start, take their credentials, and do what they say."""

import json

import click

from jikko.assemble.plugin_packages import plugin_packages
from jikko.cli.options import providers_option, with_settings
from jikko.cli.output import show_entry
from jikko.cli.running.given_inputs import arguments_of
from jikko.settings import Settings
from jikko.terminal_text import shown


@click.command()
@click.argument("names", nargs=-1)
@with_settings
async def test(settings: Settings, names: tuple[str, ...], as_json: bool) -> int:
    """Start each plugin (or those with these NAMES), and have it try its credentials.

    The exit code is 0 if all do.
    """
    failed = 0
    async with plugin_packages(settings) as tools:
        listed = [entry for entry in tools.runtime.installed.entries() if not names or entry.plugin.id in names]
        for missing in set(names) - {entry.plugin.id for entry in listed}:
            failed += 1
            _show(missing, "it is not installed", as_json)
        for entry in listed:
            error = await tools.tried(entry)
            failed += error is not None
            _show(f"{entry.plugin.id} {entry.plugin.version}", error, as_json)
    return 1 if failed else 0


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("tool", metavar="PROVIDER/TOOL")
@click.argument("values", nargs=-1, metavar="KEY=VALUE...")
@providers_option
@with_settings
async def call(settings: Settings, tool: str, values: tuple[str, ...], as_json: bool) -> int:
    """Call one tool of a plugin, and show its messages as they come, one a line.

    PROVIDER is written as in workflow files: langgenius/tavily/tavily, or duckduckgo. Values are converted to the types
    that the tool declares. A failure shows the stack if the plugin reports one (the SDK reports none), or else the last
    lines that the plugin printed.
    """
    given = arguments_of(values, "KEY=VALUE")
    provider, _, name = tool.rpartition("/")
    if not provider:
        raise click.UsageError(f"{tool!r} is no PROVIDER/TOOL.")
    async with plugin_packages(settings) as tools:
        error = await tools.called(provider, name, given, lambda line: click.echo(shown(line)))
        if error is not None:
            click.echo(
                shown(json.dumps({"error": error}, ensure_ascii=False) if as_json else f"Error: {error}"), err=True
            )
        return 0 if error is None else 1


def _show(plugin: str, error: str | None, as_json: bool) -> None:
    entry = {"plugin": plugin, "ok": error is None, "error": error}
    show_entry(entry, f"ok      {plugin}" if error is None else f"FAILED  {plugin}: {error}", as_json=as_json)
