"""Commands ``jikko runs follow|stop|retry|diff|prune|trace``."""

import asyncio
import json
import os
import time
from typing import Any

import click
import msgspec

from jikko.assemble.assembly import Assembly
from jikko.cli.command_failure import Failure
from jikko.cli.completion import complete_app, complete_run
from jikko.cli.options import assembled, duration, existing, failure, with_assembly, with_settings
from jikko.cli.output import counted, show_entry
from jikko.cli.running.following import Ending, Watch
from jikko.cli.running.given_inputs import OLD_SERVER, outputs_by_node, retry_options
from jikko.cli.running.run_progress import ProgressReporter
from jikko.cli.runs.remote import Server, acting, reached
from jikko.cli.terminal import confirmed, is_conversation
from jikko.errors import InvalidParam
from jikko.exit_codes import ExitCode, of_run
from jikko.observing.traces import run_traces
from jikko.observing.traces.export import ENDPOINTS, SpanExport, is_wanted
from jikko.observing.traces.spans import spans_of
from jikko.ports.stores.run_store import RunStore
from jikko.proving.run_difference import RunDifference, compare_runs
from jikko.record import RunRecord
from jikko.runs.endings import append_end
from jikko.runs.reading.field_changes import ChangedField
from jikko.runs.reading.short_ids import run_of
from jikko.runs.retry_values import RetryValues
from jikko.runs.runs import Runs
from jikko.settings import Settings
from jikko.terminal_text import printable

_POLL_SECONDS = 0.1
"""Polling interval for a run that a server executes."""
_BY_CURRENT = "The version was that of the run; --current repeats it with the app's current one."


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=complete_run)
@with_settings
async def follow(settings: Settings, run_id: str, as_json: bool) -> int:
    """Show the events of a RUN, from the first to the last, live. Ctrl-C leaves the run alone."""
    ending = Ending()
    # The executing process does not know of this one, and does not notify it.
    async with assembled(existing(settings), look_seconds=_POLL_SECONDS) as assembly:
        record = await run_of(assembly.store, run_id)
        following = asyncio.ensure_future(Watch(assembly, record, ProgressReporter(as_json=as_json)).to_end_or_pause())
        with ending.asked(following.cancel):
            try:
                await following
            except asyncio.CancelledError:
                if not ending.wanted:
                    raise
                click.echo(f"the run goes on; jikko runs follow {record.identity.run_id}", err=True)
                return ending.code
        record = await assembly.runs.records.any_record(record.identity.run_id)
    return of_run(record.status, record.error)


@click.command()
@acting
@with_settings
async def stop(settings: Settings, run_id: str, user: str, as_json: bool) -> None:
    """Stop a RUN, through the server that executes it; without a server, an interrupted run or one that waits for a
    form.

    The exit code is 9 if there was nothing to stop.
    """
    stopped, status = await stop_run(run_id, user, existing(settings))
    if not stopped:
        raise Failure(f"the run has already ended ({status})", exit_code=ExitCode.CONFLICT, code="conflict")
    show_entry({"result": "success", "stopped": True}, "stopped", as_json=as_json)


async def stop_run(run_id: str, user: str, settings: Settings) -> tuple[bool, str]:
    """Stop a run. Returns whether it was stopped, and otherwise its status."""
    async with reached(settings, run_id, user=user) as (where, run):
        if isinstance(where, Server):
            stopped = bool((await where.act_on(run, "stop")).get("stopped"))
            return stopped, "" if stopped else await where.status_of(run)
        stopped = await stop_left(where.runs, where.store, run, user, where.clock())
        return stopped, run.status


