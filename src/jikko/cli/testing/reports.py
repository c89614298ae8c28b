"""Reports of cases, for people, programs and CI systems."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from xml.etree import ElementTree

import click

from jikko.cli.output import annotation
from jikko.dsl.text.positions import Positions
from jikko.proving.case_plan import CasePlan
from jikko.proving.coverage import Coverage, CoveredBranch
from jikko.proving.evaluation import summary_of
from jikko.proving.verdict import CaseProblem, CaseResult, Outcome
from jikko.terminal_text import printable, shown

_SIGNS: dict[Outcome, tuple[str, str]] = {
    "passed": ("✓", "green"),
    "failed": ("✗", "red"),
    "error": ("!", "red"),
    "skipped": ("-", "yellow"),
}


class TextReport:
    """Text report: the cases of each file, with the differences of failed ones."""

    def __init__(self, *, annotate: bool = False) -> None:
        """``annotate``: Whether to write GitHub Actions annotations as well."""
        self._counts: Counter[Outcome] = Counter()
        self._annotate = annotate
        self._file = ""

    def add(self, result: CaseResult, plan: CasePlan) -> None:
        if result.file != self._file:
            self._file = result.file
            click.echo(printable(result.file))
        self._counts[result.outcome] += 1
        sign, color = _SIGNS[result.outcome]
        took = result.reason if result.outcome == "skipped" else f"{result.seconds * 1000:.0f} ms"
        if result.present is not None:
            took += f"  (at present: {result.present.outcome})"
        present = {} if result.present is None else summary_of(result.present.rows)
        click.echo(
            f"  {click.style(sign, fg=color)} {printable(result.name)}  {click.style(printable(took), dim=True)}"
        )
        for name, each in summary_of(result.rows).items():
            before = f"  (at present: {_of_measure(name, present[name])})" if name in present else ""
            click.echo(f"      {printable(name)}: {_of_measure(name, each)}{before}")
        for problem in result.problems:
            click.echo(f"      {printable(sentence(problem))}")
        if result.problems:
            for line in places(result, plan):
                click.echo(click.style(f"      {printable(line)}", dim=True))
            if result.path:
                click.echo(click.style(f"      path: {printable(' → '.join(result.path))}", dim=True))
            if self._annotate:
                text = "\n".join([result.name, *map(sentence, result.problems)])
                click.echo(shown(annotation("error", result.file, text, title="jikko test", line=result.line)))

    def cover(self, coverage: Coverage) -> None:
        for kind, found in _covered(coverage).items():
            taken = sum(bool(each.times or each.mocked) for each in found)
            click.echo(f"{printable(coverage.workflow)}: {taken} of {len(found)} {kind}")
            for each in found:
                if not each.times:
                    way = each.title + (f" → {each.handle}" if each.handle else "")
                    what = "only mocked" if each.mocked else "never taken" if each.handle else "never ran"
                    click.echo(f"  {printable(coverage.workflow)}:{each.line}: {printable(way)}: {what}")

    def close(self, seconds: float) -> None:
        parts = [f"{count} {_plural(outcome, count)}" for outcome in _SIGNS if (count := self._counts[outcome])]
        color = "red" if self._counts["failed"] or self._counts["error"] else "green"
        click.echo(click.style(", ".join(parts), fg=color) + f" in {seconds:.2f} s")


class JsonReport:
    """JSON report: one object per case, each on a line, and a summary."""

    def __init__(self) -> None:
        self._counts: Counter[Outcome] = Counter()

    def add(self, result: CaseResult, plan: CasePlan) -> None:
        self._counts[result.outcome] += 1
        for row in result.rows:
            scored = {"file": result.file, "row": row.name, "measures": row.measures, "error": row.error}
            click.echo(shown(json.dumps(scored, ensure_ascii=False)))
        one: dict[str, Any] = {
            "file": result.file,
            "line": result.line,
            "case": result.name,
            "outcome": result.outcome,
            "seconds": round(result.seconds, 6),
            "problems": [{"where": each.where, "text": each.text, "node": each.node} for each in result.problems],
            "path": result.path,
            "reason": result.reason,
            **({"measures": summary_of(result.rows)} if result.rows else {}),
        }
        if (present := result.present) is not None:
            rows = {"measures": summary_of(present.rows)} if present.rows else {}
            one["present"] = {"outcome": present.outcome, **rows}
        click.echo(shown(json.dumps(one, ensure_ascii=False)))

    def cover(self, coverage: Coverage) -> None:
        one = {kind: [each._asdict() for each in found] for kind, found in _covered(coverage).items()}
        click.echo(shown(json.dumps({"coverage": {"workflow": coverage.workflow, **one}}, ensure_ascii=False)))

    def close(self, seconds: float) -> None:
        counts = {outcome: self._counts[outcome] for outcome in _SIGNS}
        click.echo(json.dumps({"summary": {**counts, "seconds": round(seconds, 6)}}))


class JunitReport:
    """JUnit report, a file for CI systems."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._suites: dict[str, ElementTree.Element] = {}

    def add(self, result: CaseResult, plan: CasePlan) -> None:
        suite = self._suites.setdefault(result.file, ElementTree.Element("testsuite", name=printable(result.file)))
        case = ElementTree.SubElement(
            suite,
            "testcase",
            name=printable(result.name),
            classname=printable(result.file),
            file=printable(result.file),
            line=str(result.line),
            time=f"{result.seconds:.6f}",
        )
        if result.outcome == "passed":
            return
        kind = "failure" if result.outcome == "failed" else result.outcome
        texts = [printable(sentence(problem)) for problem in result.problems]
        told = ElementTree.SubElement(case, kind, message=texts[0] if texts else printable(result.reason))
        told.text = "\n".join([*texts, *map(printable, places(result, plan))]) or None

    def cover(self, coverage: Coverage) -> None:
        """Do nothing: the format has no place for it."""

    def close(self, seconds: float) -> None:
        root = ElementTree.Element("testsuites", name="jikko test", time=f"{seconds:.6f}")
        for suite in self._suites.values():
            for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
                suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))
            suite.set("tests", str(len(suite)))
            root.append(suite)
        ElementTree.indent(root)
        self._write(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


CaseReport: TypeAlias = TextReport | JsonReport | JunitReport
"""Takes the cases' results one after the other; then the coverage of workflows, and the total time."""


def _of_measure(name: str, found: Mapping[str, float]) -> str:
    match name:
        case "tokens" | "price" | "model_calls" | "nodes":
            return f"{found['sum']:g} in all, {found['mean']:g} a row"
        case "seconds":
            return f"{found['p50']:.3f} in the median, {found['p95']:.3f} at p95"
        case _:
            return f"{found['mean']:.3f} in the mean, {found['min']:g} to {found['max']:g}"


def sentence(problem: CaseProblem) -> str:
    """Format a problem with its path."""
    return f"{problem.where}: {problem.text}" if problem.where else problem.text


def places(result: CaseResult, plan: CasePlan) -> list[str]:
    """Return the places in the workflow file of nodes with problems."""
    nodes = dict.fromkeys(problem.node for problem in result.problems if problem.node)
    if not nodes:
        return []
    positions = Positions(plan.text)
    return [
        f"{plan.workflow}:{place.line}: {plan.names.title(entry.id)}"
        for entry in plan.document.nodes
        if entry.id in nodes and (place := positions.at(entry.where)) is not None
    ]


def _covered(coverage: Coverage) -> dict[str, list[CoveredBranch]]:
    found = list(coverage.branches())
    kinds = {"nodes": [each for each in found if not each.handle], "branches": [each for each in found if each.handle]}
    return {kind: each for kind, each in kinds.items() if each}


def _plural(outcome: Outcome, count: int) -> str:
    return "errors" if outcome == "error" and count > 1 else outcome
