"""``jikko triggers list|enable|disable``."""

import json
import sys
from typing import Any

import click

from jikko.assemble.assembly import Assembly
from jikko.cli.completion import complete_app
from jikko.cli.options import home_option, json_option, with_assembly
from jikko.cli.triggers.schedules import entry_of_view, words_of
from jikko.ports.stores.trigger_store import KINDS, Trigger
from jikko.terminal_text import printable, shown


@click.command("list")
@click.option("--app", help="Only triggers of this app (name or id).", shell_complete=complete_app)
@click.option("--kind", type=click.Choice(KINDS), help="Only triggers of this kind.")
@home_option
@json_option
@with_assembly
async def list_(assembly: Assembly, app: str | None, kind: Any, as_json: bool) -> None:
    """List triggers: of webhooks with their addresses, whether their calls are verified, and how many were refused
    within the last hour; of schedules when they run next (ten times with --json), and what became of their last due
    times.
    """
    if app is None:
        found = await assembly.triggers.all(kind)
    else:
        of_app = await assembly.triggers.of(await assembly.apps.find(app))
        found = [trigger for trigger in of_app if kind in (None, trigger.kind)]
    names = {each.id: each.name for each in await assembly.apps.all()}
    for trigger in found:
        name = names.get(trigger.app_id, trigger.app_id)
        entry = entry_of(trigger, name)
        if trigger.kind == "webhook":
            entry["verified"] = assembly.webhooks.verification(trigger, name) is not None
            entry["refused"] = await assembly.webhooks.refused_lately(trigger)
        elif trigger.kind == "schedule":
            entry |= entry_of_view(await assembly.schedules.control.view(trigger))
        if as_json:
            click.echo(shown(json.dumps(entry, ensure_ascii=False)))
            continue
        switched = "on" if trigger.enabled else "off"
        refused = f"  {entry['refused']} refused" if entry.get("refused") else ""
        verified = "  verified" if entry.get("verified") else "  not verified" if "verified" in entry else ""
        told = (
            "  ".join(words_of(entry)) if trigger.kind == "schedule" else f"{entry.get('path', '')}{verified}{refused}"
        )
        line = f"{name}/{trigger.node_id}  {trigger.kind}  {switched}  {told}".rstrip()
        click.echo(printable(line))
    if not found and not as_json and sys.stdout.isatty():
        click.echo("no triggers")


@click.command(short_help="Switch a trigger on.")
@click.argument("trigger")
@home_option
@json_option
@with_assembly
async def enable(assembly: Assembly, trigger: str, as_json: bool) -> None:
    """Switch a TRIGGER on (its id, or APP/NODE). Works with the server running or not.

    A schedule that was off or paused goes on; what was due before is not made up for.
    """
    await _switch(assembly, trigger, True, as_json)


@click.command(short_help="Switch a trigger off.")
@click.argument("trigger")
@home_option
@json_option
@with_assembly
async def disable(assembly: Assembly, trigger: str, as_json: bool) -> None:
    """Switch a TRIGGER off: calls of its address get 404, a schedule starts nothing. Runs under way go on."""
    await _switch(assembly, trigger, False, as_json)


async def _switch(assembly: Assembly, which: str, enabled: bool, as_json: bool) -> None:
    trigger = await assembly.triggers.find(which)
    await assembly.triggers.enable(trigger, enabled)
    if enabled and trigger.kind == "schedule":
        await assembly.schedules.control.resume(trigger)
    app = await assembly.apps.find(trigger.app_id)
    entry = {**entry_of(trigger, app.name), "enabled": enabled}
    words = f"{app.name}/{trigger.node_id}: {'on' if enabled else 'off'}"
    click.echo(shown(json.dumps(entry, ensure_ascii=False)) if as_json else printable(words))


def entry_of(trigger: Trigger, app_name: str) -> dict[str, Any]:
    """A trigger as JSON shows it."""
    entry: dict[str, Any] = {
        "id": trigger.id,
        "app_id": trigger.app_id,
        "app": app_name,
        "node_id": trigger.node_id,
        "kind": trigger.kind,
        "enabled": trigger.enabled,
    }
    if trigger.address:
        entry["path"] = f"/triggers/webhook/{trigger.address}"
    return entry
