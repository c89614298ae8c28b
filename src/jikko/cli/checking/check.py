"""Command ``jikko check``, which predicts what DSL files do, without running them."""

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from jikko.apps.dsl_file import is_test_file
from jikko.assemble.installation import installation_of
from jikko.cli.apps.environment_options import env_of, env_options
from jikko.cli.checking.dsl_sources import DslSource, as_word, command_line, dsl_sources, outside_of
from jikko.cli.options import home_option, lang_option, providers_option, settings_of, tools_option
from jikko.cli.output import annotation
from jikko.cli.running.given_inputs import trial_options, trial_settings
from jikko.cli.testing.plans import problem_entry
from jikko.diagnostics.diagnostic import Diagnostic
from jikko.diagnostics.translations import Language, language_of, worded
from jikko.dsl.text.positions import Positions
from jikko.errors import InvalidSettings
from jikko.forecast.forecast import Forecast, forecast
from jikko.graph.mocks import unknown_mocks
from jikko.inputs.samples import samples_of
from jikko.proving.case_plan import read_plan
from jikko.terminal_text import printable, shown

_COLORS: Final[Mapping[str, str]] = {"will_fail": "red", "may_fail": "yellow", "warning": "yellow"}
_GRAVITY: Final = ("cannot_be_imported", "will_fail", "may_fail", "warning")
_VERDICT_COLORS: Final[Mapping[str, str]] = {
    "runs": "green",
    "may_fail": "yellow",
    "will_fail": "red",
    "cannot_be_imported": "red",
}


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@click.option(
    "--fail-on",
    type=click.Choice(["cannot_be_imported", "will_fail", "may_fail", "warning"]),
    default="will_fail",
    help="The lowest level of a finding that makes the exit code 1.",
)
@click.option("--strict", is_flag=True, help="The same as --fail-on warning.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 regardless of findings.")
@click.option(
    "--output",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    help="json: one object a line, one line a file. github: annotations of a workflow of GitHub Actions.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --output json.")
@env_options
@providers_option
@tools_option
@trial_options
@home_option
@lang_option
def check(
    files: tuple[str, ...],
    fail_on: str,
    strict: bool,
    exit_zero: bool,
    output: str,
    as_json: bool,
    env: tuple[str, ...],
    env_file: Path | None,
    fake_models: bool,
    mocks: tuple[str, ...],
    lang: Language | None,
    **given: Any,
) -> None:
    """Predict what DSL FILES do here: whether they run, and if not, which node fails and how to fix it.

    A folder stands for all *.yml and *.yaml files below it, and - for standard input. Of test files, errors are
    reported. Nothing is run or called, and no name is resolved. The result depends on this installation: its files of
    providers and tools, JIKKO_HTTP_ALLOW, outside values for environment variables (also those that `jikko apps env`
    has set for the app of that name), and fakes and mocks.

    The exit code is 1 if a file will fail or cannot be imported, else 0; --fail-on adds further reasons.
    """
    settings = settings_of(env=env_of(env, env_file), **given, **trial_settings(fake_models, mocks))
    try:
        here = installation_of(settings)
    except InvalidSettings as error:
        raise click.UsageError(str(error)) from None
    outside = outside_of(settings)
    output = "json" if as_json else output
    language = lang or ("en" if output == "json" else language_of(os.environ))
    counts: dict[str, int] = {}
    found: set[str] = set()
    lacks: dict[str, dict[str, None]] = {}
    graphs = []
    for source in dsl_sources(files, with_tests=True):
        is_test = is_test_file(Path(source.name)) and not source.error
        checked = None if is_test else source.checked()
        if here.mocks and checked is not None and checked.graph is not None:
            graphs.append(checked.graph)
        report = (
            report_of_test_file(source, language) if is_test else report_of(source, checked, here, outside, language)
        )
        counts[report["verdict"]] = counts.get(report["verdict"], 0) + 1
        found |= {problem["level"] for problem in report["problems"]} | {report["verdict"]}
        _print(report, output, language)
        for kind, name in _lacking(report["problems"]):
            lacks.setdefault(kind, {})[name] = None
    if output != "json" and sum(counts.values()) > 1:
        _say(_total(counts, language))
    if output == "text" and sum(counts.values()) > 1:
        for line in _shopping_list(lacks, files, here.providers, language):
            _say(line)
    # A file that was not compiled may have those nodes.
    for warning in () if counts.get("cannot_be_imported") else unknown_mocks(graphs, here.mocks):
        click.echo(shown(f"warning: --mock, JIKKO_MOCKS: {warning}"), err=True)
        found.add("warning")
    limit = _GRAVITY.index("warning" if strict else fail_on)
    if not exit_zero and found & {*_GRAVITY[: limit + 1]}:
        sys.exit(1)


