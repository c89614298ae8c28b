"""Command ``jikko console``: sign-in links for the console, and tokens."""

import sys
import webbrowser
from pathlib import Path
from typing import Any, get_args

import click

from jikko.apps.key_files import write_key
from jikko.assemble.assembly import Assembly
from jikko.cli.apps.app_keys_command import or_revoked
from jikko.cli.options import (
    assembled,
    duration,
    existing,
    home_option,
    json_option,
    run_async,
    settings_of,
    to_option,
    with_settings,
)
from jikko.cli.output import iso, show_entry, show_nothing
from jikko.cluster.data_folder_lock import owner_of
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
