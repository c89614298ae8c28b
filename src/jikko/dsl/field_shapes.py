"""JSON Schema derived from the readers of fields, which read mappings that record each access instead of a file.

A reader may access more fields depending on a value. So it runs repeatedly, each time with another answer to one
access, and the schema combines the accesses of all runs. A field needed by some settings only is held to its type with
all of them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from jikko.diagnostics.diagnostic import Diagnostic
from jikko.dsl.fields import BOOLEANS, Fields
from jikko.values import Json, Selector

Schema: TypeAlias = dict[str, Any]

_ANY: Final = "*"
"""Stands for any name in a mapping."""
_FIRST: Final = "[0]"
"""Suffix for the elements of a list, as in paths of problems."""
_MOST_READINGS: Final = 20_000
_DEEPEST: Final = 5
"""Depth beyond which recursive mappings are empty."""
_SAMPLES: Final[tuple[Json, ...]] = ("x", 1, True, ["x"], [{}], {_ANY: "x"})
"""Sample answers for fields of any type, besides absence."""
_KINDS: Final = {str: "string", int: "number", bool: "boolean", list: "array", dict: "object"}
_SHAPES: Final = frozenset(
    f"document.not_{kind}" for kind in ("list", "mapping", "boolean", "integer", "selector")
) | frozenset({"document.case_id"})
"""Problems about a type. Others may concern a particular value."""
_MAPPING: Final[Schema] = {"$mapping": True}
_MAPPINGS: Final[Schema] = {"$mapping": False}
_LIST: Final[Schema] = {"type": "array"}
_TEXT: Final[Schema] = {"type": ["string", "number"]}
_SELECTOR: Final[Schema] = {"type": "array", "items": {"type": ["string", "integer"]}}
_BOOLEAN: Final[Schema] = {
    "anyOf": [
        {"type": "boolean"},
        {"enum": [0, 1, *sorted({case for text in BOOLEANS for case in (text, text.title(), text.upper())})]},
    ]
}
_DIGITS: Final[Schema] = {"type": "string", "pattern": r"^\s*[-+]?[0-9_]*\s*$"}


def schema_of(*readers: Callable[[Fields], object]) -> Schema:
    """Return the schema of mappings in which the readers find no type errors."""
    notes = _Notes()
    notes.read(readers)
    return notes.schema("")


class _Answer(str):
    """Text answer that knows the path of its field."""

    __slots__ = ("at",)
    at: str


class _Field:
    def __init__(self) -> None:
        self.choices: list[str] = []
        self.kinds: list[Schema] = []
        self.nullable = False
        self.required = 0
        """Number of runs that require it."""
        self.given = 0
        """Number of runs that assumed it."""

    def add(self, kind: Schema) -> None:
        if kind not in self.kinds:
            self.kinds.append(kind)


class _Reading:
    """One run: its answers, and the recorded accesses."""

    def __init__(self, answers: Mapping[str, Json]) -> None:
        self.answers = answers
        self.questions: dict[str, tuple[Any, ...]] = {}
        self.asked: dict[str, dict[str, list[Schema]]] = {"": {}}
        """Accepted types by mapping path and field name; empty: any."""
        self.required: set[str] = set()
        self.values: dict[str, Json] = {}
        """Values given for fields of any type, by path."""
        self.present: set[str] = set()
        self.problems: list[Diagnostic] = []
        self.choices: dict[str, list[str]] = {}
        """Permitted texts, by path, from rejections that list them."""

    def answer(self, key: str, usual: Any, *others: Any) -> Any:
        self.questions.setdefault(key, others)
        return self.answers.get(key, usual)


class _Notes:
    """Accesses of all runs, by mapping path."""

    def __init__(self) -> None:
        self._fields: dict[str, dict[str, _Field]] = {}
        self._readings: Counter[str] = Counter()

    def read(self, readers: Iterable[Callable[[Fields], object]]) -> None:
        """Run until every answer was tried."""
        waiting: list[tuple[dict[str, Any], str, Any]] = [({}, "", None)]
        """Pending runs: answers so far, and the next access with its answer."""
        tried: set[tuple[str, str, str]] = set()
        for _ in range(_MOST_READINGS):
            if not waiting:
                return
            answers, question, answer = waiting.pop(0)
            reading = _Reading({**answers, question: answer})
            for reader in readers:
                reader(_NotedFields("", reading))
            self._note(reading)
            is_choice = question.endswith((" choice", " text")) and answer not in ("", "x")
            chosen = _mapping_of(question) if is_choice else None
            for key, others in reading.questions.items():
                # The fields read often depend on a choice beside them.
                beside = f"{question}={answer}" if " " not in key and chosen == _mapping_of(key) else ""
                for other in others:
                    if key not in reading.answers and (trial := (key, repr(other), beside)) not in tried:
                        tried.add(trial)
                        waiting.append((dict(reading.answers), key, other))
        raise AssertionError("a reader asks for ever")

    def _note(self, reading: _Reading) -> None:
        problems: dict[str, set[str]] = {}
        for problem in reading.problems:
            if not problem.ok:
                problems.setdefault(problem.where, set()).add(problem.code)
        for where, names in reading.asked.items():
            self._readings[where] += 1
            fields = self._fields.setdefault(where, {})
            for name, kinds in names.items():
                at = _at(where, name)
                field = fields.setdefault(name, _Field())
                value, refused = reading.values.get(at), problems.get(at, set())
                if refused and at in reading.choices:
                    field.choices += [choice for choice in reading.choices[at] if choice not in field.choices]
                elif kinds:
                    # The most restrictive of several accesses.
                    field.add(min(kinds, key=lambda kind: "enum" not in kind))
                elif value is not None and not refused & (
                    _SHAPES if isinstance(value, str) else {*_SHAPES, "document.value"}
                ):
                    field.add({"type": _KINDS[type(value)]})
                if at in reading.required or (value is None and refused and not (kinds and at in reading.choices)):
                    field.required += 1
                elif at in reading.present or value is not None:
                    field.given += 1
                else:
                    field.nullable = True
                field.nullable |= at in reading.present and at not in reading.required

    def schema(self, where: str) -> Schema:
        found: Schema = {"type": "object"}
        required = []
        for name, field in self._fields.get(where, {}).items():
            if name.endswith(_FIRST):
                continue
            schema = self._field(_at(where, name), field)
            if name == _ANY:
                found |= {"additionalProperties": schema} if schema else {}
                continue
            found.setdefault("properties", {})[name] = schema
            if field.required and field.required + field.given == self._readings[where]:
                required.append(name)
        return found | ({"required": required} if required else {})

    def _field(self, at: str, field: _Field) -> Schema:
        kinds = [self._kind(at, kind) for kind in field.kinds if not (field.choices and kind == _TEXT)]
        kinds += [{"enum": [*field.choices, ""]}] if field.choices else []
        exact = {kind["type"] for kind in kinds if len(kind) > 1 and isinstance(kind.get("type"), str)}
        plain = {one for kind in kinds if len(kind) == 1 for one in _types(kind)} - exact
        if not kinds or plain >= {*_KINDS.values()}:
            return {}
        either = [kind for kind in kinds if len(kind) > 1 or "type" not in kind]
        either += [{"type": sorted(plain)}] if plain else []
        if field.nullable:
            either[-1] = _or_null(either[-1])
        return either[0] if len(either) == 1 else {"anyOf": either}

    def _kind(self, at: str, kind: Schema) -> Schema:
        if kind == _MAPPING:
            return self.schema(at)
        if kind == _MAPPINGS:
            return {"type": "array", "items": self.schema(f"{at}{_FIRST}")}
        where, _, name = at.rpartition(".")
        element = self._fields.get(where, {}).get(f"{name}{_FIRST}") if kind == _LIST else None
        items = None if element is None else self._field(f"{at}{_FIRST}", element)
        return {**kind, "items": items} if items else kind


def _types(kind: Schema) -> list[str]:
    found = kind.get("type", [])
    return found if isinstance(found, list) else [found]


def _mapping_of(key: str) -> str:
    return key.partition(" ")[0].rpartition(".")[0]


def _or_null(kind: Schema) -> Schema:
    if "enum" in kind:
        return {"enum": [*kind["enum"], None]}
    if "anyOf" in kind:
        return {"anyOf": [*kind["anyOf"], {"type": "null"}]}
    return kind | {"type": [*_types(kind), "null"]}


def _at(where: str, name: str) -> str:
    return f"{where}.{name}" if where and name else where or name


class _NotedMapping(dict[str, Any]):
    """Mapping with a field of any name, and values for all other names on access."""

    def __init__(self, where: str, reading: _Reading) -> None:
        is_deep = where.count(".") >= _DEEPEST
        super().__init__()
        self._where, self._reading = where, reading
        if not is_deep and reading.answer(f"{where} filled", True, False):
            super().__setitem__(_ANY, self.get(_ANY))

    def get(self, name: str, default: Any = None) -> Any:
        at = _at(self._where, name)
        self._reading.asked.setdefault(self._where, {}).setdefault(name, [])
        value = self._reading.values[at] = self._reading.answer(at, None, *_SAMPLES)
        return default if value is None else value

    def __getitem__(self, name: str) -> Any:
        return self.get(name)

    def __contains__(self, name: object) -> bool:
        at = _at(self._where, str(name))
        there: bool = self._reading.answer(f"{at} is there", False, True)
        self._reading.present |= {at} if there else set()
        return there


class _NotedFields(Fields):
    """Fields that record accesses. Answers are valid file values, or defaults."""

    __slots__ = ("_reading",)

    def __init__(self, where: str, reading: _Reading) -> None:
        super().__init__(where, _NotedMapping(where, reading), reading.problems)
        self._reading = reading
        reading.asked.setdefault(where, {})

    def _ask(self, name: str, kind: Schema, *, required: bool = False) -> str:
        self._reading.asked[self.where].setdefault(name, []).append(kind)
        at = self.at(name)
        if required:
            self._reading.required.add(at)
        return at

    def shown(self, name: str) -> str:
        return name

    def standing_at(self, where: str) -> Fields:
        return self

    def text(self, name: str, default: str = "", *, required: bool = False) -> str:
        at = self._ask(name, _TEXT, required=required)
        found = _Answer(self._reading.answer(f"{at} text", "x" if required else default, "x", default))
        found.at = at
        return found

    def meant(self, wrong: Json, choices: Sequence[str]) -> None:
        if isinstance(wrong, _Answer):
            self._reading.choices[wrong.at] = [*choices]
            self._reading.questions[f"{wrong.at} text"] += tuple(choices)

    def boolean(self, name: str, default: bool = False) -> bool:
        at = self._ask(name, _BOOLEAN)
        found: bool = self._reading.answer(f"{at} boolean", default, True, False)
        return found

    def integer(self, name: str, default: int = 0, *, minimum: int | None = None) -> int:
        whole = {"type": "integer"} | ({} if minimum is None else {"minimum": minimum})
        self._ask(name, {"anyOf": [whole, _DIGITS]})
        return default

    def seconds(self, name: str, default: float) -> float:
        self._ask(name, {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1e6})
        return default

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        at = self._ask(name, {"enum": [*choices, ""]})
        found: str = self._reading.answer(f"{at} choice", default, *choices)
        return found

    def selector(self, name: str, *, required: bool = False) -> Selector:
        at = self._ask(name, _SELECTOR | ({"minItems": 1} if required else {}), required=required)
        found: Selector = self._reading.answer(f"{at} selector", ("x", "y") if required else (), ("x", "y"))
        return found

    def selectors(self, name: str) -> tuple[Selector, ...]:
        self._ask(name, {"type": "array", "items": _SELECTOR})
        return ()

    def items(self, name: str, *, required: bool = False) -> list[Any]:
        at = self._ask(name, _LIST, required=required)
        found: list[Any] = self._reading.answer(f"{at} items", [], *([sample] for sample in _SAMPLES))
        if found:
            self._reading.asked[self.where].setdefault(f"{name}{_FIRST}", [])
            self._reading.values[f"{at}{_FIRST}"] = found[0]
        return found

    def mapping(self, name: str) -> Fields:
        return _NotedFields(self._ask(name, _MAPPING), self._reading)

    def entries(self) -> list[tuple[str, Fields]]:
        return [(_ANY, self.mapping(_ANY))] if self.raw else []

    def mappings(self, name: str, *, required: bool = False) -> Iterator[Fields]:
        at = self._ask(name, _MAPPINGS, required=required)
        if at.count(".") < _DEEPEST:
            yield _NotedFields(f"{at}{_FIRST}", self._reading)