def report_of(source: DslSource, checked: Any, here: Any, outside: Any, language: Language = "en") -> dict[str, Any]:
    """Return the report on a file, as printed with ``--json``; docs/check.md describes the fields.

    Args:
        checked: See ``_checked``.
        here: The ``Installation``.
        outside: Outside values for environment variables, for ``forecast``.
    """
    if checked is None:
        assert source.error is not None
        found = Forecast("cannot_be_imported", (Diagnostic(source.error.code, source.error.params),))
    else:
        found = forecast(checked, here, outside)
    positions = Positions(source.text) if found.findings else None
    problems = []
    for finding in found.findings:
        place = finding.line, finding.column
        if finding.where and not finding.line and positions is not None:
            place = positions.at(finding.where) or (0, 0)
        problems.append(problem_entry(finding, place, "" if finding.line else finding.where, language))
    inputs = samples_of(found.inputs)
    mode = checked.document.mode if checked is not None and checked.document is not None else "workflow"
    report: dict[str, Any] = {
        "file": source.name,
        "ok": found.verdict != "cannot_be_imported",
        "verdict": found.verdict,
        "summary": "",
        "problems": problems,
        "example": {"inputs": inputs, "command": command_line(source.name, inputs, mode=mode)},
    }
    return {**report, "summary": _summary(report, found, language)}


def report_of_test_file(source: DslSource, language: Language = "en") -> dict[str, Any]:
    """Return the report on a test file: whether `jikko test` can run its cases."""
    read = read_plan(Path(source.name))
    found = read.problems
    problems = [problem_entry(each, (each.line, each.column), each.where, language) for each in found]
    command = f"jikko test {as_word(source.name)}"
    if read.plan is not None:
        summary = worded("verdict.test_file", {"count": len(read.plan.file.cases), "command": command}, language)
    else:
        summary = worded("verdict.test_problems", {"count": len(found)}, language)
    return {
        "file": source.name,
        "ok": read.plan is not None,
        "verdict": "cannot_be_imported" if read.plan is None else "runs",
        "summary": summary,
        "problems": problems,
        "example": {"inputs": {}, "command": command},
    }


def _summary(report: dict[str, Any], found: Forecast, language: Language) -> str:
    if found.decisive is None:
        return worded("verdict.runs", {"command": report["example"]["command"]}, language)
    if not report["ok"]:
        count = sum(problem["level"] == "error" for problem in report["problems"])
        return worded("verdict.one_problem" if count == 1 else "verdict.problems", {"count": count}, language)
    return found.outcome(report["problems"][found.findings.index(found.decisive)]["line"], language)


