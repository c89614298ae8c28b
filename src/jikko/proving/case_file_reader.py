"""Parser of test files: text in, cases and all problems out. Reads the files of rows, and no others."""

import csv
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar, cast

import msgspec
from msgspec import Struct, inspect

from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.dsl.fields import MISSING, bad_value, expected, meant, problem_at, shown
from jikko.dsl.load import LoadLimits, decoded
from jikko.dsl.text.yaml_text import YamlProblem, parse
from jikko.proving.case_file import CaseFile, Evaluation, FlowCase, ScoreRule
from jikko.proving.evaluation import OWN, Bound, gate_of, matcher_of
from jikko.proving.matching import is_matcher

C = TypeVar("C", bound=FlowCase)
_WRONG: Final = object()
_ROW: Final = re.compile(r"\$row\.(\w+)")
_WORDS: Final[tuple[tuple[Any, str], ...]] = (
    (inspect.StrType, "a text"),
    (inspect.BoolType, "true or false"),
    (inspect.IntType, "a whole number"),
    (inspect.FloatType, "a number"),
    (inspect.ListType, "a list"),
    ((inspect.DictType, inspect.StructType), "a mapping"),
)
_OF_MATCHERS: Final[tuple[tuple[str, Any, str], ...]] = (
    ("near", (int, float), "a number"),
    ("within", (int, float), "a number"),
    ("one_of", list, "a list"),
    ("any_order", list, "a list"),
    ("matches", str, "a regular expression"),
    ("schema", Mapping, "a mapping"),
)
_Shape: TypeAlias = Mapping[str, "_Shape | None"]
_OF_RULES: Final[_Shape] = {
    "models": {"prompt": None},
    "http": {"url": None, "body": None},
    "tools": {"parameters": None},
    "knowledge": {"query": None},
}
_OF_NODE: Final[_Shape] = {"inputs": None, "outputs": None, "error": None}
_OF_EXPECTATION: Final[_Shape] = {"outputs": None, "answer": None, "error": None, "nodes": {"*": _OF_NODE}}
_MATCHED: Final[_Shape] = {
    **_OF_RULES,
    "cases": {**_OF_RULES, "expect": _OF_EXPECTATION, "turns": {"expect": _OF_EXPECTATION}},
    "evaluate": {**_OF_RULES, "expect": _OF_EXPECTATION, "score": {"*": None}},
}
"""Positions of matchers in a file: at the ``None``; ``*`` is any name."""
_FIRST, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
"""Earliest and latest start of a clock, which leaves a workflow some time."""


class ReadFile(Struct, frozen=True):
    file: CaseFile | None
    """Without its invalid parts, and not to be run if there are problems; ``None`` if unreadable."""
    problems: list[Diagnostic]
    places: list[str] = []
    """Path of each case in the file; rows share one."""
    evaluation: list[Evaluation] = []
    """Rows of the evaluation, each repeated as configured."""


def schema() -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.schema(CaseFile)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Test file of Jikko", **found}


def read_case_file(text: bytes, folder: Path) -> ReadFile:
    """Parse a test file. Never raises because of its content. ``folder``: Base of its paths."""
    problems: list[Diagnostic] = []
    try:
        root: Any = parse(decoded(text), LoadLimits())
    except YamlProblem as error:
        found = problem_at("", error.what, error.hint, line=error.line, column=error.column)
        return ReadFile(None, [found])
    root = _checked(root, inspect.type_info(CaseFile), "", problems)
    if root is _WRONG:
        return ReadFile(None, problems)
    file = msgspec.convert(root, CaseFile)
    if not (file.cases or file.evaluate or problems):
        problems.append(problem_at("cases", Phrase("document.empty" if "cases" in root else "document.missing")))
    _check_clock(file.defaults.clock, "defaults.clock", problems)
    cases: list[FlowCase] = []
    places: list[str] = []
    seen: set[str] = set()
    for index, case in enumerate(file.cases):
        where = f"cases[{index}]"
        _check_clock(case.clock, f"{where}.clock", problems)
        for each in _with_rows(case, folder, where, problems):
            if each.name and each.name in seen:
                problems.append(problem_at(f"{where}.name", Phrase("test.name_twice", {"name": repr(each.name)})))
            seen.add(each.name)
            cases.append(each)
        places += [where] * (len(cases) - len(places))
    rows = [] if file.evaluate is None else list(_rows_of_evaluation(file.evaluate, folder, problems))
    _check_matchers(root, "", problems, _MATCHED)
    return ReadFile(msgspec.structs.replace(file, cases=cases), problems, places, rows)


