"""Commands ``jikko plugins install|remove|list|test|call``."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import click

from jikko.apps.plugin_needs import PluginNeed, plugin_needs
from jikko.assemble.plugin_packages import PluginPackages, plugin_packages
from jikko.cli.checking.dsl_sources import checked_sources
from jikko.cli.options import providers_option, with_settings
from jikko.cli.output import show_entry, show_nothing
from jikko.cli.running.given_inputs import pairs_of
from jikko.errors import InvalidParam, JikkoError
from jikko.settings import Settings
from jikko.terminal_text import printable, shown

_UNCHECKED: Final = "signed; signature not checked (JIKKO_PLUGINS_KEYS names no keys)"


@click.command()
@click.argument("sources", nargs=-1, metavar="[FILE|FOLDER|NAME]...")
@click.option(
    "--for",
    "needed",
    multiple=True,
    metavar="FILES",
    help="Install what these DSL files need. Packages are then taken from FILE and FOLDER, which may "
    "hold many; missing ones are downloaded if JIKKO_PLUGINS_MARKET is set. Repeatable.",
)
@click.option("--again", is_flag=True, help="Reinstall.")
@click.option(
    "--unsigned", is_flag=True, help="Also install plugins without a signature by a key in JIKKO_PLUGINS_KEYS."
)
@with_settings
async def install(
    settings: Settings, sources: tuple[str, ...], needed: tuple[str, ...], again: bool, unsigned: bool, as_json: bool
) -> int:
    """Install plugins: .difypkg files, folders with a manifest.yaml, or author/name[:version[@checksum]].

    Names are downloaded from the address in JIKKO_PLUGINS_MARKET; without it they are refused. If JIKKO_PLUGINS_KEYS
    names a file of keys, plugins without their signature are refused. Prints for each whether it is signed, and which
    permissions it requests. The exit code is 1 if one was not installed.
    """
    if not sources and not needed:
        raise click.UsageError("Name plugins, or the DSL files that need them (--for).")
    async with plugin_packages(settings) as tools:
        if needed:
            names, unread = _names_for(needed, tools)
            failed, read = unread, _meant(names, sources, tools, again)
        else:
            failed, read = 0, ((source, tools.read(source)) for source in sources)
        named, packages = [], []
        for source, asked in read:
            try:
                found = await asked
                if found is None:
                    entry = {"source": source, "ok": True, "was_there": True}
                    show_entry(entry, f"ok      {source} (was there already)", as_json=as_json)
                    continue
                if settings.plugins_keys is not None and not unsigned:
                    _require_signature(found[0].trust, settings.plugins_keys)
            except (JikkoError, OSError) as error:
                failed += 1
                _failed(source, error, as_json)
                continue
            named.append(source)
            packages.append(found)

        def tell(number: int, done: Any) -> None:
            nonlocal failed
            if isinstance(done, Exception):
                failed += 1
                _failed(named[number], done, as_json)
            else:
                _installed(named[number], done, settings, as_json)

        await tools.installer.install_all(packages, again=again, tell=tell)
    return 1 if failed else 0


def _names_for(files: Iterable[str], tools: PluginPackages) -> tuple[list[Any], int]:
    """Return the plugins that files need, and the number of unusable files."""
    unread, needs = 0, list[PluginNeed]()
    for _, checked in checked_sources(files):
        if checked is None:
            unread += 1
        else:
            needs += plugin_needs((node.id, node.data) for node in checked.document.nodes)
    return tools.wanted(needs), unread


def _meant(
    names: Iterable[Any], places: Iterable[str], tools: PluginPackages, again: bool
) -> Iterator[tuple[str, Any]]:
    for place in places:
        if not os.path.exists(place):
            raise click.UsageError(f"With --for packages are looked for in files and folders, and there is no {place}.")
    sources = tools.sources(map(Path, places))
    for unread in sources.unread:
        click.echo(printable(f"passed over: {unread}"), err=True)
    for wanted in names:
        yield ":".join(filter(None, wanted[:2])), tools.meant(wanted, sources, again=again)


def _failed(source: str, error: Exception, as_json: bool) -> None:
    show_entry({"source": source, "ok": False, "error": str(error)}, f"FAILED  {source}: {error}", as_json=as_json)


def _installed(source: str, done: Any, settings: Settings, as_json: bool) -> None:
    plugin = done.entry.plugin
    entry = {
        "source": source,
        "ok": True,
        "plugin": plugin.id,
        "version": plugin.version,
        "identifier": plugin.identifier,
        "trust": plugin.trust,
        "permissions": list(plugin.permissions),
        "packages": done.packages,
        "was_there": done.was_there,
        "not_run": list(plugin.unused),
    }
    allowed = f"; may use: {', '.join(plugin.permissions)}" if plugin.permissions else ""
    unused = f"; not run: {', '.join(plugin.unused)}" if plugin.unused else ""
    name, _, version = source.partition("@")[0].partition(":")
    instead = f" in place of {version}" if name == plugin.id and version not in ("", plugin.version) else ""
    there = " (was there already)" if done.was_there else ""
    trust = _UNCHECKED if plugin.trust != "unsigned" and settings.plugins_keys is None else plugin.trust
    text = f"ok      {plugin.id} {plugin.version}{instead}{there}: {trust}, {done.packages} packages"
    show_entry(entry, f"{text}{allowed}{unused}", as_json=as_json)


def _require_signature(trust: str, keys: Path) -> None:
    """Raises ``InvalidParam``: it has no valid signature by one of the keys."""
    why = {"unsigned": "it is not signed", "unknown signer": "another key has signed it, or it was changed since"}
    if trust in why:
        raise InvalidParam(f"{why[trust]}, and {keys} has the keys that are believed (--unsigned installs it anyway)")


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="AUTHOR/NAME[:VERSION]...")
@with_settings
async def remove(settings: Settings, names: tuple[str, ...], as_json: bool) -> int:
    """Remove plugins, or one version of them. A server's active calls still finish.

    Their data stays until they are installed again. The exit code is 1 if one was not installed.
    """
    missing = 0
    async with plugin_packages(settings) as tools:
        for name in names:
            gone = tools.remove(name)
            missing += not gone
            for plugin in (entry.plugin for entry in gone):
                entry = {"ok": True, "identifier": plugin.identifier}
                show_entry(entry, f"removed {plugin.id} {plugin.version}", as_json=as_json)
            if not gone:
                text = f"{name} is not installed"
                show_entry({"ok": False, "error": text}, text, as_json=as_json)
    return 1 if missing else 0


@click.command("list")
@click.argument("files", nargs=-1, type=click.Path())
@with_settings
async def list_(settings: Settings, files: tuple[str, ...], as_json: bool) -> int:
    """List installed plugins; or for DSL FILES and folders, the plugins that each needs, has, and lacks.

    Tools and models of installed plugins are listed; the tools' names are those for `jikko plugins call`.

    The exit code is 1 if a file lacks something, or is unreadable.
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


@click.command()
@click.argument("names", nargs=-1)
@with_settings
async def test(settings: Settings, names: tuple[str, ...], as_json: bool) -> int:
    """Start each plugin (or those with these NAMES), and validate its credentials.

    The exit code is 0 if all are valid.
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
    """Call one tool of a plugin, and stream its messages, one a line.

    PROVIDER is written as in workflow files: langgenius/tavily/tavily, or duckduckgo. Values are converted to the types
    that the tool declares. A failure shows the stack trace if the plugin reports one (the SDK does not), or else the
    last lines that the plugin printed.
    """
    given = dict(pairs_of(values, "KEY=VALUE", "KEY=VALUE"))
    provider, _, name = tool.rpartition("/")
    if not provider:
        raise click.UsageError(f"{tool!r} must be PROVIDER/TOOL.")
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
