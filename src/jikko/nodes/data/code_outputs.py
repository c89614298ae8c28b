"""Validation of a code node's result against its declared outputs. Source: docs/dify-behaviour.md, “Code node”."""

import re
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Final, Self

from msgspec import Struct

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import Fields, bad_value
from jikko.nodes.contract import NodeFailure
from jikko.ports.node_ports import ValueLimits
from jikko.values import Json

TYPES = ("string", "number", "boolean", "object", "array[string]", "array[number]", "array[object]", "array[boolean]")
_ELEMENTS_PER_SLICE: Final = 500
"""Elements per slice, which take about a millisecond."""
_SCIENTIFIC = re.compile(r"[+-]?\d+(\.\d+)?[eE][+-]\d+")


class OutputSpec(Struct, frozen=True):
    type: str
    children: "Mapping[str, OutputSpec] | None" = None
    """Fields of an object, or of the objects in an array; ``None`` for free content."""

    @classmethod
    def read(cls, data: Fields, more: Collection[str] = ()) -> Self:
        kind = data.text("type", required=True)
        types = (*TYPES, *more)
        if kind and kind not in types:
            hint = data.meant(kind, types) or Phrase("remedy.expected_one_of", {"wanted": ", ".join(types)})
            data.problem("type", bad_value(repr(kind)), hint)
        children = data.get("children")
        if children is None:
            return cls(kind)
        return cls(kind, read_outputs(data, "children"))


def read_outputs(data: Fields, name: str, more: Collection[str] = ()) -> dict[str, OutputSpec]:
    """Parse the declared outputs, by name. ``more``: Additional permitted types."""
    outputs = data.mapping(name)
    return {str(key): OutputSpec.read(outputs.mapping(key), more) for key in outputs.raw}


def _read(value: Json) -> Json:
    """Convert text in scientific notation with an exponent sign to a float (a [QUIRK])."""
    return float(value) if isinstance(value, str) and _SCIENTIFIC.fullmatch(value) else value


def _read_all(value: Json) -> Json:
    """Convert such texts at any depth of an unchecked value."""
    match value:
        case dict():
            return {key: _read_all(item) for key, item in value.items()}
        case list():
            return [_read_all(item) for item in value]
        case _:
            return _read(value)


