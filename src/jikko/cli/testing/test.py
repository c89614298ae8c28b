"""``jikko test``: the cases of test files."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from jikko.cli.failure import Failure
from jikko.cli.options import lang_option, providers_option, run_async, settings_of, tools_option
from jikko.cli.testing.case_runs import CaseRunner, groups
from jikko.cli.testing.plans import plans_of
from jikko.cli.testing.reports import CaseReport, JsonReport, JunitReport, TextReport
from jikko.diagnostics.translations import Language, language_of
from jikko.exit_codes import ExitCode
from jikko.proving.case_plan import CasePlan
from jikko.proving.verdict import CaseResult
from jikko.settings import Settings


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("-k", "words", default="", metavar="TEXT", help="Only the cases whose name, or file, has this text.")
@click.option("--live", is_flag=True, help="Call the real models, tools and servers where no mock answers.")
@click.option(
    "--output",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    help="json: one object a line. github: text, and annotations of a workflow of GitHub Actions.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --output json.")
@click.option(
    "--junit", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write a JUnit report to FILE."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="The longest a run may take.",
)
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
    timeout: float,
    lang: Language | None,
    providers: Path | None,
    tools: Path | None,
) -> None:
    """Run the cases of test files: NAME.test.yml beside the workflow NAME.yml.

    A folder stands for all *.test.yml files below it; without PATHS it is the current one. Runs are kept in memory, and
    reach nothing outside but with --live. docs/testing.md says what may stand in a test file; `jikko schema test`
    prints its JSON Schema.

    Exit codes: 0 all cases passed, 1 some did not, 2 a test file is wrong or there is none, 8 a workflow cannot be
    imported.
    """

    output = "json" if as_json else output
    language = lang or ("en" if output == "json" else language_of(os.environ))
    plans = plans_of(paths or (Path(),), output, language)
    if live:
        plans = [_live(plan) for plan in plans]
    reports: list[CaseReport] = [JsonReport() if output == "json" else TextReport(annotate=output == "github")]
    if junit is not None:
        reports.append(JunitReport(junit.write_bytes))
    settings = settings_of(max_seconds=timeout, providers=providers, tools=tools)
    sys.exit(run_async(_run(settings, plans, reports, words)))


async def _run(settings: Settings, plans: Sequence[CasePlan], reports: Sequence[CaseReport], words: str) -> int:
    by_path = {str(plan.path): plan for plan in plans}
    found = groups(plans, lambda plan, case: words.casefold() in f"{plan.path}: {case.name}".casefold())
    if not found:
        raise Failure(f"no case has {words!r} in its name", exit_code=ExitCode.USAGE, code="no_cases")
    began = time.perf_counter()
    results: list[CaseResult] = []
    for group, cases in found.items():
        results += [result async for result in CaseRunner(settings, group, cases).results()]
    order = [(str(plan.path), case.name) for plan in plans for case in plan.file.cases]
    places = {each: place for place, each in enumerate(order)}
    results.sort(key=lambda result: places[result.file, result.name])
    for result in results:
        for report in reports:
            report.add(result, by_path[result.file])
    for report in reports:
        report.close(time.perf_counter() - began)
    return ExitCode.FAILED if any(result.outcome in ("failed", "error") for result in results) else ExitCode.OK


def _live(plan: CasePlan) -> CasePlan:
    defaults = msgspec.structs.replace(plan.file.defaults, outside="live")
    return msgspec.structs.replace(plan, file=msgspec.structs.replace(plan.file, defaults=defaults))
