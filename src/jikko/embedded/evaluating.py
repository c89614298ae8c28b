"""Evaluations: runs the rows, scores them, and checks the gates; resumes after a kill."""

import asyncio
import hashlib
import math
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from jikko.assemble.build_models import models_alone
from jikko.embedded.case_runs import CaseRunner, groups, side_by_side
from jikko.ports.models import ModelFailure, ModelRequest, Models, PromptMessage
from jikko.ports.sandbox import Sandbox, SandboxFailure
from jikko.proving.case_file import Evaluation, ScoreRule
from jikko.proving.case_plan import CasePlan, stem_of, workflow_of
from jikko.proving.evaluation import (
    OWN,
    Baseline,
    NoWorse,
    gate_of,
    has_succeeded,
    judged,
    matched,
    matcher_of,
    measures_of,
    summary_of,
    unmet,
    value_of,
)
from jikko.proving.verdict import CaseProblem, CaseResult, ScoredRow
from jikko.settings import Settings

_ATTEMPTS: Final = 3
"""Attempts of an overloaded judge."""
_FIRST_WAIT: Final = 1.0
_MAX_WAIT: Final = 60.0
"""Seconds between attempts that a judge may ask for."""
_PASSING: Final = ("InvokeRateLimitError", "InvokeServerUnavailableError", "InvokeConnectionError")
_ASKED: Final = '\n\nAnswer with one JSON object: {"score": a number from 0 to 1, "reason": "one sentence"}.'
_PLACE: Final = re.compile(r"\$(?:row\.(\w+)|value\b)")


async def scored_rows(settings: Settings, plan: CasePlan, rows: Sequence[Evaluation]) -> AsyncIterator[ScoredRow]:
    """Run and score rows of a plan's evaluation, as they finish."""
    staged = replace(plan, file=replace(plan.file, cases=list(rows)))
    for group, cases in groups([staged], lambda _, case: True).items():
        async with AsyncExitStack() as stack:
            runner = await stack.enter_async_context(CaseRunner(settings, group).opened())
            # Workflow and judges share rate limits if they use the same models.
            models = runner.ports.models if group.live else await stack.enter_async_context(models_alone(settings))
            scoring = Scoring(plan.path.parent, models, runner.ports.sandbox)

            async def scored(case: Any, runner: CaseRunner = runner, scoring: Scoring = scoring) -> ScoredRow:
                return await scoring.of(case, await runner.result(staged, case))

            async for row in side_by_side([partial(scored, case) for _, case in cases]):
                yield row


class Scoring(Struct, eq=False):
    """Scores runs."""

    folder: Path
    """Base of paths of judges and programs."""
    models: Models
    """For judges."""
    sandbox: Sandbox

    async def of(self, row: Evaluation, result: CaseResult) -> ScoredRow:
        """Score the result of a row. A failing scorer is an error of the row."""
        if result.outcome == "error":
            return ScoredRow(name=row.name, error="; ".join(each.text for each in result.problems))
        measures = measures_of(result)
        if not has_succeeded(result.runs[-1]):
            # Judges and programs are skipped.
            return ScoredRow(name=row.name, measures={**measures, **dict.fromkeys(row.score, 0.0)})
        [columns] = [each for each in row.rows if isinstance(each, dict)]
        for name, rule in row.score.items():
            try:
                value = value_of(result.runs[-1], rule.of)
            except KeyError:
                measures[name] = 0.0  # the run has no such output
                continue
            try:
                measures[name] = await self._score(rule, value, columns)
            except (ModelFailure, SandboxFailure, ValueError, OSError) as error:
                return ScoredRow(name=row.name, error=f"score.{name}: {error}")
        return ScoredRow(name=row.name, measures=measures)

    async def _score(self, rule: ScoreRule, value: Any, row: Mapping[str, Any]) -> float:
        scores = [matched(rule, value)] if matcher_of(rule) else []
        if rule.judge:
            scores.append(await self._judge(rule, value, row))
        if rule.python:
            scores.append(await self._program(rule, value, row))
        return min(scores)

    async def _judge(self, rule: ScoreRule, value: Any, row: Mapping[str, Any]) -> float:
        prompt = (self.folder / rule.judge).read_text(encoding="utf-8")
        answer = _text(value)
        asked = _PLACE.sub(lambda place: _text(row.get(place[1], "")) if place[1] else answer, prompt)
        if "$value" not in prompt:
            asked += f"\n\n{answer}"
        provider, _, model = rule.model.partition("/")
        message = PromptMessage("user", (asked + _ASKED,))
        request = ModelRequest(provider=provider, model=model, messages=(message,), stream=False)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return judged((await self.models.complete(request)).text)[0]
            except ModelFailure as failure:
                if attempt == _ATTEMPTS or failure.kind not in _PASSING:
                    raise
                await asyncio.sleep(min(failure.retry_after or _FIRST_WAIT * 2 ** (attempt - 1), _MAX_WAIT))
        raise AssertionError("unreachable")

    async def _program(self, rule: ScoreRule, value: Any, row: Mapping[str, Any]) -> float:
        code = (self.folder / rule.python).read_text(encoding="utf-8")
        found = (await self.sandbox.run_code("python3", code, {"value": value, "row": dict(row)})).get("score")
        if not isinstance(found, (bool, int, float)) or not math.isfinite(found) or not 0 <= found <= 1:
            raise ValueError(f"{rule.python} has to return {{'score': a number from 0 to 1}}, not {found!r}")
        return float(found)


