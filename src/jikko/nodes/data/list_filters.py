"""The conditions of a List Operator node, and what they look at in files.

Source: docs/dify-behaviour.md, “List operator”.
"""

from collections.abc import Callable
from typing import Final, Self, TypeAlias

from msgspec import Struct

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import Fields
from jikko.lang.templates import Template
from jikko.nodes.context import Variables
from jikko.values import Json

OPERATORS: Final = (
    "contains",
    "start with",
    "end with",
    "is",
    "in",
    "empty",
    "not contains",
    "is not",
    "not in",
    "not empty",
    "=",
    "≠",
    "<",
    ">",
    "≥",
    "≤",
)
_FILE_TEXTS: Final = {
    "name": "filename",
    "extension": "extension",
    "mime_type": "mime_type",
    # Only the address that a file was given by; the one that is made to fetch it changes all the time.
    "url": "remote_url",
    "related_id": "related_id",
}
_FILE_CHOICES: Final = {"type": "type", "transfer_method": "transfer_method"}
FILE_KEYS: Final = frozenset({*_FILE_TEXTS, *_FILE_CHOICES, "size"})
"""What files can be filtered and sorted by."""

Test: TypeAlias = Callable[[Json], bool]


class ListRefused(Exception):
    """The list cannot be worked on as configured. The message is for the user to read."""


class ElementCondition(Struct, frozen=True):
    """A test of every element."""

    key: str
    """Of files: what is looked at."""
    operator: str
    value: Template | bool | tuple[str, ...]

    @classmethod
    def read(cls, data: Fields) -> Self:
        operator = data.choice("comparison_operator", OPERATORS, "contains")
        value = data.get("value")
        if value is None or (isinstance(value, (str, int, float)) and not isinstance(value, bool)):
            return cls(data.text("key"), operator, Template.parse(data.text("value")))
        if isinstance(value, bool):
            return cls(data.text("key"), operator, value)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            data.problem("value", Phrase("document.no_value"), Phrase("remedy.comparable"))
            return cls(data.text("key"), operator, ())
        return cls(data.text("key"), operator, tuple(value))

    def test(self, kind: str, variables: Variables) -> Test:
        """The test, for elements of a list of this type.

        Raises:
            ListRefused: There is no such test.
            ValueError: The value does not suit the type of the elements.
        """
        value = self.value.to_text(variables) if isinstance(self.value, Template) else self.value
        match kind:
            case "array[boolean]":
                if not isinstance(value, bool):
                    raise ValueError(f"Boolean filter expects a boolean value, got {value!r}")
                return _boolean_test(self.operator, value)
            case "array[file]":
                if isinstance(value, bool):
                    raise ValueError(f"File filter expects a text, got {value!r}")
                return self._file_test(value)
            case _:
                if not isinstance(value, str):
                    raise ListRefused(f"Invalid filter value: {value}")
                return (
                    _text_test(self.operator, value) if kind == "array[string]" else _number_test(self.operator, value)
                )

    def _file_test(self, value: str | tuple[str, ...]) -> Test:
        if self.key in _FILE_CHOICES:
            if self.operator not in ("in", "not in"):
                raise ListRefused(f"Invalid condition: {self.operator}")
            wanted = self.operator == "in"
            return lambda file: (file_key(file, self.key) in value) is wanted
        if isinstance(value, str) and self.key in _FILE_TEXTS:
            test = _text_test(self.operator, value)
        elif isinstance(value, str) and self.key == "size":
            test = _number_test(self.operator, value)
        else:
            raise ListRefused(f"Invalid key: {self.key}")
        return lambda file: test(file_key(file, self.key))


def file_key(file: Json, key: str) -> Json:
    """What a list of files is filtered and sorted by: a text, or for ``size`` a number."""
    if key == "size":
        return -1 if file.get("size") is None else file["size"]
    return file.get({**_FILE_TEXTS, **_FILE_CHOICES}[key]) or ""


def _text_test(operator: str, value: str) -> Test:
    tests: dict[str, Test] = {
        "contains": lambda text: value in text,
        "not contains": lambda text: value not in text,
        "start with": lambda text: text.startswith(value),
        "end with": lambda text: text.endswith(value),
        "is": lambda text: text == value,
        "is not": lambda text: text != value,
        "in": lambda text: text in value,
        "not in": lambda text: text not in value,
        "empty": lambda text: text == "",
        "not empty": lambda text: text != "",
    }
    return _chosen(tests, operator)


def _number_test(operator: str, value: str) -> Test:
    number = float(value)
    tests: dict[str, Test] = {
        "=": lambda item: item == number,
        "≠": lambda item: item != number,
        "<": lambda item: item < number,
        ">": lambda item: item > number,
        "≤": lambda item: item <= number,
        "≥": lambda item: item >= number,
    }
    return _chosen(tests, operator)


def _boolean_test(operator: str, value: bool) -> Test:
    return _chosen({"is": lambda item: item is value, "is not": lambda item: item is not value}, operator)


def _chosen(tests: dict[str, Test], operator: str) -> Test:
    try:
        return tests[operator]
    except KeyError:
        raise ListRefused(f"Invalid condition: {operator}") from None
