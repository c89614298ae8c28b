"""Command ``jikko users``, for end users of apps."""

from contextlib import AsyncExitStack

import click

from jikko.assemble.assembly import Assembly
from jikko.cli.command_failure import Failure
from jikko.cli.completion import complete_app
from jikko.cli.options import existing, with_settings
from jikko.cli.output import counted, show_entry
from jikko.cli.runs.remote import Server, open_folder
from jikko.cli.terminal import confirmed, is_conversation
from jikko.exit_codes import ExitCode
from jikko.settings import Settings


@click.group()
def users() -> None:
    """End users of apps, as named in requests (user)."""


@users.command(short_help="Remove an end user with all data.")
@click.argument("app", shell_complete=complete_app)
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do not ask. Without a terminal, nothing is asked.")
@with_settings
async def delete(settings: Settings, app: str, user: str, yes: bool, as_json: bool) -> None:
    """Remove the end user USER of APP (name or id) with all data.

    That is conversations with their messages, feedback and variables; runs with logs, callbacks and idempotency keys;
    and files. Active runs are stopped. Works with the server running or not; while it runs, the name itself stays in
    the list of end users, and a second call without it removes that, too. On a terminal it asks first. The exit code is
    7 if nothing was found.
    """
    ask = not (yes or as_json)
    existing(settings)
    if ask and is_conversation() and not confirmed(f"Remove all data of {user!r} in {app!r}?"):
        raise Failure("nothing was removed", code="declined")
    async with AsyncExitStack() as stack:
        assembly, address = await open_folder(settings, stack, doing="jikko users")
        found = await assembly.apps.find(app)
        await _stop(assembly, found.id, user, address)
        removed = await assembly.upkeep.user_removal.remove(found.id, user, alone=not address)
        await assembly.runs.close(0)
    if not removed.something:
        raise Failure(f"No data of {user!r} in {found.name!r}.", exit_code=ExitCode.NOT_FOUND, code="not_found")
    counts = {"conversations": removed.conversations, "runs": removed.runs, "files": removed.files}
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
