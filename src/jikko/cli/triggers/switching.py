"""Commands ``jikko triggers list|enable|disable|pause|backfill``."""

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from jikko.assemble.assembly import Assembly
from jikko.cli.completion import complete_app
from jikko.cli.options import duration, with_assembly
from jikko.cli.output import ago, show_entry
from jikko.ports.stores.trigger_store import KINDS, Trigger
from jikko.terminal_text import printable
from jikko.triggers.planning import Overlap
from jikko.triggers.schedule_control import ScheduleView
from jikko.triggers.schedule_options import OVERLAPS


@click.command("list")
@click.option("--app", help="Only triggers of this app (name or id).", shell_complete=complete_app)
@click.option("--kind", type=click.Choice(KINDS), help="Only triggers of this kind.")
@with_assembly
async def list_(assembly: Assembly, app: str | None, kind: Any, as_json: bool) -> None:
    """List triggers: webhooks with their addresses, whether calls are verified, and how many were refused within the
    last hour; schedules with their next due time (ten with --json), and the results of the last ones."""
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
        switched = "on" if trigger.enabled else "off"
        refused = f"  {entry['refused']} refused" if entry.get("refused") else ""
        verified = "  verified" if entry.get("verified") else "  not verified" if "verified" in entry else ""
        told = (
            "  ".join(words_of(entry)) if trigger.kind == "schedule" else f"{entry.get('path', '')}{verified}{refused}"
        )
        line = f"{name}/{trigger.node_id}  {trigger.kind}  {switched}  {told}".rstrip()
        show_entry(entry, printable(line), as_json=as_json)
    if not found and not as_json and sys.stdout.isatty():
        click.echo("no triggers")


@click.command(short_help="Switch a trigger on.")
@click.argument("trigger")
@with_assembly
async def enable(assembly: Assembly, trigger: str, as_json: bool) -> None:
    """Switch a TRIGGER on (its id, or APP/NODE). Works with the server running or not.

    A schedule that was off or paused continues; missed due times are not made up.
    """
    await _switch(assembly, trigger, True, as_json)


@click.command(short_help="Switch a trigger off.")
@click.argument("trigger")
@with_assembly
async def disable(assembly: Assembly, trigger: str, as_json: bool) -> None:
    """Switch a TRIGGER off: calls of its address get 404, a schedule starts nothing. Active runs continue."""
    await _switch(assembly, trigger, False, as_json)


async def _switch(assembly: Assembly, which: str, enabled: bool, as_json: bool) -> None:
    trigger = await assembly.triggers.find(which)
    await assembly.triggers.enable(trigger, enabled)
    if enabled and trigger.kind == "schedule":
        await assembly.schedules.control.resume(trigger)
    app = await assembly.apps.find(trigger.app_id)
    entry = {**entry_of(trigger, app.name), "enabled": enabled}
    words = f"{app.name}/{trigger.node_id}: {'on' if enabled else 'off'}"
    show_entry(entry, printable(words), as_json=as_json)


def entry_of(trigger: Trigger, app_name: str) -> dict[str, Any]:
    """Return a trigger as JSON."""
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


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter(
            f"{text!r} is not a time such as 2026-12-31T09:00 or 2026-12-31T09:00+01:00."
        ) from None


@click.command(short_help="Pause a schedule.")
@click.argument("trigger")
@click.option("--for", "seconds", type=duration, metavar="TIME", help="Duration: 30m, 2h, 3d.  [default: unlimited]")
@click.option("--reason", default="paused by hand", help="A reason, shown in the list.")
@with_assembly
async def pause(assembly: Assembly, trigger: str, seconds: float | None, reason: str, as_json: bool) -> None:
    """Pause a schedule TRIGGER (its id, or APP/NODE) for a time. `jikko triggers enable` ends the pause.

    Due times in the pause are not made up. Works with the server running or not.
    """
    found = await assembly.triggers.find(trigger)
    until = None if seconds is None else time.time() + seconds
    await assembly.schedules.control.pause(found, reason, until)
    entry = {"id": found.id, "paused": reason, "until": None if until is None else _iso(until)}
    words = f"{trigger}: paused{'' if until is None else f' until {ago(until)}'}"
    show_entry(entry, printable(words), as_json=as_json)


@click.command(short_help="Run past due times of a schedule.")
@click.argument("trigger")
@click.option("--from", "since", type=_moment, metavar="TIME", help="The first due time.")
@click.option("--to", "until", type=_moment, metavar="TIME", help="The last due time.")
@click.option("--overlap", type=click.Choice(OVERLAPS), default="queue_all", help="Overlap with other runs.")
@click.option("--drop", is_flag=True, help="Drop waiting due times of earlier backfills.")
@with_assembly
async def backfill(
    assembly: Assembly,
    trigger: str,
    since: float | None,
    until: float | None,
    overlap: Overlap,
    drop: bool,
    as_json: bool,
) -> None:
    """Run missed due times of a schedule TRIGGER (its id, or APP/NODE).

    `sys.timestamp` of each run is its due time. The server starts them, one after the other unless `--overlap` says
    otherwise. Times without an offset are local.
    """
    if drop != (since is None and until is None) or (since is None) != (until is None):
        raise click.UsageError("give --from and --to, or --drop alone")
    found = await assembly.triggers.find(trigger)
    if since is None or until is None:
        count = await assembly.schedules.control.drop_backfill(found)
        words = f"{trigger}: {count} due times dropped"
        show_entry({"id": found.id, "dropped": count}, printable(words), as_json=as_json)
        return
    count = await assembly.schedules.control.backfill(found, since, until, overlap)
    words = f"{trigger}: {count} due times wait for their runs"
    show_entry({"id": found.id, "added": count}, printable(words), as_json=as_json)


def entry_of_view(view: ScheduleView) -> dict[str, Any]:
    """Return a schedule as JSON."""
    entry: dict[str, Any] = {"next": [_iso(moment) for moment in view.next]}
    if view.error:
        entry["error"] = view.error
    if view.paused is not None:
        entry["paused"] = view.paused
        entry["paused_until"] = None if view.paused_until is None else _iso(view.paused_until)
    entry["recent"] = [
        {
            "due": _iso(each.due),
            "state": each.state,
            **({"run_id": each.run_id, "late": round(max(0.0, each.at - each.due), 3)} if each.run_id else {}),
            **({"why": each.why, "count": each.count} if each.state == "skipped" else {}),
        }
        for each in view.recent
    ]
    return entry


def words_of(entry: dict[str, Any]) -> Iterator[str]:
    """Iterate over the parts of a schedule's line."""
    if "error" in entry:
        yield f"never runs: {entry['error']}"
    elif "paused" in entry:
        until = "" if entry["paused_until"] is None else f" until {entry['paused_until']}"
        yield f"paused{until} ({entry['paused']})"
    elif entry["next"]:
        yield f"next {entry['next'][0]}"
    for last in entry["recent"][:1]:
        if last["state"] == "started":
            yield f"last {last['late']} s late"
        elif last["state"] == "skipped":
            yield f"{last['count']} skipped: {last['why']}"
        else:
            yield "waits for the run before it"


def _iso(moment: float) -> str:
    try:
        return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return "9999-12-31T23:59:59Z" if moment > 0 else "0001-01-01T00:00:00Z"
