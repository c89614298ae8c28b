"""``jikko replay``: production's runs on a changed workflow; and ``coverage``: the nodes that recorded runs came to."""

import time
from pathlib import Path

import click

from jikko.cli.command_failure import Failure
from jikko.cli.completion import complete_app, complete_run
from jikko.cli.options import (
    assembled,
    duration,
    existing,
    providers_option,
    tools_option,
    with_settings,
)
from jikko.cli.testing.replay_reports import JsonReplayReport, ReplayReport, ReplaySums, TextReplayReport
from jikko.cli.testing.report_files import lcov_option, write_report
from jikko.cli.testing.reports import JsonReport, TextReport
from jikko.embedded.recorded_runs import RecordedRuns
from jikko.embedded.replaying import ReplayChoice, chosen_replay
from jikko.exit_codes import ExitCode
from jikko.proving.coverage import Coverage
from jikko.proving.replayed_run import ReplayMode
from jikko.settings import Settings
from jikko.terminal_text import printable

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN...]", shell_complete=complete_run)
@click.option(
    "--app",
    help="The app (name or id) whose newest runs are replayed; with --from its id.",
    shell_complete=complete_app,
)
@click.option("--last", type=click.IntRange(min=1), default=100, show_default=True, help="How many of them.")
@click.option("--since", type=duration, metavar="AGE", help="Only runs that began so lately, such as 2h or 7d.")
@click.option("--from", "export", type=_FILE, metavar="FILE", help="Runs of a file that `jikko runs export` wrote.")
@click.option(
    "--against", type=_FILE, metavar="WORKFLOW", help="The changed workflow file.  [default: the app's current version]"
)
@click.option("--before", type=_FILE, metavar="WORKFLOW", help="With --from: the workflow file that the runs were of.")
@click.option(
    "--mode",
    type=click.Choice(["strict", "nearest", "live"]),
    default="nearest",
    show_default=True,
    help="What becomes of a request that was another one then. strict: the run fails. nearest: it gets the answer of "
    "then, which is told as assumed. live: it is really made.",
)
@click.option(
    "--price",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="With --mode live: what models may cost; 0 asks nothing.",
)
@click.option("--coverage", "covers", is_flag=True, help="Show which nodes and branches no run came to.")
@lcov_option
@click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="The longest that a run may take here.",
)
@providers_option
@tools_option
@with_settings
async def replay(
    settings: Settings,
    runs: tuple[str, ...],
    app: str | None,
    last: int,
    since: float | None,
    export: Path | None,
    against: Path | None,
    before: Path | None,
    mode: ReplayMode,
    price: float,
    covers: bool,
    lcov: Path | None,
    seconds: float,
    as_json: bool,
) -> int:
    """Run recorded runs again on a changed workflow, and say which do otherwise.

    Code, templates, conditions and lists really run. What models, tools, requests, searches, agents and people answered
    is taken from the log. Nothing is recorded, and but for --mode live nothing outside is reached. docs/testing.md says
    what the outcomes mean.

    Exit codes: 0 all runs do the same, 1 some do not, 2 wrong use, 8 the workflow cannot be imported.
    """
    choice = ReplayChoice(
        runs=runs,
        app=app or "",
        last=last,
        since=0.0 if since is None else time.time() - since,
        export=export,
        against=against,
        before=before,
        mode=mode,
        price=price,
        seconds=seconds,
    )
    if problem := choice.problem():
        raise click.UsageError(problem)
    opened = assembled(settings, in_memory=True) if export is not None else assembled(existing(settings))
    async with opened as assembly:
        chosen = await chosen_replay(assembly, choice)
        sums = ReplaySums()
        titles = {node.id: node.title for node in chosen.now.graph.nodes.values()}
        coverage = Coverage(str(against or chosen.app.name), chosen.text, chosen.now.document, titles)
        chosen.replays.coverage = coverage if covers or lcov else None
        report: ReplayReport = JsonReplayReport() if as_json else TextReplayReport(titles)
        began = time.perf_counter()
        async for result, knows_version in chosen.results():
            sums.add(result, knows_version=knows_version)
            report.add(result)
        if not sums.outcomes:
            raise Failure("there are no such runs", exit_code=ExitCode.NOT_FOUND, code="not_found")
        if lcov is not None:
            write_report(lcov, coverage.lcov().encode())
        if covers:
            (JsonReport() if as_json else TextReport()).cover(coverage)
        report.close(sums, time.perf_counter() - began)
        for text in chosen.replays.unread:
            click.echo(printable(f"left out: {text}"), err=True)
    return ExitCode.OK if set(sums.outcomes) == {"same"} else ExitCode.FAILED


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