def _rows_of_evaluation(case: Evaluation, folder: Path, problems: list[Diagnostic]) -> Iterator[Evaluation]:
    _check_clock(case.clock, "evaluate.clock", problems)
    if not case.rows:
        problems.append(problem_at("evaluate.rows", MISSING))
        return
    for name, rule in case.score.items():
        _check_score(name, rule, folder, problems)
    for index, text in enumerate(case.gate):
        gate = gate_of(text)
        known = [*case.score, *OWN]
        if gate is None or (isinstance(gate, Bound) and gate.measure not in known):
            hint = None if gate is None else meant(gate.measure, known)
            hint = hint or Phrase(
                "remedy.expected", {"wanted": f"mean({known[0]}) >= 0.9, no worse than baseline.json"}
            )
            problems.append(problem_at(f"evaluate.gate[{index}]", bad_value(shown(text)), hint))
    for each in _with_rows(case, folder, "evaluate", problems):
        for number in range(1, case.repeat + 1):
            yield msgspec.structs.replace(each, name=f"{each.name} #{number}") if case.repeat > 1 else each


def _check_score(name: str, rule: ScoreRule, folder: Path, problems: list[Diagnostic]) -> None:
    where = f"evaluate.score.{name}"
    if name in OWN:
        problems.append(problem_at(where, Phrase("test.name_twice", {"name": repr(name)})))
    if not (matcher_of(rule) or rule.judge or rule.python):
        problems.append(problem_at(where, Phrase("document.empty"), expected("equals, …, judge, python")))
    if rule.judge and not all(rule.model.partition("/")):
        hint = expected("PROVIDER/MODEL")
        problems.append(problem_at(f"{where}.model", bad_value(shown(rule.model)), hint))
    for field, path in (("judge", rule.judge), ("python", rule.python)):
        try:
            if path:
                (folder / path).read_bytes().decode()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            problems.append(problem_at(f"{where}.{field}", Phrase("document.unreadable", {"reason": reason})))


def _checked(value: Any, kind: inspect.Type, where: str, problems: list[Diagnostic]) -> Any:
    """Return the value without parts of the wrong shape, which become problems; ``_WRONG``: nothing left."""
    match kind:
        case inspect.AnyType():
            return value
        case inspect.UnionType(types=types) if fitting := [each for each in types if _fits(value, each)]:
            return _checked(value, fitting[0], where, problems)
        case inspect.StructType() if isinstance(value, Mapping):
            return _checked_fields(value, kind, where, problems)
        case inspect.DictType(value_type=inner) if isinstance(value, Mapping):
            entries = {name: _checked(each, inner, _at(where, name), problems) for name, each in value.items()}
            return {str(name): each for name, each in entries.items() if each is not _WRONG}
        case inspect.ListType(item_type=inner) if isinstance(value, list):
            items = [_checked(each, inner, f"{where}[{index}]", problems) for index, each in enumerate(value)]
            # Later items would be reported at wrong positions.
            return _WRONG if _WRONG in items else items
        case _ if _fits(value, kind):
            return value
    _wrong(value, getattr(kind, "types", (kind,)), where, problems)
    return _WRONG


def _checked_fields(
    value: Mapping[str, Any], kind: inspect.StructType, where: str, problems: list[Diagnostic]
) -> dict[str, Any]:
    fields = {each.encode_name: each for each in kind.fields}
    found = {}
    for name, each in value.items():
        if name in fields:
            found[name] = _checked(each, fields[name].type, _at(where, name), problems)
        else:
            hint = meant(name, list(fields)) or expected(", ".join(fields))
            problems.append(problem_at(_at(where, name), Phrase("document.unknown"), hint))
    for name, field in fields.items():
        if field.required and name not in value:
            problems.append(problem_at(_at(where, name), MISSING))
        if field.required and found.get(name, _WRONG) is _WRONG:
            found[name] = [] if isinstance(field.type, inspect.ListType) else ""
    return {name: each for name, each in found.items() if each is not _WRONG}


def _at(where: str, name: object) -> str:
    return f"{where}.{name}" if where else str(name)


def _fits(value: Any, kind: inspect.Type) -> bool:
    match kind:
        case inspect.StructType() | inspect.DictType():
            return isinstance(value, Mapping)
        case inspect.ListType():
            return isinstance(value, list)
        case inspect.CustomType():
            return False
        case inspect.UnionType(types=types):
            return any(_fits(value, each) for each in types)
        case inspect.NoneType():
            return value is None
        case inspect.LiteralType(values=values):
            return value in values
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.StrType():
            return isinstance(value, str)
        case inspect.IntType() | inspect.FloatType():
            is_number = isinstance(value, int if isinstance(kind, inspect.IntType) else (int, float))
            return (
                is_number
                and not isinstance(value, bool)
                and (kind.ge is None or value >= kind.ge)
                and (kind.le is None or value <= kind.le)
            )
        case _:
            return True


def _wrong(value: Any, kinds: tuple[inspect.Type, ...], where: str, problems: list[Diagnostic]) -> None:
    choices = [str(each) for kind in kinds if isinstance(kind, inspect.LiteralType) for each in kind.values if each]
    words = [_expected_words(kind) for kind in kinds]
    hint = meant(value, choices) if isinstance(value, str) else None
    hint = hint or expected(" or ".join(filter(None, [*choices, *words])))
    problems.append(problem_at(where, bad_value(shown(value)), hint))


