"""Command ``jikko apps keys``, and the delivery of new keys."""

import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click

from jikko.apps.key_files import forget_key, keep_key, write_key
from jikko.apps.keys import checked_key, new_key
from jikko.assemble.assembly import Assembly
from jikko.cli.options import assembled, existing, to_option, with_settings
from jikko.cli.output import ago, show_entry, show_table
from jikko.errors import InvalidParam
from jikko.settings import Settings


@asynccontextmanager
async def or_revoked(noun: str, revoke: Callable[[], Coroutine[Any, Any, object]]) -> AsyncIterator[None]:
    """Write a new key to a file within the block. On failure the key is revoked, and the command ends."""
    try:
        yield
    except OSError as error:
        await revoke()
        raise click.ClickException(
            f"{error.filename} cannot be written: {error.strerror}. No {noun} was made."
        ) from None


async def issue_key(
    assembly: Assembly, app_id: str, home: Path, *, as_json: bool, file: Path | None = None, only_first: bool = False
) -> tuple[str | None, str]:
    """Make a key. It is shown on a terminal and in JSON; otherwise, and if a file is named, it is written to a file.
    ``only_first``: Only if the app has none. Returns the key and a message; ``None`` and an empty text if none was
    made."""
    key = new_key()
    entry = await (assembly.app_keys.add_first if only_first else assembly.app_keys.add)(app_id, key)
    if entry is None:
        return None, ""
    app = await assembly.apps.find(app_id)
    async with or_revoked("key", lambda: assembly.app_keys.revoke(app, entry.id)):
        if file is not None:
            write_key(file, key)
        elif as_json or sys.stdout.isatty():
            return key, f"{key}  (shown only now)"
        else:
            file = keep_key(home, entry, key, app.name)
    return key, f"in {file}"


@click.command()
@click.argument("app", required=False)
@click.option("--new", is_flag=True, help="Make another key.")
@click.option("--apps", metavar="APP,APP", help="With --new, instead of APP: one key for all of these apps.")
@to_option("With --new: write the key to FILE, readable only by its owner, and do not show it.")
@click.option(
    "--add",
    "source",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Add keys that clients already have: one a line; - for standard input.",
)
@click.option("--revoke", metavar="KEY_ID", help="Remove a key.")
@with_settings
async def keys(
    settings: Settings,
    app: str | None,
    new: bool,
    apps: str | None,
    file: Path | None,
    source: Path | None,
    revoke: str | None,
    as_json: bool,
) -> None:
    """List, make, add or revoke the API keys of an APP (name or id).

    A new key is shown on a terminal and with --json. Otherwise it is written to a file in the data folder, and the file
    is named.
    """
    if file is not None and not new:
        raise click.UsageError("--to needs --new.")
    if (app is None) == (apps is None) or (apps and (source or revoke or not new)):
        raise click.UsageError("Name one APP; or with --new several by --apps APP,APP.")
    if app is None:
        await _share(settings, [name.strip() for name in str(apps).split(",")], file, as_json=as_json)
        return
    brought = [] if source is None else _brought(source)
    async with assembled(existing(settings)) as assembly:
        found = await assembly.apps.find(app)
        if revoke:
            await assembly.app_keys.revoke(found, revoke)
            forget_key(settings.home, revoke)
        if new:
            key, line = await issue_key(assembly, found.id, settings.home, as_json=as_json, file=file)
            answer = {"app_id": found.id, "api_key": key if file is None else None, "file": file and str(file)}
            show_entry(answer, line, as_json=as_json)
        added = [await assembly.app_keys.add(found.id, key) for key in brought]
        rows = [
            (
                {"id": entry.id, "hint": entry.hint, "created_at": int(entry.created_at)},
                (entry.id, entry.hint, ago(entry.created_at, time.time())),
            )
            for entry in added or ([] if new else await assembly.app_keys.of(found))
        ]
        show_table(("KEY", "BEGINS WITH", "MADE"), rows, as_json=as_json)


async def _share(settings: Settings, names: Sequence[str], file: Path | None, *, as_json: bool) -> None:
    """Make a key for several apps, and show it once, or write it to a file."""
    if file is None and not (as_json or sys.stdout.isatty()):
        raise click.UsageError("--to must name a file for the key, since it is not printed.")
    async with assembled(existing(settings)) as assembly:
        found = list(dict.fromkeys([await assembly.apps.find(name) for name in names]))
        key = await assembly.app_keys.share(found)
        if file is not None:
            async with or_revoked("key", lambda: assembly.app_keys.unshare(key)):
                write_key(file, key)
        answer = {"app_ids": [app.id for app in found], "api_key": None if file else key, "file": file and str(file)}
        show_entry(answer, f"in {file}" if file else f"{key}  (shown only now)", as_json=as_json)


def _brought(source: Path) -> list[str]:
    try:
        text = sys.stdin.read() if str(source) == "-" else source.read_text(encoding="utf-8")
        keys = [checked_key(line) for line in text.splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise click.UsageError(f"--add: {source} cannot be read: {what}.") from None
    except InvalidParam as error:
        raise click.UsageError(f"--add: {error}") from None
    if not keys:
        raise click.UsageError(f"--add: {source} has no key.")
    return keys
