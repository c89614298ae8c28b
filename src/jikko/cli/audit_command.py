"""Command ``jikko audit``, the log of changes."""

import json
from typing import Any

import click
from msgspec.structs import asdict

from jikko.assemble.assembly import Assembly
from jikko.cli.options import duration, with_assembly
from jikko.cli.output import iso, show_nothing, show_table
from jikko.ports.stores.audit_store import AuditFilter


@click.command(short_help="List who changed what.")
@click.option("--app", help="Only changes of this app (name or id), also a removed one.")
@click.option("--actor", help="Only changes by this token, or system user.")
@click.option("--action", help="Only this operation of the API, such as stop_run, or command, such as 'apps use'.")
@click.option("--since", type=duration, metavar="AGE", help="Only entries younger than this, such as 2h or 7d.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, help="Maximum number of entries.")
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