class OutputCheck:
    """Validates one result, converting such texts to floats. Errors name the path: ``a.b[2]``."""

    def __init__(self, limits: ValueLimits, pause: Callable[[], None] = lambda: None) -> None:
        """``pause``: Called every few hundred elements."""
        self._limits = limits
        self._pause = pause
        self._seen = 0

    def declared(
        self, result: Mapping[str, Json], outputs: Mapping[str, OutputSpec], prefix: str = "", depth: int = 1
    ) -> dict[str, Json]:
        """Return the converted outputs. Raises ``NodeFailure``: missing, undeclared, of another type, too large."""
        self._check_depth(depth)
        found: dict[str, Json] = {}
        for name, spec in outputs.items():
            path = f"{prefix}.{name}" if prefix else name
            if name not in result:
                raise invalid_output(f"Output {path} is missing.")
            found[name] = self._typed(result[name], spec, path, depth)
        if undeclared := [name for name in result if name not in outputs]:
            where = f" in {prefix}" if prefix else ""
            raise NodeFailure(
                f"Not all output parameters are validated: {', '.join(map(repr, undeclared))}{where} not declared.",
                kind="CodeNodeError",
            )
        return found

    def _typed(self, value: Json, spec: OutputSpec, path: str, depth: int) -> Json:
        value = _read(value)
        match spec.type:
            case "string":
                return self._string(value, path)
            case "number":
                return None if value is None else self._exact_number(value, path)
            case "boolean":
                return _read_all(value)
            case "object":
                return self._object(value, spec, path, depth)
            case "array[number]":
                return self._array(value, path, self._limits.max_numbers, "JIKKO_MAX_NUMBERS", self._number)
            case "array[string]":
                return self._array(value, path, self._limits.max_strings, "JIKKO_MAX_STRINGS", self._string)
            case "array[object]":
                return self._array(
                    value,
                    path,
                    self._limits.max_objects,
                    "JIKKO_MAX_OBJECTS",
                    lambda item, where: self._object(item, spec, where, depth),
                )
            case _:
                return self._array(value, path, None, "", _boolean_element)

    def _array(
        self, value: Json, path: str, limit: int | None, setting: str, element: Callable[[Json, str], Json]
    ) -> Json:
        if value is None:
            return None
        if not isinstance(value, list):
            raise invalid_output(f"Output {path} is not an array, but {_name(value)}.")
        if limit is not None and len(value) > limit:
            raise invalid_output(
                f"The length of output {path} must be at most {limit} elements, but is {len(value)} (set by {setting})."
            )
        return [element(_read(self._each(item)), f"{path}[{index}]") for index, item in enumerate(value)]

    def _each(self, item: Json) -> Json:
        self._seen += 1
        if self._seen % _ELEMENTS_PER_SLICE == 0:
            self._pause()
        return item

    def _object(self, value: Json, spec: OutputSpec, path: str, depth: int) -> Json:
        if value is None:
            return None
        if not isinstance(value, dict):
            raise invalid_output(f"Output {path} is not an object, but {_name(value)}.")
        if spec.children is None:
            return self._free(value, path, depth + 1)
        return self.declared(value, spec.children, path, depth + 1)

    def _string(self, value: Json, path: str) -> Json:
        if value is None:
            return None
        if not isinstance(value, str):
            raise invalid_output(f"Output {path} must be a string, but is {_name(value)}.")
        if len(value) > self._limits.max_text:
            raise invalid_output(
                f"The length of output {path} must be at most {self._limits.max_text} characters, but is {len(value)} "
                "(set by JIKKO_MAX_TEXT)."
            )
        return value.replace("\x00", "")

    @staticmethod
    def _number(value: Json, path: str) -> Json:
        if isinstance(value, bool):
            return int(value)
        if not isinstance(value, (int, float)):
            raise invalid_output(f"Output {path} must be a number, but is {_name(value)}.")
        return value

    def _exact_number(self, value: Json, path: str) -> Json:
        value = self._number(value, path)
        limit = self._limits.max_number
        if value > limit or value < -limit:
            raise invalid_output(f"Output {path} is out of range: it must lie between -{limit} and {limit}.")
        if isinstance(value, float) and value == value:
            exponent = Decimal(str(value)).normalize().as_tuple().exponent
            if isinstance(exponent, int) and -exponent > self._limits.max_decimals:
                raise invalid_output(f"Output {path} has more than {self._limits.max_decimals} decimal places.")
        return value

    def _free(self, value: dict[str, Json], path: str, depth: int) -> dict[str, Json]:
        self._check_depth(depth)
        return {key: self._free_value(self._each(item), f"{path}.{key}", depth) for key, item in value.items()}

    def _free_value(self, value: Json, path: str, depth: int) -> Json:
        value = _read(value)
        match value:
            case str():
                # Unlike in a declared string, NUL characters stay.
                self._string(value, path)
                return value
            case bool() | None:
                return value
            case int() | float():
                self._exact_number(value, path)
                return value
            case dict():
                return self._free(value, path, depth + 1)
            case [None, *_]:
                return _read_all(value)
            case list():
                items = list(map(_read, value))
                self._homogeneous(items, path)
                each = enumerate(map(self._each, items))
                return [self._free_value(item, f"{path}[{index}]", depth) for index, item in each]
            case _:
                return value

    @staticmethod
    def _homogeneous(items: list[Json], path: str) -> None:
        if not items:
            return
        kinds: tuple[type, ...] = next(
            kinds for kinds in ((int, float), (str,), (dict,), (list,)) if isinstance(items[0], kinds)
        )
        if not all(item is None or isinstance(item, kinds) for item in items):
            raise invalid_output(f"Output {path} must hold elements of one type only.")

    def _check_depth(self, depth: int) -> None:
        if depth > self._limits.max_depth:
            raise NodeFailure(f"Depth limit {self._limits.max_depth} reached, object too deep.", kind="DepthLimitError")


def _boolean_element(value: Json, path: str) -> Json:
    if value is not None and not isinstance(value, bool):
        raise invalid_output(f"Output {path} must be a boolean, but is {_name(value)}.")
    return value


def invalid_output(message: str) -> NodeFailure:
    """Return the failure of a result that does not fit its declaration."""
    return NodeFailure(message, kind="OutputValidationError")


def _name(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "an array"
        case _:
            return "an object"
