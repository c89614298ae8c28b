"""Plan of a test file: checked against its workflow, with its snapshots."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from jikko.apps.dsl_file import TEST_ENDINGS, read_dsl_file
from jikko.apps.versions import check
from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.dsl.document import CHAT_MODES, DslDocument, handles_of
from jikko.dsl.fields import meant, problem_at
from jikko.dsl.text.positions import Positions
from jikko.events import RunFinished
from jikko.nodes.registry import BY_TYPE
from jikko.proving.case_file import CaseFile, Evaluation, Expectation, FlowCase, NodeMock
from jikko.proving.case_file_reader import read_case_file
from jikko.proving.matching import mismatches
from jikko.proving.recorded_case import is_replayed, with_answers
from jikko.proving.script import node_names
from jikko.proving.verdict import CaseProblem, CaseResult, NodeNames

Handles: TypeAlias = Mapping[str, Sequence[str]]
"""Handles of branching nodes, by node id."""


class CasePlan(Struct, frozen=True, kw_only=True):
    path: Path
    file: CaseFile
    workflow: Path
    text: bytes
    """Of the workflow."""
    document: DslDocument
    names: NodeNames
    evaluation: list[Evaluation] = []
    """Rows of its evaluation."""
    lines: dict[str, int]
    """Line numbers of the cases by name, from 1."""

    @property
    def mocked(self) -> set[str]:
        return {name for mocks in (self.file, *self.file.cases) for name in mocks.mocks}

    @property
    def is_chat(self) -> bool:
        return self.document.mode in CHAT_MODES


class ReadPlan(Struct, frozen=True):
    plan: CasePlan | None
    """``None`` if there are problems."""
    problems: list[Diagnostic]
    """With line numbers, in file order."""
    workflow: str = ""
    """The workflow file, if it is the invalid one."""


def workflow_of(path: Path, file: CaseFile) -> Path:
    if file.workflow:
        return path.parent / file.workflow
    yaml = path.parent / f"{stem_of(path)}.yaml"
    return yaml if yaml.exists() else path.parent / f"{stem_of(path)}.yml"


def stem_of(path: Path) -> str:
    """Return the name of a test file without its suffix."""
    return path.name[: -len(next(end for end in TEST_ENDINGS if path.name.lower().endswith(end)))]


def read_plan(path: Path, against: Path | None = None, *, is_live: bool = False) -> ReadPlan:
    """Read a test file and its workflow. Never raises because of their content.

    Args:
        against: Workflow to use instead of the file's own.
        is_live: Whether replayed calls reach the real world, so that no recording is needed.

    Raises:
        OSError: The test file cannot be read.
    """
    return plan_of(read_dsl_file(path), path, against, is_live=is_live)


def plan_of(text: bytes, path: Path, against: Path | None = None, *, is_live: bool = False) -> ReadPlan:
    """The same for the text of a test file. ``path``: Its place, the base of its paths."""
    read = read_case_file(text, path.parent)
    if read.file is not None and not (is_live or read.problems):
        file, unanswered = with_answers(path, read.file, read.places)
        read = replace(read, file=file, problems=unanswered)
    positions = Positions(text)
    if read.file is None:
        return ReadPlan(None, _placed(read.problems, positions))
    workflow = against or workflow_of(path, read.file)
    try:
        source = read_dsl_file(workflow)
    except OSError as error:
        params = {"file": str(workflow), "reason": error.strerror or str(error)}
        found = problem_at("workflow", Phrase("test.no_workflow", params), Phrase("remedy.test_workflow"))
        return ReadPlan(None, _placed([*read.problems, found], positions))
    checked = check(source, source=str(workflow), node_classes=BY_TYPE)
    if checked.document is None or checked.graph is None:
        what = Phrase("test.bad_workflow", {"file": str(workflow)})
        command = Phrase("remedy.check_file", {"command": f"jikko check {workflow}"})
        found = problem_at("workflow", what, command)
        return ReadPlan(None, _placed([*read.problems, found], positions), "" if read.problems else str(workflow))
    names = NodeNames({node.id: node.title for node in checked.graph.nodes.values()})
    handles = {node.id: handles_of(node) or () for node in checked.document.nodes}
    is_chat = checked.document.mode in CHAT_MODES
    problems = [*read.problems, *_problems(read.file, read.places, names, handles, is_chat=is_chat)]
    if read.file.evaluate is not None and is_replayed(read.file.evaluate, read.file) and not is_live:
        hint = Phrase("remedy.expected_one_of", {"wanted": "refuse, fake, live"})
        problems.append(problem_at("evaluate.outside", Phrase("test.no_replay"), hint))
    if problems:
        return ReadPlan(None, _placed(problems, positions))
    places = {case.name: positions.at(where) for case, where in zip(read.file.cases, read.places, strict=True)}
    if read.file.evaluate is not None:
        places["evaluate"] = positions.at("evaluate")
    return ReadPlan(
        CasePlan(
            path=path,
            file=read.file,
            workflow=workflow,
            text=source,
            document=checked.document,
            names=names,
            evaluation=read.evaluation,
            lines={name: place.line if place else 0 for name, place in places.items()},
        ),
        [],
    )


def _placed(problems: Iterable[Diagnostic], positions: Positions) -> list[Diagnostic]:
    found: dict[str, Diagnostic] = {}
    for problem in problems:
        place = None if problem.line else positions.at(problem.where)
        placed = problem if place is None else replace(problem, line=place.line, column=place.column)
        # Rows repeat the same mistake.
        found.setdefault(str(placed), placed)
    return sorted(found.values(), key=lambda problem: (problem.line, problem.column))


def _problems(
    file: CaseFile, places: Iterable[str], names: NodeNames, handles: Handles, *, is_chat: bool
) -> Iterator[Diagnostic]:
    yield from _of_mocks(file, "", names, handles)
    evaluated = [] if file.evaluate is None else [(file.evaluate, "evaluate")]
    for case, where in [*zip(file.cases, places, strict=True), *evaluated]:
        yield from _of_mocks(case, f"{where}.", names, handles)
        yield from _of_expectation(case.expect, f"{where}.expect", names)
        for index, turn in enumerate(case.turns):
            yield from _of_expectation(turn.expect, f"{where}.turns[{index}].expect", names)
        if bool(case.turns) != is_chat:
            what = Phrase("test.no_turns" if is_chat else "test.turns")
            yield problem_at(f"{where}.turns", what, Phrase("remedy.turns") if is_chat else None)


def _of_mocks(mocks: CaseFile | FlowCase, prefix: str, names: NodeNames, handles: Handles) -> Iterator[Diagnostic]:
    for where, name in node_names(mocks):
        yield from _unknown(name, prefix + where, names)
    for field, lists in (("mocks", mocks.mocks), ("forms", mocks.forms)):
        for name, given in lists.items():
            if given == []:
                yield problem_at(f"{prefix}{field}.{name}", Phrase("document.empty"))
    for name, mock in mocks.mocks.items():
        for one in [mock] if isinstance(mock, NodeMock) else mock:
            known = {handle for node in names.ids(name) for handle in handles.get(node, ())}
            if one.branch and known and one.branch not in known:
                hint = meant(one.branch, sorted(known))
                hint = hint or Phrase("remedy.expected_one_of", {"wanted": ", ".join(sorted(known))})
                what = Phrase("test.no_branch", {"branch": repr(one.branch), "node": repr(name)})
                yield problem_at(f"{prefix}mocks.{name}", what, hint)


def _of_expectation(expect: Expectation, where: str, names: NodeNames) -> Iterator[Diagnostic]:
    for field, named in (("path", expect.path), ("not_run", expect.not_run)):
        for index, name in enumerate(named):
            yield from _unknown(name, f"{where}.{field}[{index}]", names)
    for name in expect.nodes:
        yield from _unknown(name, f"{where}.nodes.{name}", names)
    if expect.waits_for:
        yield from _unknown(expect.waits_for, f"{where}.waits_for", names)


def _unknown(name: str, where: str, names: NodeNames) -> Iterator[Diagnostic]:
    if not names.ids(name):
        yield problem_at(where, Phrase("test.no_node", {"name": repr(name)}), meant(name, names.all()))


class Snapshots:
    def __init__(self, plan: CasePlan, *, update: bool) -> None:
        """``update``: Whether to store current results. Raises ``OSError``, ``ValueError``: unreadable file."""
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
        """Return the differences from a case's snapshot; with ``update``, replace it instead."""
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
            return [CaseProblem("snapshot", "none yet; `jikko test --update` records one")]
        found = list(mismatches(kept, now, "snapshot")) or list(mismatches({"equals": kept}, now, "snapshot"))
        hint = "; if it is meant so: jikko test --update"
        return [CaseProblem(where, text + hint * (index == 0)) for index, (where, text) in enumerate(found)]

    def close(self) -> None:
        """Write changes, and drop the snapshots of cases without one."""
        left = {name: each for name, each in self._kept.items() if name in self._wanted}
        if self._update and (self._changed or left != self._kept):
            self.path.write_text(json.dumps(left, ensure_ascii=False, indent=2, sort_keys=True) + "\n", "utf-8")


def snapshots_beside(path: Path) -> Path:
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
        one: dict[str, Any] = {"status": "paused"}
        if isinstance(end, RunFinished):
            one = {"status": end.status, "outputs": end.outputs}
        runs.append(one if run.answer is None else {**one, "answer": run.answer})
    found: dict[str, Any] = json.loads(json.dumps({"runs": runs, "path": result.path}))
    return found
