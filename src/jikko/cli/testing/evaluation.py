"""The evaluation of a test file: its rows with progress, its baseline and its gates."""

import os

import click
import msgspec

from jikko.cli.running.run_progress import LiveLine
from jikko.cli.terminal import is_live
from jikko.embedded.evaluating import RowJournal, scored_rows
from jikko.proving.case_plan import CasePlan
from jikko.proving.evaluation import OWN, Baseline, NoWorse, gate_of, summary_of, unmet
from jikko.proving.verdict import CaseProblem, CaseResult, ScoredRow
from jikko.settings import Settings
from jikko.terminal_text import printable

_SHOWN = 5
"""Rows with an error that are named."""
_BAR = 24


async def evaluated(settings: Settings, plan: CasePlan, *, update: bool) -> CaseResult:
    """Run the rows that an evaluation which was killed has not done, and look at the gates. ``update``: whether its
    scores are written to the baselines that it is compared with. Raises ``OSError``: the journal or a baseline cannot
    be written."""
    result = CaseResult(file=str(plan.path), name="evaluate", line=plan.lines.get("evaluate", 0))
    wanted = [row for row in plan.evaluation if not row.skip]
    if not wanted:
        result.outcome, result.reason = "skipped", plan.evaluation[0].skip
        return result
    journal = RowJournal(plan, wanted)
    done = dict(journal.done)
    if done:
        text = f"{plan.path}: {len(done)} of {len(wanted)} rows were done before; {journal.path} has them"
        click.echo(printable(text), err=True)
    line = LiveLine() if is_live(os.environ) else None
    with journal:
        async for row in scored_rows(settings, plan, [each for each in wanted if each.name not in done]):
            journal.add(row)
            done[row.name] = row
            if line is not None:
                part = len(done) * _BAR // len(wanted)
                line.draw(f"{plan.path} {'█' * part}{'░' * (_BAR - part)}", f"{len(done)} of {len(wanted)}")
    if line is not None:
        line.clear()
    result.rows = rows = [done[each.name] for each in wanted]
    if errors := [row for row in rows if row.error]:
        result.outcome = "error"
        result.problems = [CaseProblem(row.name, row.error) for row in errors[:_SHOWN]]
        if len(errors) > _SHOWN:
            result.problems.append(CaseProblem("", f"{len(errors) - _SHOWN} more rows have an error"))
        return result
    journal.remove()
    result.problems = _of_gates(plan, rows, update=update)
    result.outcome = "failed" if result.problems else "passed"
    return result


def _of_gates(plan: CasePlan, rows: list[ScoredRow], *, update: bool) -> list[CaseProblem]:
    found: list[CaseProblem] = []
    assert plan.file.evaluate is not None
    for index, text in enumerate(plan.file.evaluate.gate):
        gate = gate_of(text)
        assert gate is not None
        where, baseline = f"gate[{index}]", None
        if isinstance(gate, NoWorse):
            path = plan.path.parent / gate.file
            if update:
                means = {name: each["mean"] for name, each in summary_of(rows).items() if name not in OWN}
                path.write_bytes(msgspec.json.format(msgspec.json.encode(Baseline(means))) + b"\n")
                continue
            try:
                baseline = msgspec.json.decode(path.read_bytes(), type=Baseline) if path.exists() else None
            except (OSError, msgspec.MsgspecError) as error:
                found.append(CaseProblem(where, f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"))
                continue
        found += [CaseProblem(where, problem) for problem in unmet(gate, rows, baseline)]
    return found
