"""``jikko replay``: production's runs on a changed workflow."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import click

from jikko.apps.dsl_file import read_dsl_file
from jikko.apps.versions import Workflow
from jikko.assemble.assembly import Assembly
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
from jikko.cli.testing.recorded_runs import RecordedRuns, exported
from jikko.cli.testing.replay_reports import JsonReplayReport, ReplayReport, ReplaySums, TextReplayReport
from jikko.cli.testing.report_files import lcov_option, write_report
from jikko.cli.testing.reports import JsonReport, TextReport
from jikko.engine.limits import RunLimits
from jikko.exit_codes import ExitCode
from jikko.ids import is_uuid
from jikko.maintenance.exported_run import BadLine
from jikko.ports.stores.app_store import App
from jikko.proving.coverage import Coverage
from jikko.proving.recording import Recording
from jikko.proving.replay_verdict import ReplayedResult, result_of, unknown
from jikko.proving.replayed_run import Price, Replayer, ReplayMode
from jikko.record import RunIdentity
from jikko.runs.reading.short_ids import run_of
from jikko.settings import Settings
from jikko.terminal_text import printable

_AT_ONCE = 16
"""Runs that are replayed side by side."""
_EVERYWHERE = ("start", "end", "answer")
"""Types of nodes that most workflows have, often by the same ids."""
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
    if bool(runs) + bool(export) + bool(app and not export) != 1:
        raise click.UsageError("say which runs: RUN..., --app NAME, or --from FILE")
    if export is not None and against is None:
        raise click.UsageError("--from FILE needs --against WORKFLOW: an export has no workflows")
    if export is not None and app is not None and not is_uuid(app):
        raise click.UsageError("--app takes the id of an app with --from FILE: an export has no names of apps")
    if before is not None and export is None:
        raise click.UsageError("--before is for --from FILE; the versions of recorded runs are known")
    opened = assembled(settings, in_memory=True) if export is not None else assembled(existing(settings))
    async with opened as assembly:
        limits = RunLimits(max_steps=settings.max_steps, max_parallel_nodes=settings.max_parallel_nodes)
        recorded = None
        if export is None:
            first = runs[0] if runs else ""
            owner = (await run_of(assembly.store, first)).identity.app_id if runs else str(app)
            recorded = RecordedRuns(assembly, await assembly.apps.find(owner))
            of_app = recorded.app
        else:
            assert against is not None
            published = await assembly.apps.publish(read_dsl_file(against), source=str(against))
            of_app = published.app
        text = read_dsl_file(against) if against else (await assembly.apps.version(of_app, "")).source
        now = await _version(assembly, of_app, against)
        was = None if before is None else await _version(assembly, of_app, before)
        replays = Replays(
            Replayer(now, assembly.ports, limits, mode, Price(Decimal(str(price)))), recorded, was, seconds
        )
        sums = ReplaySums()
        titles = {node.id: node.title for node in now.graph.nodes.values()}
        coverage = Coverage(str(against or of_app.name), text, now.document, titles)
        replays.coverage = coverage if covers or lcov else None
        report: ReplayReport = JsonReplayReport() if as_json else TextReplayReport(titles)
        began = time.perf_counter()
        source: AsyncIterator[RunIdentity | Recording | BadLine]
        if recorded is None:
            assert export is not None
            source = _of_file(export, app and app.lower())
        elif runs:
            source = recorded.named(runs)
        else:
            source = recorded.newest(last, 0.0 if since is None else time.time() - since)
        async for result, knows_version in replays.results(source):
            sums.add(result, knows_version=knows_version)
            report.add(result)
        if not sums.outcomes:
            raise Failure("there are no such runs", exit_code=ExitCode.NOT_FOUND, code="not_found")
        if lcov is not None:
            write_report(lcov, coverage.lcov().encode())
        if covers:
            (JsonReport() if as_json else TextReport()).cover(coverage)
        report.close(sums, time.perf_counter() - began)
        for trouble in recorded.unread if recorded is not None else ():
            click.echo(printable(f"left out: {trouble}"), err=True)
    return ExitCode.OK if set(sums.outcomes) == {"same"} else ExitCode.FAILED


async def _version(assembly: Assembly, app: App, path: Path | None) -> Workflow:
    if path is None:
        return await assembly.workflows.get(app)
    return assembly.workflows.of_file(app, read_dsl_file(path), source=str(path))


async def _of_file(path: Path, app_id: str | None) -> AsyncIterator[RunIdentity | Recording | BadLine]:
    for each in exported(path, app_id):
        yield each


class Replays:
    """Replays runs, some side by side."""

    def __init__(self, replayer: Replayer, recorded: RecordedRuns | None, was: Workflow | None, seconds: float) -> None:
        """``recorded``: knows the versions of runs; without it they are all of the version ``was``, if that is known.
        ``seconds``: the longest that a run may take."""
        self._replayer = replayer
        self._recorded = recorded
        self._was = was
        self._seconds = seconds
        self.coverage: Coverage | None = None

    async def results(
        self, source: AsyncIterator[RunIdentity | Recording | BadLine]
    ) -> AsyncIterator[tuple[ReplayedResult, bool]]:
        """What becomes of each, in the order given, and whether the version is known that it was of."""
        under_way: deque[asyncio.Task[tuple[ReplayedResult, bool]]] = deque()
        # What is really asked is asked one at a time: a run that waits for another's call would lose its own time.
        at_once = 1 if self._replayer.mode == "live" else _AT_ONCE
        try:
            async for each in source:
                under_way.append(asyncio.ensure_future(self._result(each)))
                if len(under_way) == at_once:
                    yield await under_way.popleft()
            while under_way:
                yield await under_way.popleft()
        finally:
            for task in under_way:
                task.cancel()

    async def _result(self, given: RunIdentity | Recording | BadLine) -> tuple[ReplayedResult, bool]:
        if isinstance(given, BadLine):
            return unknown("", str(given)), False
        recording = given
        if isinstance(recording, RunIdentity):
            assert self._recorded is not None
            recording = await self._recorded.recording(recording)
        run_id, nodes = recording.identity.run_id, self._replayer.now.graph.nodes
        if problem := recording.problem:
            return unknown(run_id, problem), False
        own = [place for place, each in recording.executions.items() if each.node_type not in _EVERYWHERE]
        if own and not any(place.rpartition("/")[2] in nodes for place in own):
            return unknown(run_id, "it is a run of another workflow: none of its nodes is in this one"), False
        was = self._was if self._recorded is None else await self._recorded.version_of(recording.identity)
        replayed = await self._replayer.replay(recording, was, self._seconds)
        if self.coverage is not None:
            self.coverage.add(replayed.events)
        return result_of(replayed), was is not None
