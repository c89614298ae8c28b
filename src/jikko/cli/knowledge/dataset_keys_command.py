"""``jikko knowledge keys``: who may use the knowledge API."""

import sys
from pathlib import Path

import click

from jikko.apps.key_files import write_key
from jikko.assemble.assembly import Assembly
from jikko.cli.apps.app_keys_command import or_revoked
from jikko.cli.options import assembled, to_option, with_assembly, with_settings
from jikko.cli.output import show_entry, show_nothing, show_table
from jikko.cli.runs.entries import ago
from jikko.settings import Settings


@click.group()
def keys() -> None:
    """Keys that begin with `dataset-`. Each opens all datasets, over /v1/datasets."""


@keys.command(short_help="Make a key.")
@to_option("Write the key into FILE, which only its owner reads, and show nothing of it.")
@with_settings
async def create(settings: Settings, file: Path | None, as_json: bool) -> None:
    """Make a key. It is shown only now: on a terminal and with --json. Elsewhere name a file for it."""
    if file is None and not as_json and not sys.stdout.isatty():
        raise click.UsageError("Say where the key goes: --to FILE, or --json.")
    async with assembled(settings) as assembly:
        key, kept = await assembly.knowledge.keys.create()
        if file is not None:
            async with or_revoked("key", lambda: assembly.knowledge.keys.delete(kept.id)):
                write_key(file, key)
    entry = {"id": kept.id, "api_key": key if file is None else None, "file": file and str(file)}
    show_entry(entry, f"{key}  (shown only now)" if file is None else f"in {file}", as_json=as_json)


@keys.command("list", short_help="List keys.")
@with_assembly
async def list_(assembly: Assembly, as_json: bool) -> None:
    """List keys, the oldest first. Of each only its beginning is known."""
    known = await assembly.knowledge.keys.all()
    if not known:
        show_nothing("no keys yet; `jikko knowledge keys create` makes one", as_json=as_json)
    rows = [
        ({"id": key.id, "hint": key.hint, "created_at": key.created_at}, (key.id, key.hint, ago(key.created_at)))
        for key in known
    ]
    show_table(("KEY", "BEGINS WITH", "MADE"), rows, as_json=as_json)


@keys.command(short_help="Remove a key.")
@click.argument("key_id")
@with_assembly
async def revoke(assembly: Assembly, key_id: str, as_json: bool) -> None:
    """Remove the key with this KEY_ID (see `list`). It opens nothing from then on."""
    await assembly.knowledge.keys.delete(key_id)
    show_entry({"revoked": key_id}, f"{key_id} revoked", as_json=as_json)
