"""``jikko console``: a link that opens the console, and the tokens that do."""

import sys
import webbrowser
from pathlib import Path
from typing import Any

import click

from jikko.apps.key_files import write_key
from jikko.assemble.assembly import Assembly
from jikko.cli.apps.app_keys_command import or_revoked
from jikko.cli.options import (
    assembled,
    existing,
    home_option,
    json_option,
    run_async,
    settings_of,
    to_option,
    with_settings,
)
from jikko.cli.runs.entries import iso
from jikko.cli.shown import show_entry, show_nothing
from jikko.cluster.data_folder_lock import owner_of
from jikko.server.serving import link
from jikko.settings import Settings
from jikko.terminal_text import harmless


@click.group(invoke_without_command=True)
@click.option("--viewer", is_flag=True, help="A link that lets look, and change nothing.")
@click.option("--open", "opens", is_flag=True, help="Open it in the browser.")
@home_option
@json_option
@click.pass_context
def console(context: click.Context, viewer: bool, opens: bool, home: Path | None, as_json: bool) -> None:
    """Print a link that opens the console in a browser: once, and within 5 minutes.

    The server may run or not; it has to when the link is opened. Tokens, which open the console for good, are made
    with `jikko console tokens`.
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
    """Tokens that open the console, or its API to scripts (Authorization: Bearer jko_…), until they are revoked."""


@tokens.command("new", short_help="Make a token.")
@click.argument("name")
@click.option("--viewer", is_flag=True, help="It may look, and change nothing.")
@to_option("Write it into FILE, which only its owner can read, and show nothing of it.")
@with_settings
async def new(settings: Settings, name: str, viewer: bool, file: Path | None, as_json: bool) -> None:
    """Make a token called NAME, which the log of the server has for what is done with it. It is shown only now."""
    role = "viewer" if viewer else "operator"
    async with assembled(settings, console=True) as assembly:
        access = _console_of(assembly).access
        entry, token = await access.new_token(name, role)
        if file is not None:
            async with or_revoked("token", lambda: access.revoke(entry.id)):
                write_key(file, token)
    shown = {"id": entry.id, "name": name, "role": role, "token": None if file else token}
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
            fields = ("id", "name", "role", "hint", "created_at", "used_at")
            used = "never used" if entry.used_at is None else f"used {iso(entry.used_at, 'seconds')}"
            line = harmless(f"{entry.id}  {entry.hint}  {entry.role:8}  {entry.name}  {used}")
            show_entry({field: getattr(entry, field) for field in fields}, line, as_json=as_json)


@tokens.command(short_help="Revoke a token.")
@click.argument("token_id")
@with_settings
async def revoke(settings: Settings, token_id: str, as_json: bool) -> None:
    """Remove a token by its id. Browsers that signed in with it are out at once."""
    async with assembled(existing(settings), console=True) as assembly:
        await _console_of(assembly).access.revoke(token_id)
    if as_json:
        show_entry({"id": token_id, "revoked": True}, "", as_json=True)


def _console_of(assembly: Assembly) -> Any:
    if assembly.console is None:
        raise click.ClickException("There is no console: JIKKO_CONSOLE is off.")
    return assembly.console
