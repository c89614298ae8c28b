"""Answers of the outside that ``jikko test --record`` keeps beside a test file: ``NAME.recorded.json``."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from msgspec.structs import replace

from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.dsl.fields import problem_at
from jikko.proving.case_file import CaseFile, FlowCase, NodeMock
from jikko.proving.recorded_case import recorded_mocks
from jikko.proving.verdict import CaseResult, NodeNames

RecordedAnswers: TypeAlias = dict[str, dict[str, list[NodeMock]]]
"""By case, and by node."""


def recordings_beside(path: Path) -> Path:
    """The file of the answers of a test file."""
    name = path.name.removesuffix(".yml").removesuffix(".yaml").removesuffix(".test")
    return path.with_name(f"{name}.recorded.json")


def is_replayed(case: FlowCase, file: CaseFile) -> bool:
    """Whether answers of a recording stand for the outside."""
    return (case.outside or file.defaults.outside) == "replay"


def with_answers(path: Path, file: CaseFile, places: Iterable[str]) -> tuple[CaseFile, list[Diagnostic]]:
    """The file with the answers that were recorded as mocks, and which cases have none. ``path``: of the test file.
    ``places``: the paths of its cases."""
    problems, cases = list[Diagnostic](), list[FlowCase]()
    try:
        kept = recorded(path)
    except (OSError, ValueError):
        kept = {}
    for case, where in zip(file.cases, places, strict=True):
        if not is_replayed(case, file):
            cases.append(case)
            continue
        if case.name not in kept:
            what = Phrase("test.no_recording", {"name": repr(case.name), "file": recordings_beside(path).name})
            problems.append(
                problem_at(where, what, Phrase("remedy.record", {"command": f"jikko test --record {path}"}))
            )
            continue
        cases.append(replace(case, outside="refuse", mocks={**kept[case.name], **case.mocks}))
    return file if problems else replace(file, cases=cases), problems


def recorded(path: Path) -> RecordedAnswers:
    """The answers of a test file; none if nothing was recorded. Raises ``OSError``, ``ValueError``: the file is there
    and cannot be read."""
    file = recordings_beside(path)
    try:
        return msgspec.json.decode(file.read_bytes(), type=RecordedAnswers) if file.exists() else {}
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from None


def kept_answers(
    kept: RecordedAnswers, file: CaseFile, names: NodeNames, results: Iterable[CaseResult]
) -> dict[str, Any]:
    """What the outside answered to the replayed cases that passed; to others that are still there what was kept."""
    wanted = {case.name for case in file.cases if is_replayed(case, file)}
    found: dict[str, Any] = {name: each for name, each in kept.items() if name in wanted}
    for result in results:
        if result.name in wanted and result.outcome == "passed":
            answers = found[result.name] = dict[str, list[Mapping[str, Any]]]()
            for run in result.runs:
                for node, mocks in recorded_mocks(run.events, names).items():
                    answers.setdefault(node, []).extend(mocks)
    return found


def encoded(answers: Mapping[str, Any]) -> bytes:
    """Answers as their file has them."""
    return (json.dumps(msgspec.to_builtins(answers), ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()
