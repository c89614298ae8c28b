"""Commands ``jikko console|users|audit``: sign-in links and tokens, end users, and the log of changes."""

import json
import sys
import webbrowser
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, get_args

import click
from msgspec.structs import asdict

from jikko.apps.key_files import write_key
from jikko.assemble.assembly import Assembly
from jikko.cli.apps.apps import or_revoked
from jikko.cli.command_failure import Failure
from jikko.cli.completion import complete_app
from jikko.cli.options import (
    assembled,
    duration,
    existing,
    home_option,
    json_option,
    run_async,
    settings_of,
    to_option,
    with_assembly,
    with_settings,
)
from jikko.cli.output import counted, iso, show_entry, show_nothing, show_table
from jikko.cli.runs.remote import Server, open_folder
from jikko.cli.terminal import confirmed, is_conversation
from jikko.cluster.data_folder_lock import owner_of
from jikko.exit_codes import ExitCode
from jikko.ports.stores.audit_store import AuditFilter
from jikko.repositories.console_store import SCOPES, ConsoleToken, Scope
from jikko.server.serving import link
from jikko.settings import Settings
from jikko.terminal_text import harmless


@click.group(invoke_without_command=True)
@click.option("--viewer", is_flag=True, help="Make the link read-only.")
@click.option("--open", "opens", is_flag=True, help="Open it in the browser.")
@home_option
@json_option
@click.pass_context
def console(context: click.Context, viewer: bool, opens: bool, home: Path | None, as_json: bool) -> None:
    """Print a link that opens the console in a browser: once, and within 5 minutes.

    The server must run when the link is opened, not before. Permanent tokens are made with `jikko console tokens`.
    """
    if context.invoked_subcommand is None:
        run_async(_link(settings_of(home=home), "viewer" if viewer else "operator", opens, as_json))


async def _link(settings: Settings, role: Any, opens: bool, as_json: bool) -> None:
    owner = owner_of(settings.home)
    base = owner.address if owner is not None and owner.address else settings.address()
    async with assembled(settings, console=True) as assembly:
        ticket = await _console_of(assembly).access.ticket(role)
    address = link(settings, base, ticket)
    show_entry({"url": address, "role": role}, address, as_json=as_json)
    if owner is None:
        click.echo("No server has this data folder: start `jikko serve`, then open the link.", err=True)
    if opens and not webbrowser.open(address):
        click.echo("No browser could be opened here.", err=True)


@console.group(short_help="Make, list or revoke tokens of the console.")
def tokens() -> None:
    """Tokens for the console, or for its API (Authorization: Bearer jko_…), valid until they are revoked."""


@tokens.command("new", short_help="Make a token.")
@click.argument("name")
@click.option("--viewer", is_flag=True, help="Make the token read-only.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(get_args(Scope)),
    help="A scope, instead of all. Repeatable. Write scopes include reading.",
)
@click.option("--expires", type=duration, help="Lifetime, such as 30d or 12h.  [default: unlimited]")
@to_option("Write it to FILE, readable only by its owner, and do not show it.")
@with_settings
async def new(
    settings: Settings,
    name: str,
    viewer: bool,
    scopes: tuple[Scope, ...],
    expires: float | None,
    file: Path | None,
    as_json: bool,
) -> None:
    """Make a token called NAME, which the server logs with its actions. It is shown only now."""
    if viewer and scopes:
        raise click.UsageError("--viewer already sets the scopes: omit --scope.")
    async with assembled(settings, console=True) as assembly:
        access = _console_of(assembly).access
        entry, token = await access.new_token(
            name,
            "viewer" if viewer else "operator",
            scopes=scopes or None,
            expires_at=None if expires is None else assembly.clock() + expires,
        )
        if file is not None:
            async with or_revoked("token", lambda: access.revoke(entry.id)):
                write_key(file, token)
    shown = {**_fields(entry), "token": None if file else token}
    where = f"in {file}" if file else f"{token}  (shown only now)" if sys.stdout.isatty() else token
    show_entry(shown | ({"file": str(file)} if file else {}), where, as_json=as_json)


@tokens.command("list", short_help="List tokens.")
@with_settings
async def list_(settings: Settings, as_json: bool) -> None:
    """List all tokens, oldest first."""
    async with assembled(existing(settings), console=True) as assembly:
        known = await _console_of(assembly).access.tokens()
        if not known:
            show_nothing("no tokens yet; `jikko console tokens new NAME` makes one", as_json=as_json)
        for entry in known:
            used = "never used" if entry.used_at is None else f"used {iso(entry.used_at, 'seconds')}"
            end = "" if entry.expires_at is None else f"  expires {iso(entry.expires_at, 'seconds')}"
            may = entry.role if entry.scopes is None else ",".join(entry.scopes)
            line = harmless(f"{entry.id}  {entry.hint}  {may:8}  {entry.name}  {used}{end}")
            times = {"hint": entry.hint, "created_at": entry.created_at, "used_at": entry.used_at}
            show_entry(_fields(entry) | times, line, as_json=as_json)