def journal_of(plan: CasePlan) -> Path:
    """Return the file of a plan's ``RowJournal``. Each workflow of ``--against`` has its own."""
    version = "" if plan.workflow == workflow_of(plan.path, plan.file) else "against-"
    return plan.path.with_name(f".{stem_of(plan.path)}.{version}evaluation.jsonl")


class RowJournal:
    """Finished rows of an evaluation, kept beside its test file until all are done: ``.NAME.evaluation.jsonl``.

    A journal of other files or rows is ignored.
    """

    def __init__(self, plan: CasePlan, rows: Sequence[Evaluation]) -> None:
        self.path = journal_of(plan)
        self._head = msgspec.json.encode({"of": _digest(plan, rows)})
        self.done = self._read()

    def __enter__(self) -> Self:
        fresh = not self.done
        self._file = self.path.open("wb" if fresh else "ab")
        # A truncated line must not swallow the next one.
        self._file.write(self._head + b"\n" if fresh else b"\n")
        return self

    def __exit__(self, *ended: object) -> None:
        self._file.close()

    def add(self, row: ScoredRow) -> None:
        """Add a finished row. Rows with an error are run again."""
        if not row.error:
            self._file.write(msgspec.json.encode(row) + b"\n")
            self._file.flush()

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    def _read(self) -> dict[str, ScoredRow]:
        try:
            head, *lines = self.path.read_bytes().split(b"\n")
        except OSError:
            return {}
        if head != self._head:
            return {}
        found = []
        for line in lines:
            with suppress(msgspec.DecodeError):
                found.append(msgspec.json.decode(line, type=ScoredRow))
        return {row.name: row for row in found}


def _digest(plan: CasePlan, rows: Sequence[Evaluation]) -> str:
    """Return the digest of all inputs of a row's result, except for the outside world."""
    found = hashlib.sha256(plan.text + msgspec.json.encode((plan.file, list(rows))))
    for name in sorted(
        {name for row in rows for rule in row.score.values() for name in (rule.judge, rule.python) if name}
    ):
        with suppress(OSError):
            found.update((plan.path.parent / name).read_bytes())
    return found.hexdigest()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


_SHOWN: Final = 5
"""Maximum number of listed rows with an error."""


async def evaluated(
    settings: Settings, plan: CasePlan, tell: Callable[[int, int], object] | None = None, *, update: bool = False
) -> CaseResult:
    """Run the remaining rows of an evaluation, and check the gates.

    Args:
        tell: Called with the number of finished rows and the total, at the start and after each.
        update: Whether to write its scores to the baselines.

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
