"""Command ``jikko test``, which runs the cases of test files."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import click
import msgspec

from jikko.cli.command_failure import Failure
from jikko.cli.options import lang_option, providers_option, run_async, settings_of, timeout_option, tools_option
from jikko.cli.output import junit_option, lcov_option, unwritten, whole_file, write_report
from jikko.cli.running.run_progress import LiveLine
from jikko.cli.terminal import is_live
from jikko.cli.testing.plans import changed_at, named_files, plans_of
from jikko.cli.testing.reports import CaseReport, JsonReport, JunitReport, TextReport
from jikko.diagnostics.translations import Language, language_of
from jikko.embedded.case_runs import results_of
from jikko.embedded.evaluating import evaluated, journal_of
from jikko.exit_codes import ExitCode
from jikko.proving.case_plan import CasePlan, Snapshots, read_plan, snapshots_beside
from jikko.proving.coverage import Coverage
from jikko.proving.recorded_case import RecordedAnswers, encoded, is_replayed, kept_answers, recorded, recordings_beside
from jikko.proving.verdict import CaseResult
from jikko.settings import Settings
from jikko.terminal_text import printable

T = TypeVar("T")
_LOOK: Final = 0.3
"""Interval of checks of watched files."""
_MOMENT: Final = 0.1
"""Seconds without a change before files are read, so that none is read half written."""
_MOMENTS: Final = 20
"""Checks after which they are read anyway: some file beside them may change continuously."""


class _Wanted(NamedTuple):
    words: str
    reports: Sequence[CaseReport]
    update: bool
    record: bool
    live: bool
    covers: bool
    lcov: Path | None


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("-k", "words", default="", metavar="TEXT", help="Only cases whose name or file contains this text.")
@click.option("--live", is_flag=True, help="Call the real models, tools and servers where no mock answers.")
@click.option(
    "--output",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    help="json: one object a line. github: text, and annotations of a workflow of GitHub Actions.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --output json.")
@junit_option
@click.option(
    "--against",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="WORKFLOW",
    help="Run the cases against this workflow file, and compare with the workflow that they name.",
)
@click.option(
    "--record", is_flag=True, help="Run cases with `outside: replay` for real, and record the answers to their nodes."
)
@click.option("--update", is_flag=True, help="Update the snapshots of cases to their current results.")
@click.option("--coverage", "covers", is_flag=True, help="Show nodes and branches that no case reached.")
@lcov_option
@click.option(
    "--watch",
    is_flag=True,
    help="Run again whenever a test file, a workflow, or a file beside a test file changes, until Ctrl-C.",
)
@timeout_option
@providers_option
@tools_option
@lang_option
def test(
    paths: tuple[Path, ...],
    words: str,
    live: bool,
    output: str,
    as_json: bool,
    junit: Path | None,
    against: Path | None,
    record: bool,
    update: bool,
    covers: bool,
    lcov: Path | None,
    watch: bool,
    seconds: float,
    lang: Language | None,
    providers: Path | None,
    tools: Path | None,
) -> None:
    """Run the cases of test files: NAME.test.yml beside the workflow NAME.yml.

    A folder stands for all *.test.yml files below it; without PATHS it is the current one. Runs are kept in memory, and
    call nothing outside except with --live. docs/testing.md describes test files; `jikko schema test` prints their JSON
    Schema.

    Exit codes: 0 all cases passed, 1 some did not, 2 a test file is invalid or there is none, 8 a workflow cannot be
    imported.
    """
    output = "json" if as_json else output
    language = lang or ("en" if output == "json" else language_of(os.environ))
    written = [path for path in (junit, lcov) if path is not None]
    settings = settings_of(max_seconds=seconds, providers=providers, tools=tools)

    def once() -> int:
        plans = plans_of(paths or (Path(),), output, language, against, is_live=record or live)
        reports: list[CaseReport] = [JsonReport() if output == "json" else TextReport(annotate=output == "github")]
        if junit is not None:
            reports.append(JunitReport(partial(write_report, junit)))
        wanted = _Wanted(words, reports, update, record, live, covers, lcov)
        return run_async(_run(settings, plans, wanted, compares=against is not None))

    if not watch:
        sys.exit(once())
    tests = paths or (Path(),)

    def look() -> tuple[set[Path], dict[Path, tuple[int, int, int]]]:
        more = {*named_files(tests), *([] if against is None else [against])}
        return more, changed_at(tests, more, written)

    while True:
        found = look()
        for _ in range(_MOMENTS):
            time.sleep(_MOMENT)
            before, found = found, look()
            if found == before:
                break
        more, seen = found
        try:
            once()
        except click.ClickException as error:
            click.echo(f"Error: {error.format_message()}", err=True)
        try:
            click.echo("waiting for a change; Ctrl-C ends", err=True)
            while changed_at(tests, more, written) == seen:
                time.sleep(_LOOK)
        except KeyboardInterrupt:
            sys.exit(ExitCode.INTERRUPTED)


async def _run(settings: Settings, plans: Sequence[CasePlan], wanted: _Wanted, *, compares: bool) -> int:
    by_path = {str(plan.path): plan for plan in plans}
    snapshots = {
        path: _readable(snapshots_beside(plan.path), "--update", partial(Snapshots, plan, update=wanted.update))
        for path, plan in by_path.items()
    }
    before = {
        path: _readable(recordings_beside(plan.path), "--record", partial(recorded, plan.path))
        for path, plan in by_path.items()
        if wanted.record and any(is_replayed(case, plan.file) for case in plan.file.cases)
    }
    began = time.perf_counter()
    running = [_live(plan) if wanted.live else _recording(plan) if wanted.record else plan for plan in plans]
    results = await _results(settings, running, wanted)
    if not results:
        raise Failure(f"no case has {wanted.words!r} in its name", exit_code=ExitCode.USAGE, code="no_cases")
    if compares:
        present = [plan for each in plans if (plan := read_plan(each.path, is_live=wanted.live).plan) is not None]
        found = await _results(
            settings, [_live(plan) if wanted.live else plan for plan in present], wanted._replace(update=False)
        )
        now = {(result.file, result.name): result for result in found}
        for result in results:
            result.present = now.get((result.file, result.name))
    seconds = time.perf_counter() - began
    order = [
        (str(plan.path), name) for plan in plans for name in [*(case.name for case in plan.file.cases), "evaluate"]
    ]
    places = {each: place for place, each in enumerate(order)}
    covered: dict[str, Coverage] = {}
    for result in sorted(results, key=lambda result: places[result.file, result.name]):
        plan = by_path[result.file]
        _compare(result, snapshots[result.file])
        coverage = covered.setdefault(
            str(plan.workflow), Coverage(str(plan.workflow), plan.text, plan.document, plan.names.titles)
        )
        for run in result.runs:
            coverage.add(run.events)
        for report in wanted.reports:
            report.add(result, plan)
    for each in snapshots.values():
        try:
            each.close()
        except OSError as error:
            raise unwritten(each.path, error) from None
    for path, kept in before.items():
        _keep_answers(by_path[path], kept, [result for result in results if result.file == path])
    if wanted.lcov is not None:
        write_report(wanted.lcov, "".join(each.lcov() for each in covered.values()).encode())
    for report in wanted.reports:
        for coverage in covered.values() if wanted.covers else ():
            report.cover(coverage)
        report.close(seconds)
    return ExitCode.FAILED if any(result.outcome in ("failed", "error") for result in results) else ExitCode.OK


async def _results(settings: Settings, plans: Sequence[CasePlan], wanted: _Wanted) -> list[CaseResult]:
    words = wanted.words.casefold()
    chosen = results_of(settings, plans, lambda plan, case: words in f"{plan.path}: {case.name}".casefold())
    results = [result async for result in chosen]
    for plan in plans:
        if plan.evaluation and not wanted.record and words in f"{plan.path}: evaluate".casefold():
            try:
                results.append(await evaluated(settings, plan, EvaluationProgress(plan), update=wanted.update))
            except OSError as error:
                raise unwritten(error.filename or plan.path, error) from None
    return results


def _readable(file: Path, option: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        hint = f"Delete it, and let `jikko test {option}` keep new ones."
        raise Failure(f"{file} cannot be read: {reason}", exit_code=ExitCode.USAGE, code="usage", hint=hint) from None


def _compare(result: CaseResult, snapshots: Snapshots) -> None:
    """Note how a passed case differs from its last run."""
    if result.outcome == "passed" and (problems := snapshots.compare(result)):
        result.outcome = "failed"
        result.problems += problems


def _keep_answers(plan: CasePlan, before: RecordedAnswers, results: Sequence[CaseResult]) -> None:
    file = recordings_beside(plan.path)
    kept = kept_answers(before, plan.file, plan.names, results)
    try:
        with whole_file(file) as target:
            target.write(encoded(kept))
    except OSError as error:
        raise unwritten(file, error) from None
    for result in results:
        if result.outcome in ("failed", "error"):
            click.echo(printable(f"{file}: {result.name} did not pass: its answers are not recorded"), err=True)
    count = len(kept)
    click.echo(printable(f"{file}: answers to {count} case{'s' * (count != 1)}; they may hold personal data"), err=True)


def _recording(plan: CasePlan) -> CasePlan:
    """Return the plan with live calls in cases that would use a recording."""
    cases = [
        msgspec.structs.replace(case, outside="live") if is_replayed(case, plan.file) else case
        for case in plan.file.cases
    ]
    return msgspec.structs.replace(plan, file=msgspec.structs.replace(plan.file, cases=cases))


def _live(plan: CasePlan) -> CasePlan:
    """Return the plan with live calls in cases, and rows, that do not forbid them."""
    plan = _recording(plan)
    defaults = msgspec.structs.replace(plan.file.defaults, outside="live")
    rows = [msgspec.structs.replace(row, outside="live") if row.outside == "replay" else row for row in plan.evaluation]
    file = msgspec.structs.replace(plan.file, defaults=defaults)
    return msgspec.structs.replace(plan, file=file, evaluation=rows)


_BAR: Final = 24


class EvaluationProgress:
    """Progress bar, and the number of rows that a killed evaluation had finished."""

    def __init__(self, plan: CasePlan) -> None:
        self._plan = plan
        self._line = LiveLine() if is_live(os.environ) else None
        self._has_begun = False

    def __call__(self, done: int, of: int) -> None:
        if done and not self._has_begun:
            text = f"{self._plan.path}: {done} of {of} rows were done before; {journal_of(self._plan)} has them"
            click.echo(printable(text), err=True)
        elif self._line is not None and self._has_begun:
            part = done * _BAR // of
            self._line.draw(f"{self._plan.path} {'█' * part}{'░' * (_BAR - part)}", f"{done} of {of}")
            if done == of:
                self._line.clear()
        self._has_begun = True
