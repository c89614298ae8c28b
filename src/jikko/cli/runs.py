"""``jikko runs``: looking at runs, and stopping them."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from jikko.cli.options import home_option, json_option, run_async, settings_of

F = TypeVar("F", bound=Callable[..., Any])


def _on_a_server(command: F) -> F:
    """The options of a command that asks a server."""
    for option in (
        click.option("--user", default="cli", help="Who does it."),
        click.option("--key", envvar="JIKKO_KEY", show_envvar=True, required=True, help="The API key of the app."),
        click.option(
            "--url", envvar="JIKKO_URL", show_envvar=True, default="http://127.0.0.1:8000", help="The server."
        ),
    ):
        command = option(command)
    return command


@click.group()
def runs() -> None:
    """Look at runs, stop, repeat, carry and remove them."""


@runs.command("list")
@click.option("--app", help="Only runs of this app (name or id); it may have been removed.")
@click.option("--all", "of_all", is_flag=True, help="Also runs of apps that were removed.")
@click.option("--status", type=click.Choice(["succeeded", "failed", "stopped"]), help="Only runs that ended so.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, help="How many, newest first.")
@home_option
@json_option
def list_(app: str | None, of_all: bool, status: str | None, limit: int, home: Path | None, as_json: bool) -> None:
    """List runs, newest first."""
    run_async(_list(app, of_all, status, limit, settings_of(home=home), as_json))


async def _list(name: str | None, of_all: bool, status: Any, limit: int, settings: Any, as_json: bool) -> None:
    from jikko.assemble import assemble
    from jikko.cli.shown import shown
    from jikko.ports.run_store import LogQuery

    async with assemble(settings) as assembly:
        found = []
        for app_id, app_name in await assembly.apps.past_and_present(name, removed=of_all):
            page = await assembly.runs.records.find(LogQuery(app_id=app_id, limit=limit, status=status))
            found += [(app_name, record) for record in page.records]
    found.sort(key=lambda entry: -entry[1].created_at)
    for app_name, record in found[:limit]:
        if as_json:
            click.echo(shown(json.dumps(_entry(record), ensure_ascii=False)))
        else:
            click.echo(
                f"{record.owner.run_id}  {record.status:17}  {record.elapsed:8.2f} s  {record.total_steps:4} steps  "
                f"{app_name}"
            )


@runs.command()
@click.argument("run_id")
@home_option
@json_option
def show(run_id: str, home: Path | None, as_json: bool) -> None:
    """Show a run with all its nodes."""
    run_async(_show(run_id, settings_of(home=home), as_json))


async def _show(run_id: str, settings: Any, as_json: bool) -> None:
    import msgspec

    from jikko.assemble import assemble
    from jikko.cli.shown import shown
    from jikko.errors import LogDamaged
    from jikko.runs.history import readable_executions

    async with assemble(settings) as assembly:
        record = await assembly.runs.records.any_record(run_id)
        damaged: LogDamaged | None = None
        try:
            executions = await assembly.runs.records.node_executions(record)
        except LogDamaged as damage:
            executions, damaged = readable_executions(record, damage), damage
    if as_json:
        entry = {**_entry(record), "node_executions": msgspec.to_builtins(executions)}
        click.echo(shown(json.dumps(entry, default=str)))
        if damaged is not None:
            raise damaged
        return
    click.echo(f"run      {record.owner.run_id}\nstatus   {record.status}")
    click.echo(shown(f"inputs   {record.inputs}\noutputs  {record.outputs.decode()}"))
    if record.error:
        click.echo(shown(f"error    {record.error}"))
    click.echo(f"took     {record.elapsed:.3f} s, {record.total_steps} steps, {record.total_tokens} tokens")
    for execution in executions:
        depth = "  " * (len(execution.rounds) + 1)
        error = f"  {execution.error}" if execution.error else ""
        line = (
            f"{depth}{execution.index:3} {execution.status:10} {execution.elapsed_time:8.3f} s  "
            f"{execution.title or execution.node_id} ({execution.node_type}){error}"
        )
        click.echo(shown(line))
    if damaged is not None:
        raise damaged


@runs.command()
@click.argument("run_id")
@home_option
@json_option
def follow(run_id: str, home: Path | None, as_json: bool) -> None:
    """Show the events of a run, from its first to its end, also while it goes on."""
    sys.exit(run_async(_follow(run_id, settings_of(home=home), as_json)))


async def _follow(run_id: str, settings: Any, as_json: bool) -> int:
    from jikko.assemble import assemble
    from jikko.cli.progress import Progress

    progress = Progress(as_json=as_json)
    async with assemble(settings) as assembly:
        record = await assembly.runs.records.any_record(run_id)
        async for batch in assembly.runs.follow(record):
            for _, event in batch:
                progress.show(event)
        record = await assembly.runs.records.any_record(run_id)
    return 1 if record.status in ("failed", "stopped") else 0


@runs.command()
@click.argument("run_id")
@_on_a_server
@json_option
def stop(run_id: str, url: str, key: str, user: str, as_json: bool) -> None:
    """Stop a run that a server executes. The exit code is 1 if there was nothing to stop."""
    answer = _post(_of_run(url, run_id, "stop"), key, {"user": user})
    stopped = bool(answer.get("stopped"))
    click.echo(json.dumps(answer) if as_json else ("stopped" if stopped else "it was not going on"))
    sys.exit(0 if stopped else 1)


@runs.command()
@click.argument("run_id")
@click.option("--from", "from_node", metavar="NODE_ID", help="The node that runs again.  [default: those that failed]")
@click.option("--wait", is_flag=True, help="Wait for the end of the new run; the exit code is 1 if it did not succeed.")
@_on_a_server
@json_option
def retry(run_id: str, from_node: str | None, wait: bool, url: str, key: str, user: str, as_json: bool) -> None:
    """Repeat a run on a server: a new run takes over what finished nodes did, and the others run again."""
    body: dict[str, Any] = {"user": user, "response_mode": "blocking" if wait else "async"}
    if from_node:
        body["from_node_id"] = from_node
    address = _of_run(url, run_id, "retry")
    answer = _post(address, key, body, timeout=None if wait else 30)
    try:
        new_run, status = answer["workflow_run_id"], answer["data"]["status"]
    except (KeyError, TypeError):
        raise _another_server(address) from None
    click.echo(json.dumps(answer) if as_json else f"{new_run}  {status}")
    sys.exit(0 if status not in ("failed", "stopped") else 1)


def _of_run(url: str, run_id: str, what: str) -> str:
    from urllib.parse import quote

    return f"{url.rstrip('/')}/v1/workflows/run/{quote(run_id, safe='')}/{what}"


def _post(url: str, key: str, body: dict[str, Any], *, timeout: float | None = 30) -> dict[str, Any]:
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    try:
        with urlopen(Request(url, json.dumps(body).encode(), headers), timeout=timeout) as answer:
            found = json.loads(answer.read())
    except HTTPError as error:
        raise click.ClickException(f"{error.code}: {error.read().decode(errors='replace')}") from None
    except (URLError, HTTPException, OSError, ValueError) as error:
        raise click.ClickException(f"{url}: {error}") from None
    if not isinstance(found, dict):
        raise _another_server(url)
    return found


def _another_server(url: str) -> click.ClickException:
    return click.ClickException(f"{url}: the answer is none of Jikko's.")


def _entry(record: Any) -> dict[str, Any]:
    return {
        "workflow_run_id": record.owner.run_id,
        "task_id": record.owner.task_id,
        "app_id": record.owner.app_id,
        "workflow_id": record.owner.workflow_id,
        "user": record.owner.user,
        "status": record.status,
        "inputs": json.loads(record.inputs),
        "outputs": json.loads(record.outputs),
        "error": record.error,
        "elapsed_time": record.elapsed,
        "total_steps": record.total_steps,
        "total_tokens": record.total_tokens,
        "exceptions_count": record.exceptions_count,
        "created_at": int(record.created_at),
        "finished_at": None if record.finished_at is None else int(record.finished_at),
    }
