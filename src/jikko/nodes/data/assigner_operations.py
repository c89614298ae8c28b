"""Operations of the Variable Assigner, version 2, by type. Source: docs/dify-behaviour.md, “Variable assigner”."""

from collections.abc import Callable, Mapping
from typing import Final

from jikko.diagnostics.diagnostic import Phrase
from jikko.values import UNSET, Json, is_too_deep, json_value

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
