"""The evaluation of a test file: its rows, its baseline and its gates."""

from collections.abc import Callable
from typing import Final

import msgspec

from jikko.embedded.evaluating import RowJournal, scored_rows
from jikko.proving.case_plan import CasePlan
from jikko.proving.evaluation import OWN, Baseline, NoWorse, gate_of, summary_of, unmet
from jikko.proving.verdict import CaseProblem, CaseResult, ScoredRow
from jikko.settings import Settings

_SHOWN: Final = 5
"""Rows with an error that are named."""


async def evaluated(
    settings: Settings, plan: CasePlan, tell: Callable[[int, int], object] | None = None, *, update: bool = False
) -> CaseResult:
    """Run the rows that an evaluation which was killed has not done, and look at the gates.

    Args:
        tell: Called with the number of rows that are done, and that of all: at the start, and after each.
        update: Whether its scores are written to the baselines that it is compared with.

    Raises:
        OSError: The journal or a baseline cannot be written.
    """
    result = CaseResult(file=str(plan.path), name="evaluate", line=plan.lines.get("evaluate", 0))
    wanted = [row for row in plan.evaluation if not row.skip]
    if not wanted:
        result.outcome, result.reason = "skipped", plan.evaluation[0].skip
        return result
    journal = RowJournal(plan, wanted)
    done = dict(journal.done)
    if tell is not None:
        tell(len(done), len(wanted))
    with journal:
        async for row in scored_rows(settings, plan, [each for each in wanted if each.name not in done]):
            journal.add(row)
            done[row.name] = row
            if tell is not None:
                tell(len(done), len(wanted))
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
