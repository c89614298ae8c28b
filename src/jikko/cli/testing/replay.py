"""Commands ``jikko replay``, recorded runs on a changed workflow; and ``coverage``, the nodes that recorded runs
reached."""

import json
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import click
import msgspec

from jikko.cli.command_failure import Failure
from jikko.cli.completion import complete_app, complete_run
from jikko.cli.options import (
    assembled,
    duration,
    existing,
    providers_option,
    timeout_option,
    tools_option,
    with_settings,
)
from jikko.cli.output import lcov_option, write_report
from jikko.cli.testing.reports import JsonReport, TextReport
from jikko.embedded.replaying import RecordedRuns, ReplayChoice, chosen_replay
from jikko.exit_codes import ExitCode
from jikko.proving.coverage import Coverage
from jikko.proving.replay_verdict import WORDS, ReplayedResult, ReplayOutcome
from jikko.proving.replayed_run import ReplayMode
from jikko.runs.reading.field_changes import ChangedField
from jikko.settings import Settings
from jikko.terminal_text import printable, shown

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN...]", shell_complete=complete_run)
@click.option(
    "--app",
    help="The app (name or id) whose newest runs are replayed; with --from its id.",
    shell_complete=complete_app,
)
@click.option("--last", type=click.IntRange(min=1), default=100, show_default=True, help="Number of runs.")
@click.option("--since", type=duration, metavar="AGE", help="Only runs younger than this, such as 2h or 7d.")
@click.option("--from", "export", type=_FILE, metavar="FILE", help="Runs of a file that `jikko runs export` wrote.")
@click.option(
    "--against", type=_FILE, metavar="WORKFLOW", help="The changed workflow file.  [default: the app's current version]"
)
@click.option("--before", type=_FILE, metavar="WORKFLOW", help="With --from: the original workflow file of the runs.")
@click.option(
    "--mode",
    type=click.Choice(["strict", "nearest", "live"]),
    default="nearest",
    show_default=True,
    help="Handling of changed requests. strict: the run fails. nearest: the recorded answer is used, and reported as "
    "assumed. live: the request is made.",
)
@click.option(
    "--price",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="With --mode live: the budget for models; 0 asks none.",
)
@click.option("--coverage", "covers", is_flag=True, help="Show nodes and branches that no run reached.")
@lcov_option
@timeout_option
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
    """Run recorded runs again on a changed workflow, and report the differences.

    Code, templates, conditions and lists really run. Answers of models, tools, requests, searches, agents and people
    are taken from the log. Nothing is recorded, and except with --mode live nothing outside is called. docs/testing.md
    explains the outcomes.

    Exit codes: 0 no run differs, 1 some do, 2 wrong use, 8 the workflow cannot be imported.
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
            raise Failure("no such runs", exit_code=ExitCode.NOT_FOUND, code="not_found")
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
@click.option("--last", type=click.IntRange(min=1), default=500, show_default=True, help="Number of its newest runs.")
@click.option("--since", type=duration, metavar="AGE", help="Only runs younger than this, such as 2h or 90d.")
@lcov_option
@with_settings
async def coverage(
    settings: Settings, app: str, last: int, since: float | None, lcov: Path | None, as_json: bool
) -> int:
    """Show the nodes and branches of an app's current version that no recorded run reached.

    Runs of all versions count, also archived ones: nodes are matched by id. Nothing is run.
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
            raise Failure("no such runs", exit_code=ExitCode.NOT_FOUND, code="not_found")
        if lcov is not None:
            write_report(lcov, found.lcov().encode())
        (JsonReport() if as_json else TextReport()).cover(found)
        click.echo(f"{looked_at} run{'s' * (looked_at != 1)} read", err=True)
        if left_out:
            click.echo(f"left out: {left_out} whose logs were removed or are damaged", err=True)
        for text in recorded.unread:
            click.echo(printable(f"left out: {text}"), err=True)
    return ExitCode.OK


_COLORS: dict[ReplayOutcome, str] = {"same": "green", "works_now": "green", "unknown": "yellow", "fails_now": "red"}
_MOST = 20
"""Reasons that are printed."""
_MAX_VALUE = 80
"""Characters of a value."""


class ReplaySums(msgspec.Struct):
    """Totals of all runs."""

    outcomes: Counter[ReplayOutcome] = msgspec.field(default_factory=Counter)
    assumed: int = 0
    """Runs with recorded answers to requests that have changed."""
    asked: int = 0
    tokens: tuple[int, int] = (0, 0)
    price: tuple[Decimal, Decimal] = (Decimal(0), Decimal(0))
    unknown_versions: int = 0
    """Runs of an unknown version."""

    def add(self, result: ReplayedResult, *, knows_version: bool) -> None:
        self.outcomes[result.outcome] += 1
        self.assumed += result.assumed > 0
        self.asked += result.asked
        self.tokens = self.tokens[0] + result.tokens[0], self.tokens[1] + result.tokens[1]
        self.price = self.price[0] + result.price[0], self.price[1] + result.price[1]
        self.unknown_versions += not knows_version and result.outcome != "unknown"


