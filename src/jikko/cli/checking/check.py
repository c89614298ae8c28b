"""``jikko check``: says what will happen to DSL files, without running them."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from jikko.cli.apps.environment import env_of, env_options
from jikko.cli.checking.dsl_sources import DslSource, dsl_sources
from jikko.cli.checking.examples import command_line
from jikko.cli.options import providers_option, settings_of
from jikko.cli.shown import printable, shown

_SAID: Final[Mapping[str, str]] = {
    "error": "",
    "will_fail": "will fail: ",
    "may_fail": "may fail: ",
    "warning": "warning: ",
}
_COLORS: Final[Mapping[str, str]] = {"error": "red", "will_fail": "red", "may_fail": "yellow", "warning": "yellow"}
_VERDICT_COLORS: Final[Mapping[str, str]] = {
    "runs": "green",
    "may_fail": "yellow",
    "will_fail": "red",
    "cannot_be_imported": "red",
}


@click.command(short_help="Say what will happen to workflow files.")
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@click.option("--strict", is_flag=True, help="Exit with 1 also for what will fail, may fail, or is a warning.")
@click.option(
    "--output",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    help="json: one object a line, one line a file. github: annotations of a workflow of GitHub Actions.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --output json.")
@env_options
@providers_option
def check(
    files: tuple[str, ...],
    strict: bool,
    output: str,
    as_json: bool,
    env: tuple[str, ...],
    env_file: Path | None,
    providers: Path | None,
) -> None:
    """Say what will happen to DSL FILES: whether they run here, and if not, at which node they fail and what to do.

    A folder stands for all *.yml and *.yaml files below it, and - for standard input. Nothing is run or called, and no
    name is resolved. What this installation has counts: its providers file, JIKKO_HTTP_ALLOW, and values from outside
    for environment variables.

    The exit code is 0 if every file can be imported, 1 if one cannot.
    """
    from jikko.assemble.tools import known_strategies, known_tools
    from jikko.forecast.installation import installation

    settings = settings_of(env=env_of(env, env_file), providers=providers)
    here = installation(
        settings.providers,
        os.environ,
        http_allow=settings.http_allow,
        http_proxy=settings.http_proxy,
        tools=partial(known_tools, settings),
        strategies=partial(known_strategies, settings),
    )
    output = "json" if as_json else output
    counts: dict[str, int] = {}
    strictly_wrong = False
    for source in dsl_sources(files):
        report = report_of(source, here, settings.env)
        counts[report["verdict"]] = counts.get(report["verdict"], 0) + 1
        strictly_wrong = strictly_wrong or bool(report["problems"])
        _print(report, output)
    if output != "json" and sum(counts.values()) > 1:
        _say(_total(counts))
    if counts.get("cannot_be_imported") or (strict and strictly_wrong):
        sys.exit(1)


def report_of(source: DslSource, here: Any, environment: Sequence[Any] = ()) -> dict[str, Any]:
    """What is known of a file, as ``--json`` prints it; docs/check.md describes the fields.

    Args:
        here: The ``Installation``.
        environment: Values for environment variables from outside, as ``forecast`` takes them.
    """
    from jikko.apps.versions import check as check_file
    from jikko.dsl.positions import Positions
    from jikko.forecast.finding import Finding
    from jikko.forecast.forecast import Forecast, forecast
    from jikko.inputs.samples import samples_of
    from jikko.nodes.registry import BY_TYPE

    if source.error:
        found = Forecast("cannot_be_imported", (Finding("error", "document", "", source.error),))
    else:
        found = forecast(check_file(source.text, source=source.name, node_classes=BY_TYPE), here, environment)
    positions = Positions(source.text) if found.findings else None
    problems = []
    for finding in found.findings:
        line, column = finding.line, finding.column
        if finding.where and not line and positions is not None:
            line, column = positions.at(finding.where) or (0, 0)
        problems.append(
            {
                "level": finding.level,
                "cause": finding.cause,
                "line": line,
                "column": column,
                "path": "" if finding.line else finding.where,
                "node": {"id": finding.node, "title": finding.title} if finding.node else None,
                "problem": finding.what,
                "hint": finding.hint,
            }
        )
    inputs = samples_of(found.inputs)
    report: dict[str, Any] = {
        "file": source.name,
        "ok": found.verdict != "cannot_be_imported",
        "verdict": found.verdict,
        "summary": "",
        "problems": problems,
        "example": {"inputs": inputs, "command": command_line(source.name, inputs)},
    }
    decisive = None if found.decisive is None else problems[found.findings.index(found.decisive)]
    return {**report, "summary": _summary(report, decisive)}


def _summary(report: dict[str, Any], decisive: dict[str, Any] | None) -> str:
    if decisive is None:
        return f"runs: {report['example']['command']}"
    if not report["ok"]:
        count = sum(problem["level"] == "error" for problem in report["problems"])
        return f"cannot be imported: {count} {'problem' if count == 1 else 'problems'}"
    says = "will fail" if decisive["level"] == "will_fail" else "may fail"
    told = decisive["problem"] + (f"; {decisive['hint']}" if decisive["hint"] else "")
    if decisive["node"] is None:
        return f"{says}: {told}"
    line = f" (line {decisive['line']})" if decisive["line"] else ""
    return f'{says} at node "{decisive["node"]["title"]}"{line}: {told}'


def _print(report: Mapping[str, Any], output: str) -> None:
    if output == "json":
        _say(json.dumps(report, ensure_ascii=False))
        return
    hints: set[str] = set()
    for problem in report["problems"]:
        if output == "github":
            _say(_annotation(report["file"], problem))
        else:
            # What to do is told once: many nodes may lack the same.
            problem = {**problem, "hint": "" if problem["hint"] in hints else problem["hint"]}
            hints.add(problem["hint"])
            place = f"{report['file']}:" + (f"{problem['line']}:{problem['column']}:" if problem["line"] else "")
            said = click.style(_SAID[problem["level"]], fg=_COLORS[problem["level"]]) if _SAID[problem["level"]] else ""
            _say(f"{place} {said}{printable(_told(problem))}")
    _say(f"{report['file']}: " + click.style(printable(report["summary"]), fg=_VERDICT_COLORS[report["verdict"]]))


def _told(problem: Mapping[str, Any]) -> str:
    if problem["node"] is not None:
        subject = f'node "{problem["node"]["title"]}": '
    else:
        subject = f"{problem['path']}: " if problem["path"] and problem["cause"] == "document" else ""
    return f"{subject}{problem['problem']}" + (f" ({problem['hint']})" if problem["hint"] else "")


def _annotation(file: str, problem: Mapping[str, Any]) -> str:
    """A workflow command of GitHub Actions, which marks a line of a pull request."""
    kind = "error" if problem["level"] in ("error", "will_fail") else "warning"
    fields = {"file": file, "title": "jikko check"}
    if problem["line"]:
        fields |= {"line": str(problem["line"]), "col": str(problem["column"])}
    listed = ",".join(f"{name}={_escaped(value, more=True)}" for name, value in fields.items())
    return f"::{kind} {listed}::{_escaped(_SAID[problem['level']] + _told(problem))}"


def _escaped(text: str, *, more: bool = False) -> str:
    for character in "%\r\n" + (":," if more else ""):
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def _total(counts: Mapping[str, int]) -> str:
    parts = [
        f"{counts[verdict]} {said}"
        for verdict, said in (
            ("runs", "run"),
            ("may_fail", "may fail"),
            ("will_fail", "will fail"),
            ("cannot_be_imported", "cannot be imported"),
        )
        if counts.get(verdict)
    ]
    return f"{sum(counts.values())} files: {', '.join(parts)}"


def _say(text: str) -> None:
    click.echo(shown(text))