def _print(report: Mapping[str, Any], output: str, language: Language) -> None:
    if output == "json":
        _say(json.dumps(report, ensure_ascii=False))
        return
    file = printable(report["file"])
    hints: set[str] = set()
    for problem in report["problems"]:
        if output == "github":
            _say(_annotation(report["file"], problem, language))
        else:
            # Each hint is printed once: many nodes may lack the same thing.
            problem = {**problem, "hint": "" if problem["hint"] in hints else problem["hint"]}
            hints.add(problem["hint"])
            place = f"{file}:" + (f"{problem['line']}:{problem['column']}:" if problem["line"] else "")
            prefix = _prefix(problem, language)
            prefix = prefix and click.style(prefix, fg=_COLORS[problem["level"]])
            _say(f"{place} {prefix}{printable(_problem_text(problem, language))}")
    _say(f"{file}: " + click.style(printable(report["summary"]), fg=_VERDICT_COLORS[report["verdict"]]))


def _prefix(problem: Mapping[str, Any], language: Language) -> str:
    level = problem["level"]
    return "" if level == "error" else f"{worded(f'level.{level}', language=language)}: "


def _problem_text(problem: Mapping[str, Any], language: Language) -> str:
    text: str = problem["problem"]
    if problem["node"] is not None:
        text = worded("part.at_node", {"title": problem["node"]["title"], "text": text}, language)
    elif problem["path"] and problem["cause"] in ("document", "test"):
        text = f"{problem['path']}: {text}"
    return text + (f" ({problem['hint']})" if problem["hint"] else "")


_LACKS: Final[Mapping[str, tuple[str, str]]] = {
    "model.provider": ("providers", "provider"),
    "tool.plugin_missing": ("plugins", "plugin"),
    "knowledge.no_dataset": ("datasets", "dataset"),
}
"""Codes of obtainable things: kind, and name parameter."""
_PACKAGE: Final = re.compile(r"`jikko packages install ([^`]+)`")


def _lacking(problems: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Iterate over what the installation lacks for a file: kinds, and names."""
    for problem in problems:
        kind, parameter = _LACKS.get(problem["code"], ("", ""))
        if kind:
            yield kind, str(problem["params"][parameter]).strip("'\"")
        elif package := _PACKAGE.search(problem["hint"]):
            yield "packages", package[1]


def _shopping_list(
    lacks: Mapping[str, Mapping[str, None]], files: Sequence[str], providers: Any, language: Language
) -> Iterator[str]:
    """Iterate over what all files together lack, with the command or the lines of a providers file that add it."""
    if not lacks:
        return
    yield worded("summary.lacks", language=language)
    words = " ".join(map(as_word, files))
    commands: dict[str, Callable[[list[str]], str]] = {
        "providers": lambda names: f"jikko providers init {words} > providers.yml",
        "plugins": lambda names: f"jikko plugins install {' '.join(map(shlex.quote, names))}",
        "packages": lambda names: f"jikko packages install {' '.join(map(shlex.quote, names))}",
        "datasets": lambda names: "jikko knowledge add NAME FILES; jikko knowledge map ID NAME",
    }
    for kind, names in lacks.items():
        yield f"  {worded(f'lacks.{kind}', language=language)}: {printable(', '.join(names))}"
        if kind == "providers" and providers.source:
            for name in names:
                params = {"file": providers.source, "line": providers.line_to_add(name).strip()}
                yield f"    {printable(worded('remedy.add_provider', params, language))}"
        else:
            yield f"    {printable(commands[kind](list(names)))}"


def _annotation(file: str, problem: Mapping[str, Any], language: Language) -> str:
    kind = "error" if problem["level"] in ("error", "will_fail") else "warning"
    text = _prefix(problem, language) + _problem_text(problem, language)
    return annotation(kind, file, text, title="jikko check", line=problem["line"], column=problem["column"])


def _total(counts: Mapping[str, int], language: Language) -> str:
    parts = [
        worded(f"summary.{verdict}", {"count": counts[verdict]}, language)
        for verdict in _VERDICT_COLORS
        if counts.get(verdict)
    ]
    return worded("summary.files", {"count": sum(counts.values()), "parts": ", ".join(parts)}, language)


def _say(text: str) -> None:
    click.echo(shown(text))
