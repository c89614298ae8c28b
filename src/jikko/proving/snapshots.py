"""Snapshots of what cases did last, in a file beside the test file: ``NAME.snapshots.json``."""

import json
from pathlib import Path
from typing import Any

import msgspec

from jikko.events import RunFinished
from jikko.proving.case_plan import CasePlan, stem_of
from jikko.proving.matching import mismatches
from jikko.proving.verdict import CaseProblem, CaseResult


class Snapshots:
    """The snapshots of one test file."""

    def __init__(self, plan: CasePlan, *, update: bool) -> None:
        """``update``: whether what cases do now is to be kept. Raises ``OSError``, ``ValueError``: the file is there
        and cannot be read."""
        self.path = snapshots_beside(plan.path)
        self._update = update
        self._kept: dict[str, Any] = _read(self.path) if self.path.exists() else {}
        self._wanted = {
            case.name
            for case in plan.file.cases
            if case.expect.snapshot or any(turn.expect.snapshot for turn in case.turns)
        }
        self._changed = False

    def compare(self, result: CaseResult) -> list[CaseProblem]:
        """What a case did otherwise than last; with ``update`` it is kept instead."""
        if result.name not in self._wanted:
            return []
        now = _snapshot(result)
        kept = self._kept.get(result.name)
        if kept == now:
            return []
        if self._update:
            self._kept[result.name] = now
            self._changed = True
            return []
        if kept is None:
            return [CaseProblem("snapshot", "there is none yet; `jikko test --update` keeps one")]
        found = list(mismatches(kept, now, "snapshot")) or list(mismatches({"equals": kept}, now, "snapshot"))
        hint = "; if it is meant so: jikko test --update"
        return [CaseProblem(where, text + hint * (index == 0)) for index, (where, text) in enumerate(found)]

    def close(self) -> None:
        """Write what changed. Snapshots of cases that no longer want one go."""
        left = {name: each for name, each in self._kept.items() if name in self._wanted}
        if self._update and (self._changed or left != self._kept):
            self.path.write_text(json.dumps(left, ensure_ascii=False, indent=2, sort_keys=True) + "\n", "utf-8")


def snapshots_beside(path: Path) -> Path:
    """The file of the snapshots of a test file."""
    return path.with_name(f"{stem_of(path)}.snapshots.json")


def _read(path: Path) -> dict[str, Any]:
    try:
        return msgspec.convert(json.loads(path.read_text(encoding="utf-8")), dict[str, Any])
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _snapshot(result: CaseResult) -> dict[str, Any]:
    runs = []
    for run in result.runs:
        end = run.events[-1] if run.events else None
        is_over = isinstance(end, RunFinished)
        one = {"status": end.status, "outputs": end.outputs} if is_over else {"status": "paused"}  # type: ignore[union-attr]
        runs.append(one if run.answer is None else {**one, "answer": run.answer})
    found: dict[str, Any] = json.loads(json.dumps({"runs": runs, "path": result.path}))
    return found
