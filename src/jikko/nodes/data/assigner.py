"""Variable Assigner node: changes variables of other nodes and of the conversation."""

from collections.abc import Callable, Mapping
from typing import ClassVar, Final, Self

import msgspec
from msgspec import Struct

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.common import read_common
from jikko.dsl.fields import Fields, as_selector, bad_value
from jikko.events import Update
from jikko.lang.variables import follow
from jikko.nodes.contract import Context, NodeConfig, NodeFailure, Result, Variables
from jikko.values import MAX_DEPTH, UNSET, Json, Selector, Unset, is_file, is_too_deep, json_value, type_of

WRITE_MODES: Final = ("over-write", "append", "clear")
"""Operations of version 1."""


class Assignment(Struct, frozen=True):
    target: Selector
    operation: str
    source: Selector | None
    """Variable with the new value; ``None`` for a constant."""
    constant: Json
    input_type: str
    """``variable`` or ``constant``."""

    @classmethod
    def read(cls, data: Fields) -> Self:
        operation = data.text("operation", required=True)
        if operation and operation not in OPERATIONS:
            data.problem(
                "operation",
                bad_value(repr(operation)),
                Phrase("remedy.expected_one_of", {"wanted": ", ".join(OPERATIONS)}),
            )
        input_type = data.choice("input_type", ("variable", "constant"), "variable")
        value = data.get("value")
        source = None
        if input_type == "variable" and operation not in WITHOUT_INPUT and value is not None:
            source = as_selector(value)
            if source is None:
                data.problem("value", Phrase("document.selector"), Phrase("remedy.selector"))
        return cls(data.selector("variable_selector", required=True), operation, source, value, input_type)


