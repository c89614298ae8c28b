"""``jikko deliveries list|show|replay|discard``."""

import json
import sys
import time
from typing import Any, get_args

import click

from jikko.assemble.assembly import Assembly
from jikko.cli.options import assembled, duration, existing, with_assembly, with_settings
from jikko.cli.runs.entries import ago
from jikko.cli.runs.remote import Server, reached
from jikko.cli.runs.run_commands import executed_here, stop_run
from jikko.cli.shown import show_entry
from jikko.settings import Settings
from jikko.terminal_text import harmless, printable, shown
from jikko.triggers.deliveries import DeliveryState, DeliveryView


@click.command("list")
@click.option("--trigger", help="Only deliveries of this trigger (its id, or APP/NODE).")
@click.option("--state", "states", multiple=True, type=click.Choice(get_args(DeliveryState)), help="Only those.")
@click.option("--since", type=duration, metavar="AGE", help="Only those received so lately, such as 2h or 7d.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, help="How many, newest first.")
@with_assembly
async def list_(
    assembly: Assembly, trigger: str | None, states: tuple[Any, ...], since: float | None, limit: int, as_json: bool
) -> None:
    """List deliveries, newest first, each with the state of its newest run."""
    triggers = await assembly.triggers.all("webhook") if trigger is None else [await assembly.triggers.find(trigger)]
    names = {each.id: each.name for each in await assembly.apps.all()}
    called = {each.id: f"{names.get(each.app_id, each.app_id)}/{each.node_id}" for each in triggers}
    after = 0.0 if since is None else time.time() - since
    found = await assembly.deliveries.listed(triggers, states=states, since=after, limit=limit)
    for view in found:
        name = called[view.delivery.trigger_id]
        why = view.delivery.reason or view.error or ""
        run = view.runs[-1] if view.runs else "-"
        received = ago(view.delivery.received_at)
        line = f"{view.delivery.id}  {view.state:<9}  {received}  {name}  {run}  {why}"
        show_entry(entry_of(view, name), printable(line.rstrip()), as_json=as_json)
    if not found and not as_json and sys.stdout.isatty():
        click.echo("no such deliveries" if trigger or states or since else "no deliveries yet")


@click.command()
@click.argument("delivery")
@with_assembly
async def show(assembly: Assembly, delivery: str, as_json: bool) -> None:
    """Show a DELIVERY, with the headers, parameters and body that it brought."""
    view = await assembly.deliveries.find(delivery)
    record = await assembly.deliveries.record(view)
    brought = None if record is None else json.loads(record.inputs).get("webhook_data")
    entry = {**entry_of(view, await _name(assembly, view)), "call": brought}
    if as_json:
        click.echo(shown(json.dumps(entry, ensure_ascii=False)))
        return
    for name, value in entry.items():
        if value not in (None, "", []):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            click.echo(harmless(f"{name:<12} {text}"))


@click.command()
@click.argument("delivery")
@click.option("--dry", is_flag=True, help="Say what would happen, and start nothing.")
@with_settings
async def replay(settings: Settings, delivery: str, dry: bool, as_json: bool) -> int:
    """Run a DELIVERY again, by the current version of its app: through the server, or here if there is none."""
    async with assembled(existing(settings)) as assembly:
        if dry:
            plan = await assembly.deliveries.plan(delivery)
            version = {"workflow_id": plan.workflow.id, "version": plan.workflow.version}
            entry: dict[str, Any] = {"delivery_id": delivery, **version, "from_nodes": plan.from_nodes}
            from_nodes = ", ".join(plan.from_nodes) or "its trigger"
            told = f"It would run again from {from_nodes} on, by version {plan.workflow.version}."
            show_entry(entry, printable(told), as_json=as_json)
            return 0
        record, node = await assembly.deliveries.first_run(delivery)
    async with reached(settings, record.identity.run_id, url=None, key=None, user="cli") as (where, run):
        if not isinstance(where, Server):
            return await executed_here(where, (await where.deliveries.replay(delivery)).record, as_json)
        body: dict[str, Any] = {"response_mode": "async", "current_version": True}
        if node is not None:
            body["from_node_id"] = node
        answer = await where.act_on(run, "retry", body)
    run_id = answer.get("workflow_run_id")
    if not isinstance(run_id, str):
        raise where.stranger()
    entry = {"delivery_id": delivery, "run_id": run_id}
    show_entry(entry, f"{run_id}  running", as_json=as_json)
    return 0


@click.command()
@click.argument("delivery")
@with_settings
async def discard(settings: Settings, delivery: str, as_json: bool) -> None:
    """Set a DELIVERY aside: one that waits is not run any more, one that failed has been seen to."""
    async with assembled(existing(settings)) as assembly:
        waiting = await assembly.deliveries.find(delivery)
    if waiting.state == "waiting":
        await stop_run(waiting.runs[-1], None, None, "cli", settings)
    async with assembled(settings) as assembly:
        view = await assembly.deliveries.discard(delivery)
        entry = entry_of(view, await _name(assembly, view))
    show_entry(entry, f"{view.delivery.id}  {view.state}", as_json=as_json)


async def _name(assembly: Assembly, view: DeliveryView) -> str:
    trigger = await assembly.triggers.find(view.delivery.trigger_id)
    return f"{(await assembly.apps.find(trigger.app_id)).name}/{trigger.node_id}"


def entry_of(view: DeliveryView, trigger: str) -> dict[str, Any]:
    """A delivery as JSON shows it."""
    delivery = view.delivery
    return {
        "id": delivery.id,
        "trigger_id": delivery.trigger_id,
        "trigger": trigger,
        "received_at": delivery.received_at,
        "verdict": delivery.verdict,
        "reason": delivery.reason,
        "state": view.state,
        "method": delivery.method,
        "size": delivery.size,
        "sender_id": delivery.sender_id,
        "runs": list(view.runs),
        "error": view.error,
    }
