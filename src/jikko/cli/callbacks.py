"""``jikko callbacks``: reports of ended runs that did not reach their addresses."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from jikko.cli.options import home_option, json_option, run_async, settings_of


@click.group()
def callbacks() -> None:
    """List call-backs that were not delivered, and send them again."""


@callbacks.command("list", short_help="List call-backs that were not delivered.")
@click.option("--app", help="Only those of this app (name or id).")
@home_option
@json_option
def list_(app: str | None, home: Path | None, as_json: bool) -> None:
    """List call-backs of ended runs that are still tried or were given up, oldest first."""
    run_async(_list(app, settings_of(home=home), as_json))


async def _list(name: str | None, settings: Any, as_json: bool) -> None:
    from jikko.assemble import assemble

    async with assemble(settings) as assembly:
        app_id = (await assembly.apps.find(name)).id if name else None
        found = False
        async for entry in assembly.callbacks.undelivered(app_id):
            found = True
            if as_json:
                click.echo(json.dumps(_entry(entry), ensure_ascii=False))
            else:
                following = f"next {_time(entry.next_at)}" if entry.state == "pending" and entry.next_at else ""
                click.echo(
                    f"{entry.run_id}  {entry.state:7}  {entry.attempts:3} attempts  {entry.url}  {following}  "
                    f"{entry.error or ''}".rstrip()
                )
    if not found and not as_json and sys.stdout.isatty():
        click.echo("no call-back waits or was given up", err=True)


@callbacks.command(short_help="Have call-backs delivered again.")
@click.argument("run_ids", nargs=-1, metavar="RUN_ID...")
@click.option("--all", "everything", is_flag=True, help="All that were not delivered.")
@home_option
@json_option
def resend(run_ids: tuple[str, ...], everything: bool, home: Path | None, as_json: bool) -> None:
    """Have call-backs delivered again, also delivered ones; the server does it within seconds."""
    if not run_ids and not everything:
        raise click.UsageError("Name the runs, or give --all.")
    sys.exit(run_async(_resend(run_ids, everything, settings_of(home=home), as_json)))


async def _resend(run_ids: tuple[str, ...], everything: bool, settings: Any, as_json: bool) -> int:
    from jikko.assemble import assemble
    from jikko.errors import NotFound
    from jikko.exit_codes import of_error
    from jikko.ids import is_uuid
    from jikko.runs.reading.short_ids import run_of

    ended = 0
    async with assemble(settings) as assembly:
        wanted = [entry.run_id async for entry in assembly.callbacks.undelivered()] if everything else run_ids
        for run_id in wanted:
            try:
                whole_id = run_id if is_uuid(run_id) else (await run_of(assembly.store, run_id)).identity.run_id
                entry = await assembly.callbacks.resend(whole_id)
            except NotFound as error:
                ended = of_error(error)
                click.echo(str(error), err=True)
                continue
            click.echo(json.dumps(_entry(entry)) if as_json else f"{entry.run_id}  {entry.url}")
    return ended


@click.command("webhook-secret", short_help="Show what call-backs are signed with.")
@click.argument("app")
@click.option("--new", is_flag=True, help="Replace the secret.")
@home_option
@json_option
def webhook_secret(app: str, new: bool, home: Path | None, as_json: bool) -> None:
    """Show the secret that the call-backs of an APP (name or id) are signed with."""
    run_async(_webhook_secret(app, new, settings_of(home=home), as_json))


async def _webhook_secret(name: str, new: bool, settings: Any, as_json: bool) -> None:
    from jikko.assemble import assemble

    async with assemble(settings) as assembly:
        app = await assembly.apps.find(name)
        known = assembly.callbacks
        secret = await (known.new_secret(app.id) if new else known.secret(app.id))
    click.echo(json.dumps({"app_id": app.id, "webhook_secret": secret}) if as_json else secret)


def _entry(entry: Any) -> dict[str, Any]:
    return {
        "workflow_run_id": entry.run_id,
        "app_id": entry.app_id,
        "url": entry.url,
        "state": entry.state,
        "attempts": entry.attempts,
        "error": entry.error,
        "created_at": int(entry.created_at),
        "next_at": int(entry.next_at) if entry.state == "pending" else None,
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
