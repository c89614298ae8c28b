"""``jikko runs prune``: removing old runs."""

import time

import click

from jikko.cli.command_failure import Failure
from jikko.cli.completion import complete_app
from jikko.cli.options import assembled, duration, existing, with_settings
from jikko.cli.output import counted, show_entry
from jikko.cli.terminal import confirmed, is_conversation
from jikko.settings import Settings


@click.command()
@click.option("--older-than", type=duration, metavar="AGE", required=True, help="Such as 30d, 12h or 90m.")
@click.option(
    "--app", help="Only runs of this app (name or id), also a removed one; no files.", shell_complete=complete_app
)
@click.option("--dry-run", is_flag=True, help="Say how many there are, and remove nothing.")
@click.option("--yes", is_flag=True, help="Do not ask. Without a terminal there is no question.")
@with_settings
async def prune(
    settings: Settings, older_than: float, app: str | None, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Remove runs that ended so long ago, with their logs, and files that were not used since.

    Open and paused runs stay, with all that belongs to them, and so does a run whose call-back is still tried: until it
    was delivered or given up, after a day. Works with the server running or not. On a terminal it asks first.
    """
    asks = not (yes or dry_run or as_json) and is_conversation()
    before = time.time() - older_than
    async with assembled(existing(settings)) as assembly:
        # What `jikko runs list --app` shows is what is removed.
        apps = [app_id for app_id, _ in await assembly.apps.past_and_present(app)] if app else [None]
        if dry_run or asks:
            count = sum([await assembly.upkeep.retention.prunable(before, app_id=app_id) for app_id in apps])
            if dry_run:
                show_entry({"runs": count}, f"{counted(count, 'run')} would be removed.", as_json=as_json)
                return
            if not confirmed(f"Remove {counted(count, 'run')}?"):
                raise Failure("nothing was removed", code="declined")
        pruned = [await assembly.upkeep.retention.prune(before, app_id=app_id) for app_id in apps]
    runs, files = sum(each.runs for each in pruned), sum(each.files for each in pruned)
    text = f"{counted(runs, 'run')} and {counted(files, 'file')} were removed."
    show_entry({"runs": runs, "files": files}, text, as_json=as_json)