class JsonReplayReport:
    """JSON report: one object per run, each on a line, and a summary."""

    def add(self, result: ReplayedResult) -> None:
        click.echo(shown(json.dumps(msgspec.to_builtins(result), ensure_ascii=False)))

    def close(self, sums: ReplaySums, seconds: float) -> None:
        summary: dict[str, Any] = {
            "runs": sums.outcomes.total(),
            **{str(outcome): sums.outcomes[outcome] for outcome in WORDS},
            "assumed": sums.assumed,
            "asked": sums.asked,
            "unknown_versions": sums.unknown_versions,
            "tokens": sums.tokens,
            "price": [str(each) for each in sums.price],
            "seconds": round(seconds, 3),
        }
        click.echo(json.dumps({"summary": summary}))


class TextReplayReport:
    """Text report: the number of runs by outcome, each with the example that differs least."""

    def __init__(self, titles: dict[str, str]) -> None:
        """``titles``: Node titles, by id."""
        self._titles = titles
        self._examples: dict[tuple[ReplayOutcome, str], ReplayedResult] = {}
        """Examples; for unknown outcomes one per reason."""
        self._reasons: Counter[tuple[ReplayOutcome, str]] = Counter()

    def add(self, result: ReplayedResult) -> None:
        key = result.outcome, self._place(result) + result.reason if result.reason else ""
        self._reasons[key] += 1
        known = self._examples.get(key)
        if known is None or _size(result) < _size(known):
            self._examples[key] = result

    def close(self, sums: ReplaySums, seconds: float) -> None:
        for outcome, words in WORDS.items():
            if count := sums.outcomes[outcome]:
                click.echo(click.style(f"{count:7,}  {words}", fg=_COLORS.get(outcome, "yellow")))
                keys = [key for key, _ in self._reasons.most_common() if key[0] == outcome]
                for key in keys[:_MOST]:
                    self._report(self._examples[key], key[1])
                if len(keys) > _MOST:
                    click.echo(f"         and {len(keys) - _MOST:,} more reasons; --json shows that of each run")
        if sums.assumed:
            click.echo(f"{sums.assumed:,} runs have assumed answers: the recorded request was a different one")
        if sums.unknown_versions:
            click.echo(
                f"{sums.unknown_versions:,} runs have an unknown version: node settings that logs do not contain,"
                " such as a temperature, were not compared"
            )
        if sums.asked:
            click.echo(f"{sums.asked:,} calls were really made")
        tokens, price = sums.tokens, sums.price
        if any(tokens) or any(price):
            cost = f"{price[0]:f} → {price[1]:f}" if any(price) else "unknown or 0"
            click.echo(f"tokens {tokens[0]:,} → {tokens[1]:,}, price {cost}")
        count = sums.outcomes.total()
        click.echo(f"{count:,} run{'s' * (count != 1)} in {seconds:.2f} s")

    def _place(self, result: ReplayedResult) -> str:
        return f"{self._title(result.where[-1])}: " if result.where else ""

    def _title(self, node_id: str) -> str:
        return self._titles.get(node_id) or node_id

    def _report(self, result: ReplayedResult, reason: str) -> None:
        if result.outcome == "same":
            return
        count = self._reasons[result.outcome, reason]
        if result.reason:
            click.echo(printable(f"{count:9,}  {reason}  ({result.run})"))
            return
        nodes = ", ".join(map(self._title, result.where[:5])) + (", …" if len(result.where) > 5 else "")
        click.echo(printable(f"         {result.run}" + (f"  {nodes}" if nodes else "")))
        if result.difference is not None:
            click.echo(printable(f"         {_line(result.difference)}"))


ReplayReport: TypeAlias = JsonReplayReport | TextReplayReport
"""Takes the runs' results one after the other, and is closed after the last."""


def _size(result: ReplayedResult) -> tuple[int, int]:
    change = result.difference
    return len(result.where), 0 if change is None else len(repr(change.before)) + len(repr(change.after))


def _line(change: ChangedField) -> str:
    before, after = _around(change.before, change.after)
    return f"{change.path.lstrip('/')}: {before} → {after}"


def _around(before: Any, after: Any) -> tuple[str, str]:
    """Return two values, long ones from their first difference on."""
    texts = [json.dumps(value, ensure_ascii=False) for value in (before, after)]
    same = next((at for at, pair in enumerate(zip(*texts, strict=False)) if pair[0] != pair[1]), min(map(len, texts)))
    begin = max(0, same - _MAX_VALUE // 4) if max(map(len, texts)) > _MAX_VALUE else 0
    cut = ["…" * (begin > 0) + text[begin : begin + _MAX_VALUE] for text in texts]
    first, second = (one + "…" * (len(text) > begin + _MAX_VALUE) for one, text in zip(cut, texts, strict=True))
    return first, second
