"""Command ``jikko callbacks``, for undelivered reports of ended runs."""

from typing import Any

import click

from jikko.assemble.assembly import Assembly
from jikko.cli.options import assembled, existing, with_assembly, with_settings
from jikko.cli.output import iso, show_entry, show_nothing
from jikko.errors import NotFound
from jikko.exit_codes import of_error
from jikko.ids import is_uuid
from jikko.runs.reading.short_ids import run_of
from jikko.settings import Settings


@click.group()
def callbacks() -> None:
    """List undelivered callbacks, and send them again."""


@callbacks.command("list", short_help="List undelivered callbacks.")
@click.option("--app", help="Only those of this app (name or id).")
@with_assembly
async def list_(assembly: Assembly, app: str | None, as_json: bool) -> None:
    """List callbacks of ended runs that are still retried or were given up, oldest first."""
    of_app = (await assembly.apps.find(app)).id if app else None
    found = False
    async for entry in assembly.upkeep.callbacks.undelivered(of_app):
        found = True
        following = f"next {iso(entry.next_at, 'seconds')}" if entry.state == "pending" and entry.next_at else ""
        line = f"{entry.run_id}  {entry.state:7}  {entry.attempts:3} attempts  {entry.url}  {following}  "
        show_entry(_entry(entry), f"{line}{entry.error or ''}".rstrip(), as_json=as_json)
    if not found:
        show_nothing("no undelivered callbacks", as_json=as_json)


@callbacks.command(short_help="Send callbacks again.")
@click.argument("run_ids", nargs=-1, metavar="[RUN_ID]...")
@click.option("--all", "everything", is_flag=True, help="All undelivered ones.")
@with_settings
async def resend(settings: Settings, run_ids: tuple[str, ...], everything: bool, as_json: bool) -> int:
    """Send callbacks again, also delivered ones; the server does so within seconds."""
    if not run_ids and not everything:
        raise click.UsageError("Name the runs, or give --all.")
    ended = 0
    async with assembled(existing(settings)) as assembly:
        wanted = [entry.run_id async for entry in assembly.upkeep.callbacks.undelivered()] if everything else run_ids
        for run_id in wanted:
            try:
                whole_id = run_id if is_uuid(run_id) else (await run_of(assembly.store, run_id)).identity.run_id
                entry = await assembly.upkeep.callbacks.resend(whole_id)
            except NotFound as error:
                ended = of_error(error)
                click.echo(str(error), err=True)
                continue
            show_entry(_entry(entry), f"{entry.run_id}  {entry.url}", as_json=as_json)
    return ended


@click.command("webhook-secret")
@click.argument("app")
@click.option("--new", is_flag=True, help="Replace the secret.")
@with_assembly
async def webhook_secret(assembly: Assembly, app: str, new: bool, as_json: bool) -> None:
    """Show the signing secret for callbacks of an APP (name or id)."""
    found = await assembly.apps.find(app)
    known = assembly.upkeep.callbacks
    secret = await (known.new_secret(found.id) if new else known.secret(found.id))
    show_entry({"app_id": found.id, "webhook_secret": secret}, secret, as_json=as_json)


def _entry(entry: Any) -> dict[str, Any]:
    same = ("app_id", "url", "state", "attempts", "error")
    return {
        "workflow_run_id": entry.run_id,
        **{name: getattr(entry, name) for name in same},
        "created_at": int(entry.created_at),
        "next_at": int(entry.next_at) if entry.state == "pending" else None,
    }