class _Pool:
    """Variables with the changes so far, which are visible outside only once the node ends."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables
        self.changed: dict[Selector, Json] = {}

    def get(self, selector: Selector) -> Json | Unset:
        if selector[:2] in self.changed:
            return follow(self.changed[selector[:2]], selector[2:])
        return self._variables.get(selector)

    def target(self, selector: Selector) -> tuple[Json, str]:
        """Return value and type of a target, a whole variable. Raises ``AssignmentRefused``: there is none."""
        value = self.get(selector) if len(selector) == 2 else UNSET
        if value is UNSET:
            raise AssignmentRefused(f"Variable {list(selector)} not found")
        return value, self._type(selector, value)

    def updates(self) -> tuple[Update, ...]:
        return tuple(Update((selector[0], selector[1]), value) for selector, value in self.changed.items())

    def recorded(self) -> list[Json]:
        """Return the recorded ``__updated_variables``. Source: docs/dify-behaviour.md, “Variable assigner”."""
        return [
            {
                "name": selector[1],
                "selector": list(selector),
                "value_type": self._type(selector, self._variables.get(selector)),
                "new_value": value,
            }
            for selector, value in self.changed.items()
        ]

    def _type(self, selector: Selector, value: Json) -> str:
        return self._variables.declared_type(selector) or type_of(value)


class Assigner(NodeConfig, frozen=True):
    """Change all variables in order, or none if one is refused. Source: docs/dify-behaviour.md, “Variable assigner”."""

    type: ClassVar[str] = "assigner"
    immediate: ClassVar[bool] = True

    assignments: tuple[Assignment, ...]
    recorded: Mapping[str, Json] | None
    """Configuration that version 2 records as inputs; ``None`` for version 1, which records the value."""

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        # An unknown version means the newest.
        if data.text("version", "1") == "1":
            return cls((_read_version_1(data),), None)
        return cls(tuple(Assignment.read(item) for item in data.mappings("items")), _configuration(data))

    def writes(self) -> tuple[Selector, ...]:
        return tuple(assignment.target for assignment in self.assignments)

    async def run(self, ctx: Context) -> Result:
        if ctx.recorded is ctx.variables:
            return self._changed(ctx, _Pool(ctx.variables))
        # With masked values first, which error messages quote. No refusal depends on a text.
        recorded = self._changed(ctx, _Pool(ctx.recorded))
        return msgspec.structs.replace(recorded, updates=self._changed(ctx, _Pool(ctx.variables)).updates)

    def _changed(self, ctx: Context, pool: _Pool) -> Result:
        if self.recorded is None:
            return self._changed_by_version_1(pool)
        try:
            for assignment in self.assignments:
                _assign(pool, assignment, max_number=ctx.ports.limits.max_number)
        except AssignmentRefused as refusal:
            if refusal.unexpected:
                raise NodeFailure(str(refusal), kind="WorkflowNodeError") from None
            raise NodeFailure(str(refusal), inputs=self.recorded) from None
        return Result(
            inputs=self.recorded,
            process_data={
                **{selector[1]: value for selector, value in pool.changed.items()},
                "__updated_variables": pool.recorded(),
            },
            updates=pool.updates(),
        )

    def _changed_by_version_1(self, pool: _Pool) -> Result:
        (assignment,) = self.assignments
        try:
            value = _assign_unchecked(pool, assignment)
        except AssignmentRefused as refusal:
            raise NodeFailure(str(refusal), kind="WorkflowNodeError") from None
        return Result(
            inputs={"value": value}, process_data={"__updated_variables": pool.recorded()}, updates=pool.updates()
        )


def _assign(pool: _Pool, assignment: Assignment, *, max_number: int) -> None:
    """Make a change of version 2. A null value skips it."""
    current, kind = pool.target(assignment.target)
    refused = unsupported(assignment.operation, kind, assignment.input_type)
    if refused is not None:
        raise AssignmentRefused(refused.text())
    value = assignment.constant
    if assignment.source is not None:
        value = pool.get(assignment.source)
        if value is UNSET:
            raise AssignmentRefused(f"Variable {list(assignment.source)} not found")
        if value is None:
            return
    _check_depth(assignment.operation, value)
    value = prepared(assignment.operation, kind, value)
    pool.changed[assignment.target] = apply(assignment.operation, kind, current, value, max_number=max_number)


def _assign_unchecked(pool: _Pool, assignment: Assignment) -> Json:
    """Make a change of version 1, without type checks. Returns the recorded value."""
    try:
        current, kind = pool.target(assignment.target)
    except AssignmentRefused:
        raise AssignmentRefused("assigned variable not found") from None
    if assignment.operation == "clear":
        value = pool.changed[assignment.target] = zero_value(kind)
        return value
    value = UNSET if assignment.source is None else pool.get(assignment.source)
    if value is UNSET:
        raise AssignmentRefused("input value not found")
    _check_depth(assignment.operation, value)
    if assignment.operation == "append":
        if not isinstance(current, list):
            raise AssignmentRefused(f"Operation append is not supported for type {kind}")
        pool.changed[assignment.target] = [*current, value]
    else:
        pool.changed[assignment.target] = value
    return value


def _check_depth(operation: str, value: Json) -> None:
    """Raises ``AssignmentRefused`` for values nested deeper than ``MAX_DEPTH``, which the log could not store.

    Checked here, since a value that grows from round to round of a loop has to pass here.
    """
    if isinstance(value, (list, dict)) and is_too_deep([value] if operation == "append" else value):
        raise AssignmentRefused(f"The value is nested deeper than {MAX_DEPTH} levels", unexpected=True)


def _read_version_1(data: Fields) -> Assignment:
    operation = data.choice("write_mode", WRITE_MODES, "over-write")
    return Assignment(
        target=data.selector("assigned_variable_selector", required=True),
        operation=operation,
        source=data.selector("input_variable_selector", required=operation != "clear"),
        constant=None,
        input_type="variable",
    )


def _configuration(data: Fields) -> dict[str, Json]:
    """Return the configuration as Dify records it: with defaults, and any other content of the file."""
    common = read_common(Fields(data.where, data.raw, []))
    retry = data.mapping("retry_config")
    return {
        **data.raw,
        "title": common.title,
        "desc": data.get("desc"),
        "version": common.version,
        "error_strategy": common.error_strategy,
        "default_value": _default_value(data, common.default_value),
        "retry_config": {
            "max_retries": retry.integer("max_retries"),
            "retry_interval": retry.integer("retry_interval"),
            "retry_enabled": retry.boolean("retry_enabled"),
        },
        "items": [
            {
                "variable_selector": list(as_selector(item.get("variable_selector")) or ()),
                "input_type": item.get("input_type", "variable"),
                "operation": item.get("operation"),
                "value": item.get("value"),
            }
            for item in data.mappings("items")
        ],
    }


def _default_value(data: Fields, parsed: Mapping[str, Json]) -> Json:
    if data.get("default_value") is None:
        return None
    return [
        {"value": parsed.get(entry.text("key")), "type": entry.get("type"), "key": entry.get("key")}
        for entry in data.mappings("default_value")
    ]


_NUMBERS: Final = frozenset({"number", "integer", "float"})
_SCALARS: Final = _NUMBERS | {"string", "boolean", "object"}
_ARITHMETIC: Final = frozenset({"+=", "-=", "*=", "/="})
_ON_ARRAYS: Final = frozenset({"append", "extend", "remove-first", "remove-last"})

WITHOUT_INPUT: Final = frozenset({"clear", "remove-first", "remove-last"})
"""Operations without a value."""
OPERATIONS: Final = tuple("over-write set clear append extend remove-first remove-last += -= *= /=".split())
"""Operations of version 2."""

_ZEROS: Final[Mapping[str, Callable[[], Json]]] = {
    "string": str,
    "number": int,
    "integer": int,
    "float": float,
    "boolean": bool,
    "object": dict,
    **dict.fromkeys(("array[any]", "array[string]", "array[number]", "array[object]", "array[boolean]"), list),
}
# As in Python, and so in Dify, a boolean is a number, too.
_SCALAR_CHECKS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "string": str,
    "boolean": bool,
    "object": dict,
    **dict.fromkeys(_NUMBERS, (int, float)),
}
_ELEMENT_CHECKS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "array[any]": (str, int, float, dict),
    "array[string]": str,
    "array[number]": (int, float),
    "array[object]": dict,
    "array[boolean]": bool,
}


class AssignmentRefused(Exception):
    """A change is not possible. The message is for the user."""

    def __init__(self, message: str, *, unexpected: bool = False) -> None:
        self.unexpected = unexpected
        """Whether Dify does not anticipate it, and records neither inputs nor an error type."""
        super().__init__(message)


def unsupported(operation: str, kind: str, input_type: str) -> Phrase | None:
    """Return why an operation does not fit its target's type, or its kind of input; ``None`` if it does."""
    if not _suits(operation, kind):
        return Phrase("variable.operation", {"operation": operation, "type": kind})
    if input_type == "variable":
        supported = operation != "set" and operation not in _ARITHMETIC
    else:
        supported = kind in _SCALARS and operation not in WITHOUT_INPUT
    return None if supported else Phrase("variable.input_type", {"type": input_type, "operation": operation})