@tokens.command(short_help="Revoke a token.")
@click.argument("token_id")
@with_settings
async def revoke(settings: Settings, token_id: str, as_json: bool) -> None:
    """Remove a token by its id. Browsers signed in with it are signed out at once."""
    async with assembled(existing(settings), console=True) as assembly:
        await _console_of(assembly).access.revoke(token_id)
    if as_json:
        show_entry({"id": token_id, "revoked": True}, "", as_json=True)


def _console_of(assembly: Assembly) -> Any:
    if assembly.console is None:
        raise click.ClickException("The console is off (JIKKO_CONSOLE).")
    return assembly.console


def _fields(entry: ConsoleToken) -> dict[str, Any]:
    scopes = sorted(SCOPES[entry.role] if entry.scopes is None else entry.scopes)
    end = entry.expires_at
    return {"id": entry.id, "name": entry.name, "role": entry.role, "scopes": scopes, "expires_at": end}


@click.group()
def users() -> None:
    """End users of apps, as named in requests (user)."""


@users.command(short_help="Remove an end user with all data.")
@click.argument("app", shell_complete=complete_app)
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do not ask. Without a terminal, nothing is asked.")
@with_settings
async def delete(settings: Settings, app: str, user: str, yes: bool, as_json: bool) -> None:
    """Remove the end user USER of APP (name or id) with all data, also of removed apps of that name.

    That is conversations with their messages, feedback and variables; runs with logs, callbacks and idempotency keys;
    and files. Active runs are stopped; those of removed apps only while no server runs. While one runs, the name stays
    in the list of end users, and a second call without it removes that, too. On a terminal it asks first. The exit code
    is 7 if nothing was found.
    """
    ask = not (yes or as_json)
    existing(settings)
    if ask and is_conversation() and not confirmed(f"Remove all data of {user!r} in {app!r}?"):
        raise Failure("nothing was removed", code="declined")
    async with AsyncExitStack() as stack:
        assembly, address = await open_folder(settings, stack, doing="jikko users")
        counts = Counter(conversations=0, runs=0, files=0)
        app_ids = [app_id for app_id, _ in await assembly.apps.past_and_present(app)]
        # Removed apps are the last. A server does not stop their runs: it is told before the first run stops.
        for app_id in reversed(app_ids):
            await _stop(assembly, app_id, user, address)
        for app_id in app_ids:
            counts.update(asdict(await assembly.upkeep.user_removal.remove(app_id, user, alone=not address)))
        await assembly.runs.close(0)
    if not counts.total():
        raise Failure(f"No data of {user!r} in {app!r}.", exit_code=ExitCode.NOT_FOUND, code="not_found")
    listed = ", ".join(counted(count, what[:-1]) for what, count in counts.items())
    show_entry(counts, f"{listed}: removed.", as_json=as_json)


async def _stop(assembly: Assembly, app_id: str, user: str, address: str) -> None:
    """Stop active runs, wherever they are. ``address``: Of the server that has them; ``""``: this process."""
    open_runs = await assembly.upkeep.user_removal.open_runs(app_id, user)
    if not address:
        for run_id in open_runs:
            await assembly.runs.control.stop(app_id, run_id, user)
    elif open_runs:
        async with assembly.app_keys.passing(app_id) as key:
            for run_id in open_runs:
                await Server(address, key, user, assembly.store).act_on(run_id, "stop")


@click.command(short_help="List who changed what.")
@click.option("--app", help="Only changes of this app (name or id), also a removed one.")
@click.option("--actor", help="Only changes by this token, or system user.")
@click.option("--action", help="Only this operation of the API, such as stop_run, or command, such as 'apps use'.")
@click.option("--since", type=duration, metavar="AGE", help="Only entries younger than this, such as 2h or 7d.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Maximum number of entries."
)
@with_assembly
async def audit(
    assembly: Assembly,
    app: str | None,
    actor: str | None,
    action: str | None,
    since: float | None,
    limit: int,
    as_json: bool,
) -> None:
    """List changes made through the management API, in the console and by commands, newest first.

    With --json also the values before and after; secrets are masked.
    """
    ids = None if app is None else tuple(id_ for id_, _ in await assembly.apps.past_and_present(app))
    earliest = None if since is None else assembly.clock() - since
    wanted = AuditFilter(app_ids=ids, actor=actor, action=action, since=earliest)
    rows: list[tuple[dict[str, Any], tuple[str, ...]]] = []
    for entry in await assembly.audit().entries(wanted, limit=limit):
        at = iso(entry.at, "seconds")
        change = "" if entry.after is None else json.dumps(entry.after, ensure_ascii=False)[:60]
        rows.append((asdict(entry), (at, entry.actor, entry.via, entry.action, entry.what, change)))
    if not rows:
        show_nothing("no changes yet", as_json=as_json)
    show_table(("AT", "WHO", "VIA", "ACTION", "WHAT", "AFTER"), rows, as_json=as_json)