def _expected_words(kind: inspect.Type) -> str:
    word = next((word for classes, word in _WORDS if isinstance(kind, classes)), "")
    if isinstance(kind, (inspect.IntType, inspect.FloatType)) and kind.ge is not None:
        return f"{word} from {kind.ge}" + ("" if kind.le is None else f" to {kind.le}")
    return word


def _check_clock(text: str, where: str, problems: list[Diagnostic]) -> None:
    try:
        moment = datetime.fromisoformat(text) if text else _FIRST
        if moment.tzinfo is None or not _FIRST <= moment < _END:
            raise ValueError
    except (ValueError, OverflowError):
        hint = expected("2026-11-30T09:00:00+09:00")
        problems.append(problem_at(where, bad_value(shown(text)), hint))


def _check_matchers(value: Any, where: str, problems: list[Diagnostic], shape: _Shape | None) -> None:
    if isinstance(value, list):
        for index, each in enumerate(value):
            _check_matchers(each, f"{where}[{index}]", problems, shape)
    if not isinstance(value, Mapping):
        return
    if shape is not None:
        for name, each in value.items():
            if name in shape or "*" in shape:
                _check_matchers(each, _at(where, name), problems, shape.get(name, shape.get("*")))
        return
    matches = is_matcher(value)
    if matches and "within" in value and "near" not in value:
        problems.append(problem_at(f"{where}.near", MISSING))
    if matches and value.get("contains") == []:
        problems.append(problem_at(f"{where}.contains", Phrase("document.empty")))
    for name, kind, wanted in _OF_MATCHERS if matches else ():
        each = value.get(name)
        if name not in value or (isinstance(each, str) and "$row." in each):
            continue
        if not isinstance(each, kind) or isinstance(each, bool):
            hint = expected(wanted)
            problems.append(problem_at(f"{where}.{name}", bad_value(shown(each)), hint))
        elif name == "matches":
            _check_pattern(each, f"{where}.matches", problems)
    for name, each in value.items():
        # A schema and an exact value are data.
        if not (matches and name in ("equals", "schema")):
            _check_matchers(each, _at(where, name), problems, None)


def _check_pattern(pattern: str, where: str, problems: list[Diagnostic]) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        what = Phrase("test.pattern", {"pattern": shown(pattern), "reason": str(error)})
        problems.append(problem_at(where, what))


def _with_rows(case: C, folder: Path, where: str, problems: list[Diagnostic]) -> Iterator[C]:
    if isinstance(case.rows, str):
        try:
            rows = _rows_of(folder / case.rows)
        except (OSError, ValueError, TypeError, csv.Error, RecursionError) as error:
            nested = "it is nested too deeply" if isinstance(error, RecursionError) else ""
            reason = nested or getattr(error, "strerror", None) or str(error)
            problems.append(problem_at(f"{where}.rows", Phrase("document.unreadable", {"reason": reason})))
            yield case
            return
    else:
        rows = case.rows
    if not rows:
        if isinstance(case.rows, str):
            problems.append(problem_at(f"{where}.rows", Phrase("document.empty")))
        yield case
        return
    kind = inspect.type_info(type(case))
    plain = msgspec.to_builtins(msgspec.structs.replace(case, rows=[]))
    for number, row in enumerate(rows, start=1):
        lacking: set[str] = set()
        filled = _filled(plain, row, lacking)
        for name in sorted(lacking):
            hint = meant(name, list(row)) or expected(", ".join(row))
            what = Phrase("test.no_column", {"name": repr(name), "row": number})
            problems.append(problem_at(f"{where}.rows", what, hint))
        name = filled.get("name", case.name)
        name = name if name != case.name else f"{case.name} [{number}]"
        # A row's value may not fit the type of its place.
        checked = _checked({**filled, "name": str(name)}, kind, where, problems)
        made = msgspec.convert(checked, type(case))
        yield msgspec.structs.replace(made, rows=[row]) if isinstance(case, Evaluation) else made


def _rows_of(path: Path) -> list[dict[str, Any]]:
    # Spreadsheets write a byte order mark, and cells may have line breaks.
    with path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix == ".csv":
            csv.field_size_limit(sys.maxsize)
            rows: Any = list(csv.DictReader(file))
            for number, row in enumerate(rows, start=1):
                if None in row:
                    raise ValueError(f"row {number} has more cells than there are columns")
            return cast("list[dict[str, Any]]", rows)
        read: Callable[[str], Any] = json.loads
        rows = [read(line) for line in file if line.strip()] if path.suffix == ".jsonl" else read(file.read())
    return msgspec.convert(rows, list[dict[str, Any]])


def _filled(value: Any, row: Mapping[str, Any], lacking: set[str]) -> Any:
    match value:
        case str():
            names = _ROW.findall(value)
            lacking.update(name for name in names if name not in row)
            if names and _ROW.fullmatch(value):
                return row.get(names[0])
            return _ROW.sub(lambda found: str(row.get(found[1], "")), value)
        case Mapping():
            return {name: _filled(each, row, lacking) for name, each in value.items()}
        case list():
            return [_filled(each, row, lacking) for each in value]
        case _:
            return value