@click.command()
@acting
@retry_options
@click.option("--wait", is_flag=True, help="Wait for the end of the new run; the exit code is the run's.")
@with_settings
async def retry(
    settings: Settings,
    run_id: str,
    from_node: str | None,
    current: bool,
    mocks: tuple[str, ...],
    values: tuple[str, ...],
    wait: bool,
    user: str,
    as_json: bool,
) -> int:
    """Repeat a RUN: a new run reuses the results of finished nodes, and runs the others again.

    It runs the same version, or with --current the app's current one: results of changed nodes, and of those
    downstream, are not reused then. Without a server the new run is executed here, to its end. With --mock and --values
    the new run names the given nodes, and a message keeps its answer.
    """
    given = {"mocks": outputs_by_node(mocks, "--mock"), "values": outputs_by_node(values, "--values")}
    async with reached(existing(settings), run_id, user=user) as (where, run):
        if not isinstance(where, Server):
            app = await where.apps.find(run.identity.app_id)
            try:
                run_log = await where.runs.retries.retry(
                    app, run.identity.run_id, from_node=from_node, current=current, given=RetryValues(**given)
                )
            except InvalidParam as refused:
                hint = "" if mocks or values else "--from NODE_ID names it; "
                raise failure(refused, hint=f"{hint}jikko runs show {run_id} lists the nodes") from None
            code = await executed_here(where, run_log.record, as_json)
            if code is ExitCode.FAILED and not current:
                click.echo(_BY_CURRENT, err=True)
            return code
        if (mocks or values) and "mocked" not in await where.lineage(run):
            raise Failure(OLD_SERVER, exit_code=ExitCode.UNAVAILABLE, code="unsupported")
        body: dict[str, Any] = {"response_mode": "blocking" if wait else "async", **given}
        if from_node:
            body["from_node_id"] = from_node
        if current:
            body["current_version"] = True
        answer = await where.act_on(run, "retry", body, seconds=None if wait else 30)
        try:
            new_run, status, error = answer["workflow_run_id"], answer["data"]["status"], answer["data"].get("error")
        except (KeyError, TypeError, AttributeError):
            raise where.stranger() from None
    show_entry(answer, f"{new_run}  {status}", as_json=as_json)
    if wait and status in ("failed", "stopped"):
        click.echo(f"{error or status}; jikko runs show {new_run}", err=True)
        if not current:
            click.echo(_BY_CURRENT, err=True)
    return of_run(status, error)


async def executed_here(assembly: Assembly, record: Any, as_json: bool) -> int:
    """Follow a run that this process executes, to its end or pause. Returns the exit code."""
    ending = Ending()
    identity = record.identity
    stopping: list[asyncio.Future[bool]] = []

    def stop_it() -> None:
        stopping.append(
            asyncio.ensure_future(assembly.runs.control.stop(identity.app_id, identity.run_id, identity.user))
        )

    watch = Watch(assembly, record, ProgressReporter(as_json=as_json, stopped_by=lambda: ending.by))
    with ending.asked(stop_it):
        await watch.to_end_or_pause()
    await assembly.runs.close(0)
    record = await assembly.runs.records.any_record(identity.run_id)
    if not as_json:
        click.echo(f"{identity.run_id}  {record.status}")
    code = of_run(record.status, record.error)
    return ending.code if ending.wanted and code is not ExitCode.OK else code


_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}
_MAX_SHOWN = 200
"""Characters of a value."""


@click.command()
@click.argument("first", metavar="RUN", shell_complete=complete_run)
@click.argument("second", metavar="RUN", shell_complete=complete_run)
@with_assembly
async def diff(assembly: Assembly, first: str, second: str, as_json: bool) -> int:
    """Show how the second RUN differs from the first: status, inputs, outputs, answers and tokens, of both and of each
    node.

    Nodes are matched by ids and rounds. Ids, times and durations are ignored. The exit code is 1 if there is a
    difference, else 0.
    """
    runs = await run_of(assembly.store, first), await run_of(assembly.store, second)
    found = await compare_runs(assembly.store, assembly.conversations, *runs)
    show_entry(msgspec.to_builtins(found), _text(found), as_json=as_json)
    return ExitCode.FAILED if found.fields or found.nodes else ExitCode.OK


def _text(found: RunDifference) -> str:
    lines = [_line(each) for each in found.fields]
    for node in found.nodes:
        sign, color = _SIGNS[node.change]
        rounds = "".join(f" [{index}]" for index in node.rounds)
        took = f"  {node.seconds[0]:.3f} s → {node.seconds[1]:.3f} s" if node.change == "changed" else ""
        lines.append(click.style(f"{sign} {printable(node.title)}{rounds}", fg=color) + took)
        lines += [f"    {_line(each)}" for each in node.fields]
    same = f"{found.same} node execution{' is' if found.same == 1 else 's are'} equal"
    return "\n".join([*lines, same])


