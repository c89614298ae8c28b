"""Commands ``jikko deliveries list|show|replay|discard``."""

import json
import math
import sys
import time
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar, get_args

import click

from jikko.assemble.assembly import Assembly
from jikko.cli.command_failure import Failure
from jikko.cli.options import assembled, duration, existing, with_assembly, with_settings
from jikko.cli.output import ago, show_entry
from jikko.cli.runs.remote import Server, reached
from jikko.cli.runs.run_commands import executed_here, stop_run
from jikko.errors import JikkoError
from jikko.exit_codes import ExitCode
from jikko.settings import Settings
from jikko.terminal_text import harmless, printable, shown
from jikko.triggers.deliveries import DeliveryState, DeliveryView

P = ParamSpec("P")
T = TypeVar("T")
_PAGE: Final = 1_000
"""Deliveries per page while some are selected."""
_CHOSEN: Final = ("trigger", "states", "since", "where")


def _filters(work: Callable[P, T]) -> Callable[P, T]:
    for option in (
        click.option("--where", multiple=True, metavar="PATH=TEXT", help="Only those with body.type=paid, say."),
        click.option(
            "--since", type=duration, metavar="AGE", help="Only those received within this time, such as 2h or 7d."
        ),
        click.option(
            "--state", "states", multiple=True, type=click.Choice(get_args(DeliveryState)), help="Only those."
        ),
        click.option("--trigger", help="Only deliveries of this trigger (its id, or APP/NODE)."),
    ):
        work = option(work)
    return work


async def _listed(
    assembly: Assembly,
    trigger: str | None,
    states: tuple[DeliveryState, ...],
    since: float | None,
    where: tuple[str, ...],
    **paging: Any,
) -> list[DeliveryView]:
    if wrong := [each for each in where if "=" not in each]:
        raise click.UsageError(f"--where: {wrong[0]!r} must be PATH=TEXT, such as body.type=paid")
    triggers = await assembly.triggers.all("webhook") if trigger is None else [await assembly.triggers.find(trigger)]
    after = 0.0 if since is None else time.time() - since
    wanted = dict(each.split("=", 1) for each in where)
    return await assembly.deliveries.listed(triggers, states=states, where=wanted, since=after, **paging)


@click.command("list")
@_filters
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="Maximum number of deliveries, newest first.",
)
@with_assembly
async def list_(assembly: Assembly, /, limit: int, as_json: bool, **chosen: Any) -> None:
    """List deliveries, newest first, each with the state of its newest run."""
    found = await _listed(assembly, **chosen, limit=limit)
    for view in found:
        name = await _name(assembly, view)
        why = view.delivery.reason or view.error or ""
        run = view.runs[-1] if view.runs else "-"
        received = ago(view.delivery.received_at)
        line = f"{view.delivery.id}  {view.state:<9}  {received}  {name}  {run}  {why}"
        show_entry(entry_of(view, name), printable(line.rstrip()), as_json=as_json)
    if not found and not as_json and sys.stdout.isatty():
        click.echo("no such deliveries" if any(chosen.values()) else "no deliveries yet")


@click.command()
@click.argument("delivery")
@with_assembly
async def show(assembly: Assembly, delivery: str, as_json: bool) -> None:
    """Show a DELIVERY, with its headers, parameters and body."""
    view = await assembly.deliveries.find(delivery)
    entry = {**entry_of(view, await _name(assembly, view)), "call": await assembly.deliveries.call(view)}
    if as_json:
        click.echo(shown(json.dumps(entry, ensure_ascii=False)))
        return
    for name, value in entry.items():
        if value not in (None, "", []):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            click.echo(harmless(f"{name:<12} {text}"))


