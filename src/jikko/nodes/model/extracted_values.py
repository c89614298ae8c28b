"""Parameters of an extractor: their schema, and their values. Source: docs/dify-behaviour.md, “Parameter extractor”."""

from collections.abc import Sequence
from typing import Any, Final, Self

from msgspec import Struct

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import Fields
from jikko.values import Json

_TYPES: Final = ("string", "number", "boolean", "array[string]", "array[number]", "array[object]", "array[boolean]")
_FORBIDDEN: Final = ("__reason", "__is_success")
_ZERO: Final[dict[str, Json]] = {"string": "", "number": 0, "boolean": False}


class InvalidExtraction(Exception):
    """The values are not what was asked for. The message is the node's ``__reason``."""


class ExtractedParameter(Struct, frozen=True):
    """One value to be found."""

    name: str
    type: str
    description: str
    required: bool
    options: tuple[str, ...] | None

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        name = data.text("name", required=True)
        if name in _FORBIDDEN:
            data.problem("name", Phrase("document.value", {"value": repr(name)}), Phrase("remedy.output_name"))
        options = data.get("options")
        return cls(
            name=name,
            type=data.choice("type", _TYPES, "string"),
            description=data.text("description"),
            required=data.boolean("required"),
            options=None if options is None else tuple(map(str, data.items("options"))),
        )

    def as_json(self) -> dict[str, Json]:
        return {
            "name": self.name,
            "type": self.type,
            "options": None if self.options is None else list(self.options),
            "description": self.description,
            "required": self.required,
        }

    def schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"description": self.description}
        if self.element is None:
            schema["type"] = self.type
        else:
            schema |= {"type": "array", "items": {"type": self.element}}
        if self.options:
            schema["enum"] = list(self.options)
        return schema

    @property
    def element(self) -> str | None:
        return self.type[6:-1] if self.type.startswith("array[") else None

    @property
    def zero(self) -> Json:
        return [] if self.element is not None else _ZERO[self.type]

    def check(self, value: Json) -> None:
        """Make sure that a value fits as it is. Raises ``InvalidExtraction``: it does not."""
        element = self.element
        if element is None:
            fits = _is(self.type, value)
        else:
            fits = isinstance(value, list) and all(_is(element, item) for item in value)
        if not fits:
            raise InvalidExtraction(f"Invalid value for parameter {self.name}, expected type {self.type}")
        if self.type == "string" and self.options and value not in self.options:
            raise InvalidExtraction(f"Invalid `select` value for parameter {self.name}")

    def converted(self, value: Json) -> Json:
        """The value of the output: what can be made of a value, or the zero value."""
        if self.element is not None:
            if not isinstance(value, list):
                return []
            items = [(_number(item) if self.element == "number" else item) for item in value]
            return [item for item in items if _is(self.element, item)]
        match self.type:
            case "number":
                number = _number(value)
                return 0 if number is None else number
            case "boolean":
                return bool(value) if isinstance(value, int) else False
            case _:
                return value if isinstance(value, str) else ""


def schema_of(parameters: Sequence[ExtractedParameter]) -> dict[str, Any]:
    """The JSON schema of an object with all values."""
    return {
        "type": "object",
        "properties": {parameter.name: parameter.schema() for parameter in parameters},
        "required": [parameter.name for parameter in parameters if parameter.required],
    }


def check_values(parameters: Sequence[ExtractedParameter], found: dict[str, Json]) -> None:
    """Make sure that exactly the parameters were found. Raises ``InvalidExtraction``: they were not."""
    if len(found) != len(parameters):
        raise InvalidExtraction("Invalid number of parameters")
    for parameter in parameters:
        if parameter.required and parameter.name not in found:
            raise InvalidExtraction(f"Parameter {parameter.name} is required")
        parameter.check(found.get(parameter.name))


def _is(kind: str, value: Json) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "number":
            return isinstance(value, (int, float))
        case "boolean":
            return isinstance(value, bool)
        case _:
            return isinstance(value, dict)


def _number(value: Json) -> int | float | None:
    match value:
        case bool():
            return int(value)
        case int() | float():
            return value
        case str():
            try:
                return float(value) if "." in value else int(value)
            except ValueError:
                return None
        case _:
            return None