def prepared(operation: str, kind: str, value: Json) -> Json:
    """Return the validated value. Objects may be JSON text. Raises ``AssignmentRefused`` if it does not fit."""
    if operation in WITHOUT_INPUT:
        return None
    if operation == "set" and kind == "object" and isinstance(value, str):
        text = value
        value = json_value(text, UNSET)
        if value is UNSET or is_too_deep(value):
            raise _invalid(text)
    if not _fits(operation, kind, value):
        raise _invalid(value)
    return value


def apply(operation: str, kind: str, current: Json, value: Json, *, max_number: int) -> Json:
    """Return the new value, without changing ``current`` in place. ``max_number``: Maximum absolute value of an
    integer.

    Raises ``AssignmentRefused``: the type has no zero value, or a number is too large.
    """
    if operation in _ARITHMETIC and not isinstance(current, (int, float)):
        # Version 1 may have stored a text, which Python would repeat that many times.
        raise AssignmentRefused(f"{operation} needs a number, and the variable holds another value", unexpected=True)
    try:
        changed = _applied(operation, kind, current, value)
    except (OverflowError, TypeError) as error:
        # A number too large, or a variable whose value no longer fits its declaration.
        raise AssignmentRefused(str(error), unexpected=True) from None
    if operation in _ARITHMETIC and isinstance(changed, int) and abs(changed) > max_number:
        raise AssignmentRefused(f"The result of {operation} is an integer beyond ±{max_number}", unexpected=True)
    return changed


def _applied(operation: str, kind: str, current: Json, value: Json) -> Json:
    match operation:
        case "clear":
            return zero_value(kind)
        case "append":
            return [*current, value]
        case "extend" | "+=":
            return current + value
        case "-=":
            return current - value
        case "*=":
            return current * value
        case "/=":
            return current / value
        case "remove-first":
            return current[1:]
        case "remove-last":
            return current[:-1]
        case _:
            return value


def zero_value(kind: str) -> Json:
    """Return the zero value of a type. Raises ``AssignmentRefused`` if it has none."""
    make = _ZEROS.get(kind)
    if make is None:
        raise AssignmentRefused(f"A variable of type {kind} cannot be cleared", unexpected=True)
    return make()


def _suits(operation: str, kind: str) -> bool:
    if operation == "set":
        return kind in _SCALARS
    if operation in _ARITHMETIC:
        return kind in _NUMBERS
    if operation in _ON_ARRAYS:
        return kind.startswith("array")
    return True


def _fits(operation: str, kind: str, value: Json) -> bool:
    # A file is not an object.
    if any(map(is_file, value if isinstance(value, list) else [value])):
        return False
    if kind in _SCALAR_CHECKS:
        return isinstance(value, _SCALAR_CHECKS[kind]) and not (operation == "/=" and value == 0)
    # Untyped variables and file lists cannot be assigned.
    check = _ELEMENT_CHECKS.get(kind)
    if check is None:
        return False
    if operation == "append":
        return isinstance(value, check)
    return isinstance(value, list) and all(isinstance(item, check) for item in value)


def _invalid(value: Json) -> AssignmentRefused:
    text = str(value)
    return AssignmentRefused(f"Invalid input value {text if len(text) <= 200 else text[:200] + '…'}")
