"""``jikko coverage``: the nodes and branches of a workflow that recorded runs came to."""

import time
from pathlib import Path

import click

from jikko.cli.command_failure import Failure
from jikko.cli.completion import complete_app
from jikko.cli.options import assembled, duration, existing, with_settings
from jikko.cli.testing.report_files import lcov_option, write_report
from jikko.cli.testing.reports import JsonReport, TextReport
from jikko.embedded.recorded_runs import RecordedRuns
from jikko.exit_codes import ExitCode
from jikko.proving.coverage import Coverage
from jikko.settings import Settings
from jikko.terminal_text import printable


@click.command()
@click.option("--app", required=True, help="The app (name or id).", shell_complete=complete_app)
@click.option("--last", type=click.IntRange(min=1), default=500, show_default=True, help="How many of its newest runs.")
@click.option("--since", type=duration, metavar="AGE", help="Only runs that began so lately, such as 2h or 90d.")
@lcov_option
@with_settings
async def coverage(
    settings: Settings, app: str, last: int, since: float | None, lcov: Path | None, as_json: bool
) -> int:
    """Show which nodes and branches of the current version of an app no recorded run came to.

    Runs of all versions count, also those of the archive: nodes go by their ids. Nothing is run.
    """
    async with assembled(existing(settings)) as assembly:
        recorded = RecordedRuns(assembly, await assembly.apps.find(app))
        workflow = await assembly.workflows.get(recorded.app)
        source = (await assembly.apps.version(recorded.app, "")).source
        titles = {node.id: node.title for node in workflow.graph.nodes.values()}
        found = Coverage(recorded.app.name, source, workflow.document, titles)
        looked_at = left_out = 0
        async for identity in recorded.newest(last, 0.0 if since is None else time.time() - since):
            recording = await recorded.recording(identity)
            if recording.events:
                looked_at += 1
                found.add(recording.events)
            else:
                left_out += 1
        if not looked_at:
            raise Failure("there are no such runs", exit_code=ExitCode.NOT_FOUND, code="not_found")
        if lcov is not None:
            write_report(lcov, found.lcov().encode())
        (JsonReport() if as_json else TextReport()).cover(found)
        click.echo(f"{looked_at} run{'s' * (looked_at != 1)} looked at", err=True)
        if left_out:
            click.echo(f"left out: {left_out} whose logs were removed or are damaged", err=True)
        for text in recorded.unread:
            click.echo(printable(f"left out: {text}"), err=True)
    return ExitCode.OK
