"""``jikko plugins list``: what is installed, and what workflows need."""

from typing import Any

import click

from jikko.apps.plugin_needs import plugin_needs
from jikko.assemble.plugin_packages import plugin_packages
from jikko.cli.checking.dsl_sources import checked_sources
from jikko.cli.options import with_settings
from jikko.cli.output import show_entry, show_nothing
from jikko.settings import Settings


@click.command("list")
@click.argument("files", nargs=-1, type=click.Path())
@with_settings
async def list_(settings: Settings, files: tuple[str, ...], as_json: bool) -> int:
    """List the plugins that are installed; or, of DSL FILES and folders, what each needs of plugins, has, and lacks.

    The tools and models of installed plugins are listed; tools have the names that `jikko plugins call` takes.

    The exit code is 1 if a file lacks something, or cannot be read.
    """
    async with plugin_packages(settings) as tools:
        if files:
            return sum([_needs(*each, tools, as_json) for each in checked_sources(files)]) and 1
        installed = list(tools.runtime.installed.entries())
        if not installed:
            show_nothing("no plugins are installed; `jikko plugins install` adds one", as_json=as_json)
        for entry in installed:
            plugin = entry.plugin
            listed = [f"{plugin.id}/{each.name}/{name}" for each in plugin.providers for name in each.offers]
            described = {
                "plugin": plugin.id,
                "version": plugin.version,
                "identifier": plugin.identifier,
                "trust": plugin.trust,
                "permissions": list(plugin.permissions),
                "has": listed,
                "lacks": tools.lacking(entry),
            }
            text = f"{plugin.id} {plugin.version}  ({plugin.trust}): {', '.join(listed)}"
            text += "".join(f"\n        {lack}" for lack in described["lacks"])
            show_entry(described, text, as_json=as_json)
        return 0


def _needs(file: str, checked: Any, tools: Any, as_json: bool) -> int:
    if checked is None:
        return 1
    lacking = 0
    for need in plugin_needs((node.id, node.data) for node in checked.document.nodes):
        lack = tools.lacks(need)
        lacking += bool(lack)
        text = f"{'MISSING' if lack else 'ok     '}  {file}: {need.node}: {need.provider}/{need.name}"
        text += f"\n         {lack}" if lack else ""
        show_entry({"workflow": file, **need._asdict(), "ok": not lack, "lack": lack}, text, as_json=as_json)
    return lacking