def _line(change: ChangedField) -> str:
    return printable(f"{change.path.lstrip('/')}: {_value(change.before)} → {_value(change.after)}")


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}… ({len(text)} characters)"


@click.command()
@click.option("--older-than", type=duration, metavar="AGE", required=True, help="Such as 30d, 12h or 90m.")
@click.option(
    "--app", help="Only runs of this app (name or id), also a removed one; no files.", shell_complete=complete_app
)
@click.option("--dry-run", is_flag=True, help="Print their number, and remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask. Without a terminal, nothing is asked.")
@with_settings
async def prune(
    settings: Settings, older_than: float, app: str | None, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Remove runs that ended this long ago, with their logs, and unused files.

    Open and paused runs stay, with all that belongs to them, and so does a run whose callback is still retried, for at
    most a day. Works with the server running or not. On a terminal it asks first.
    """
    asks = not (yes or dry_run or as_json) and is_conversation()
    before = time.time() - older_than
    async with assembled(existing(settings)) as assembly:
        # The runs shown by `jikko runs list --app` are removed.
        apps = [app_id for app_id, _ in await assembly.apps.past_and_present(app)] if app else [None]
        if dry_run or asks:
            count = sum([await assembly.upkeep.retention.prunable(before, app_id=app_id) for app_id in apps])
            if dry_run:
                show_entry({"runs": count}, f"{counted(count, 'run')} would be removed.", as_json=as_json)
                return
            if not confirmed(f"Remove {counted(count, 'run')}?"):
                raise Failure("nothing was removed", code="declined")
        pruned = [await assembly.upkeep.retention.prune(before, app_id=app_id) for app_id in apps]
    runs, files = sum(each.runs for each in pruned), sum(each.files for each in pruned)
    text = f"{counted(runs, 'run')} and {counted(files, 'file')} were removed."
    show_entry({"runs": runs, "files": files}, text, as_json=as_json)


@click.command()
@click.argument("run_id", metavar="RUN", shell_complete=complete_run)
@with_settings
async def trace(settings: Settings, run_id: str, as_json: bool) -> None:
    """Send the spans of a RUN (its id, or a prefix) to OTEL_EXPORTER_OTLP_ENDPOINT, however old it is.

    They are derived from its log, and so the same each time. With --json they are printed, one a line, and not sent.
    """
    import asyncio

    from msgspec.structs import asdict

    if not (as_json or is_wanted(os.environ)):
        raise click.UsageError(
            f"{ENDPOINTS[1]} is not set: set it to a collector, such as http://127.0.0.1:4318, or use --json."
        )
    async with assembled(existing(settings)) as assembly:
        identity = (await run_of(assembly.store, run_id)).identity
        if as_json:
            log = await assembly.store.events(identity.run_id)
            app = await assembly.apps.find(identity.app_id)
            for span in spans_of(identity, app.name, log, content=settings.trace_content):
                click.echo(json.dumps(asdict(span)))
            return
        export = SpanExport()
        try:
            spans = await run_traces.trace(
                identity, assembly.store, assembly.apps, export, content=settings.trace_content
            )
        finally:
            await asyncio.to_thread(export.close)
    click.echo(f"{len(spans)} spans were sent; the trace is {spans[0].trace_id}.")


async def stop_left(runs: Runs, store: RunStore, record: RunRecord, user: str, now: float) -> bool:
    """Stop a run that waits for a form, or that a server left when it ended: no server continues it at its next start.

    The caller holds the data folder, so that no other process executes the run. Durable on return.

    Returns:
        Whether it was open.

    Raises:
        StoreUnavailable: It cannot be written.
    """
    if not record.is_open:
        return False
    if await runs.control.stop(record.identity.app_id, record.identity.run_id, user):
        return True
    await append_end(store, record, "stopped", f"Workflow run was stopped by user {user}.", now)
    return True