async def _all(assembly: Assembly, **chosen: Any) -> tuple[str, ...]:
    """Return the ids of all selected deliveries, unaffected by new ones, oldest first."""
    found: list[str] = []
    before = None
    while True:
        page = await _listed(assembly, **chosen, before=before, limit=_PAGE, depth=math.inf)
        found += [view.delivery.id for view in page]
        if len(page) < _PAGE:
            return tuple(reversed(found))
        before = page[-1].delivery.received_at, page[-1].delivery.id


def _of_several(work: Callable[..., Coroutine[Any, Any, int]]) -> Callable[..., Any]:
    """Decorate a command for named deliveries, or else selected ones: those that failed or are dead, unless a state is
    named. Oldest first. A refused one does not block the others."""

    @wraps(work)
    async def command(settings: Settings, deliveries: tuple[str, ...], as_json: bool, **given: Any) -> int:
        chosen: dict[str, Any] = {name: given.pop(name) for name in _CHOSEN}
        if bool(deliveries) == any(chosen.values()):
            raise click.UsageError("name deliveries, or choose some: --trigger, --state, --since or --where")
        if len(deliveries) == 1:
            return await work(settings, deliveries[0], as_json=as_json, **given)
        if not deliveries:
            async with assembled(existing(settings)) as assembly:
                chosen["states"] = chosen["states"] or ("failed", "dead")
                deliveries = await _all(assembly, **chosen)
        code = 0
        for delivery in deliveries:
            try:
                code = await work(settings, delivery, as_json=as_json, **given) or code
            except (JikkoError, Failure) as error:
                code = ExitCode.FAILED
                click.echo(printable(f"{delivery}: {error}"), err=True)
        if not deliveries and not as_json:
            click.echo("no such deliveries", err=True)
        return code

    made: Callable[..., Any] = command
    return click.argument("deliveries", nargs=-1, metavar="[DELIVERY...]")(_filters(with_settings(made)))


@click.command()
@click.option("--dry", is_flag=True, help="Show what would happen, without starting anything.")
@_of_several
async def replay(settings: Settings, delivery: str, *, dry: bool, as_json: bool) -> int:
    """Run each DELIVERY again, with the current version of its app: through the server, or here if there is none.

    Instead of naming deliveries, select failed or dead ones: --since 2h, --where body.type=paid.
    """
    async with assembled(existing(settings)) as assembly:
        if dry:
            plan = await assembly.deliveries.plan(delivery)
            version = {"workflow_id": plan.workflow.id, "version": plan.workflow.version}
            entry: dict[str, Any] = {"delivery_id": delivery, **version, "from_nodes": plan.from_nodes}
            from_nodes = ", ".join(plan.from_nodes) or "its trigger"
            told = f"{delivery}  It would run from {from_nodes} on, with version {plan.workflow.version}."
            show_entry(entry, printable(told), as_json=as_json)
            return 0
        record, node = await assembly.deliveries.first_run(delivery)
    async with reached(settings, record.identity.run_id, user="cli") as (where, run):
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
@_of_several
async def discard(settings: Settings, delivery: str, *, as_json: bool) -> int:
    """Discard each DELIVERY: a waiting one never runs, a failed one counts as handled.

    Instead of naming deliveries, select failed or dead ones: --since 2h, --where body.type=paid.
    """
    async with assembled(existing(settings)) as assembly:
        waiting = await assembly.deliveries.find(delivery)
    if waiting.state == "waiting":
        await stop_run(waiting.runs[-1], "cli", settings)
    async with assembled(settings) as assembly:
        view = await assembly.deliveries.discard(delivery)
        entry = entry_of(view, await _name(assembly, view))
    show_entry(entry, f"{view.delivery.id}  {view.state}", as_json=as_json)
    return 0


async def _name(assembly: Assembly, view: DeliveryView) -> str:
    trigger = await assembly.triggers.find(view.delivery.trigger_id)
    return f"{(await assembly.apps.find(trigger.app_id)).name}/{trigger.node_id}"


def entry_of(view: DeliveryView, trigger: str) -> dict[str, Any]:
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
