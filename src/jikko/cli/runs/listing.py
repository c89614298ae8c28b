"""Commands ``jikko runs list|show``."""

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import click

from jikko.apps.end_users import TRIGGER_USERS, trigger_user, triggered_from
from jikko.assemble.assembly import Assembly
from jikko.cli.completion import complete_app, complete_run
from jikko.cli.options import assembled, duration, existing, with_assembly, with_settings
from jikko.cli.output import ago, at_work, entry, show_table, status_of, took
from jikko.cli.terminal import columns
from jikko.errors import LogDamaged
from jikko.events import Event, RunStarted
from jikko.ports.stores.run_store import LogQuery
from jikko.ports.stores.trigger_store import KINDS
from jikko.runs.activity import activity
from jikko.runs.reading.node_executions import node_executions
from jikko.runs.reading.short_ids import run_of, short_ids
from jikko.settings import Settings
from jikko.terminal_text import harmless, shown

_STATUSES = ["queued", "running", "paused", "succeeded", "partial-succeeded", "failed", "stopped"]
_MAX_OPEN_RUNS = 1000
"""Runs of an app searched for waiting ones."""


@click.command("list")
@click.option("--app", help="Only runs of this app (name or id), also a removed one.", shell_complete=complete_app)
@click.option("--all", "of_all", is_flag=True, help="Also runs of apps that were removed.")
@click.option("--status", type=click.Choice(_STATUSES), help="Only runs with this status.")
@click.option("--trigger", metavar="KIND|APP/NODE", help="Only runs started by this trigger, or kind of triggers.")
@click.option("--since", type=duration, metavar="AGE", help="Only runs younger than this, such as 2h or 7d.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Maximum number of runs, newest first."
)
@with_settings
async def list_(
    settings: Settings,
    app: str | None,
    of_all: bool,
    as_json: bool,
    status: Any,
    trigger: str | None,
    since: float | None,
    limit: int,
) -> None:
    """List runs, newest first. Active runs are shown with their running nodes.

    On a terminal ids are shortened to unique prefixes, which every command accepts.
    """
    now = time.time()
    stored: Any = "running" if status == "queued" else status
    async with assembled(existing(settings)) as assembly:
        found = []
        one = None if trigger is None or trigger in KINDS else await assembly.triggers.find(trigger)
        kind: Any = trigger if one is None else one.kind
        for app_id, app_name in await assembly.apps.past_and_present(app, removed=of_all):
            if one is not None and one.app_id != app_id:
                continue
            query = LogQuery(
                app_id=app_id,
                limit=_MAX_OPEN_RUNS if stored == "running" or one is not None else limit,
                statuses=() if stored is None else (stored,),
                after=None if since is None else now - since,
                user=None if kind is None else TRIGGER_USERS[kind],
                end_user_id=None if kind is None else trigger_user(app_id, kind),
            )
            page = await assembly.runs.records.find(query)
            found += [(app_name, record) for record in page.records]
        found.sort(key=lambda entry: -entry[1].created_at)
        rows: list[tuple[str, Any, Any]] = []
        for app_name, record in found:
            log = await _readable(assembly, record) if record.is_open or one is not None else []
            if one is not None and entry_of(log) != one.node_id:
                continue
            at = activity(log, now) if record.is_open else None
            if status is None or status_of(record, at) == status:
                rows.append((app_name, record, at))
            if len(rows) == limit:
                break
        archived = await assembly.runs.records.archived_until()
    if rows or as_json:
        _table(rows, now, as_json)
    elif sys.stdout.isatty():
        click.echo("no such runs" if status or app or since or trigger else "no runs yet")
    if archived is not None and not as_json and len(rows) < limit:
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime(archived))
        click.echo(f"runs that began until {day} may be in the archive: `jikko runs show ID` finds them", err=True)


def entry_of(log: Sequence[Event]) -> str:
    """Return the run's trigger node; empty if a client started it."""
    return next((event.entry for event in log if isinstance(event, RunStarted)), "")


async def _readable(assembly: Assembly, record: Any) -> Any:
    """Return the readable part of a run's log: a damaged one must not break a list."""
    try:
        return await assembly.runs.records.events(record)
    except LogDamaged as damage:
        return damage.readable


def _table(rows: list[tuple[str, Any, Any]], now: float, as_json: bool) -> None:
    on_terminal = sys.stdout.isatty()
    ids = [record.identity.run_id for _, record, _ in rows]
    short = short_ids(ids) if on_terminal else {run_id: run_id for run_id in ids}
    lines = []
    for app_name, record, at in rows:
        elapsed, steps = (record.elapsed, record.total_steps) if at is None else (at.elapsed, at.steps)
        current = "" if at is None or not at.current else f", at {', '.join(at.current)}"
        run_id, times = short[record.identity.run_id], (ago(record.created_at, now), took(elapsed))
        line = (run_id, status_of(record, at), *times, str(steps), f"{app_name}{current}")
        lines.append(({**entry(record), **({} if at is None else at_work(record, at))} if as_json else {}, line))
    head = ("RUN", "STATUS", "STARTED", "TOOK", "STEPS", "APP")
    show_table(head, lines, as_json=as_json, most=columns() if on_terminal else None)


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=complete_run)
@with_assembly
async def show(assembly: Assembly, run_id: str, as_json: bool) -> None:
    """Show a RUN (its id, or a prefix) with all its nodes; an active one in its current state."""
    import msgspec

    damaged: LogDamaged | None = None
    record = await run_of(assembly.store, run_id)
    try:
        log = await assembly.runs.records.events(record)
    except LogDamaged as damage:
        log, damaged = damage.readable, damage
    executions = node_executions(log, status=record.status, error=record.error)
    at = activity(log, time.time())
    for execution in executions:
        execution.elapsed_time = at.spent.get(execution.id, execution.elapsed_time)
    if as_json:
        whole = {**entry(record), **(at_work(record, at) if record.is_open else {})}
        if trigger := entry_of(log):
            whole["trigger"] = trigger
        whole["node_executions"] = msgspec.to_builtins(executions)
        click.echo(shown(json.dumps(whole, default=str)))
        if damaged is not None:
            raise damaged
        return
    elapsed, steps, tokens = record.elapsed, record.total_steps, record.total_tokens
    if record.is_open:
        elapsed, steps, tokens = at.elapsed, at.steps, at.tokens
    click.echo(f"run      {record.identity.run_id}\nstatus   {status_of(record, at)}")
    trigger = entry_of(log)
    kind = triggered_from(record.identity.app_id, record.identity.end_user_id)
    cause = f" by {kind or 'trigger'} {trigger}" if trigger else ""
    click.echo(harmless(f"started  {ago(record.created_at)}{cause}"))
    inputs = json.dumps(json.loads(record.inputs), ensure_ascii=False)
    click.echo(harmless(f"inputs   {inputs}\noutputs  {record.outputs.decode()}"))
    if record.error:
        click.echo(harmless(f"error    {record.error}"))
    so_far = " so far" if record.is_open else ""
    click.echo(f"took     {elapsed:.3f} s{so_far}, {steps} steps, {tokens} tokens")
    for execution in executions:
        depth = "  " * (len(execution.rounds) + 1)
        error = f"  {execution.error}" if execution.error else ""
        line = (
            f"{depth}{execution.index:3} {execution.status:10} {execution.elapsed_time:8.3f} s  "
            f"{execution.title or execution.node_id} ({execution.node_type}){error}"
        )
        click.echo(harmless(line))
    if damaged is not None:
        raise damaged
