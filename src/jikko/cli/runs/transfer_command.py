"""Commands ``jikko runs export|import``, which transfer runs between data folders."""

import math
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

import click

from jikko.assemble.assembly import Assembly
from jikko.cli.options import assembled, duration, existing, with_new_assembly, with_settings
from jikko.cli.output import show_entry, whole_file
from jikko.maintenance.transfer import MAX_LINE, BadLine, export_lines, export_named, import_lines
from jikko.runs.reading.short_ids import run_of
from jikko.settings import Settings


@click.command("export")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path), default="-")
@click.option("--app", help="Only runs of this app (name or id).")
@click.option("--run", "named", multiple=True, metavar="ID", help="Only this run. Repeatable.")
@click.option("--since", type=duration, metavar="AGE", help="Only runs younger than this, such as 2h or 7d.")
@click.option("--until", type=duration, metavar="AGE", help="Only runs that began before that, such as 30d.")
@with_settings
async def export_runs(
    settings: Settings, file: Path, app: str | None, named: Sequence[str], since: float | None, until: float | None
) -> int:
    """Write ended runs with their logs to FILE (default: standard output), as JSON Lines, one run a line.

    Archived runs follow those of the database. FILE appears when it is complete. Runs with damaged logs, and unreadable
    parts of the archive, are skipped and named; the exit code is 1 then.
    """
    if named and (app or since is not None or until is not None):
        raise click.UsageError("--run names the runs: it goes with none of --app, --since and --until.")
    if since is not None and until is not None and since <= until:
        raise click.UsageError("--since is further back than --until: no run began so lately and before that.")
    damaged: list[Exception] = []
    count, now = 0, time.time()
    async with assembled(existing(settings)) as assembly:
        if named:
            records = [await run_of(assembly.store, run_id) for run_id in named]
            lines = export_named(assembly.store, records, damaged=damaged.append)
        else:
            lines = export_lines(
                assembly.store,
                app_id=(await assembly.apps.find(app)).id if app else None,
                since=0.0 if since is None else now - since,
                until=math.inf if until is None else now - until,
                damaged=damaged.append,
            )
        try:
            with _target(file) as target:
                async for line in lines:
                    target.write(line)
                    count += 1
        except OSError as error:
            raise click.ClickException(f"{file} cannot be written: {error.strerror or error}.") from None
    for reason in damaged:
        click.echo(f"Skipped: {reason}", err=True)
    click.echo(f"{count} runs were written" + (f", {len(damaged)} were left out." if damaged else "."), err=True)
    return 1 if damaged else 0


def _target(file: Path) -> AbstractContextManager[BinaryIO]:
    if str(file) == "-":
        return nullcontext(sys.stdout.buffer)
    return whole_file(file)


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--app", help="The app (name or id) to import them into.  [default: the app of the export]")
@with_new_assembly
async def import_runs(assembly: Assembly, file: Path, app: str | None, as_json: bool) -> None:
    """Import runs written by `jikko runs export`. Existing runs are unchanged.

    An app imported into two data folders has different ids: with --app its runs from the one are visible to its clients
    in the other.
    """
    app_id = (await assembly.apps.find(app)).id if app else None
    try:
        with click.open_file(str(file), "rb") as source:
            lines = iter(lambda: source.readline(MAX_LINE + 1), b"")
            imported = await import_lines(assembly.store, lines, app_id=app_id)
    except BadLine as error:
        raise click.ClickException(f"{file}: {error}") from None
    await assembly.upkeep.keyword_indexing.catch_up()
    here = {known.id for known in await assembly.apps.all()}
    for unknown in sorted(set(imported.apps) - here):
        click.echo(
            f"{imported.apps[unknown]} runs belong to the app {unknown}, which does not exist here: neither clients nor"
            " `jikko runs list` show them. To assign runs to an existing app, give --app when importing them first.",
            err=True,
        )
    text = f"{imported.added} runs were read, {imported.known} were there already."
    show_entry({"added": imported.added, "known": imported.known}, text, as_json=as_json)
