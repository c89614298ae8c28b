"""List Operator node: filters, extracts, sorts, truncates a list. Source: docs/dify-behaviour.md, “List operator”."""

from collections.abc import Callable
from operator import eq, ge, gt, le, lt, ne
from typing import ClassVar, Final, Self, TypeAlias

from msgspec import Struct

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import Fields
from jikko.lang.templates import Template
from jikko.nodes.contract import Context, NodeConfig, NodeFailure, Result, Variables
from jikko.values import UNSET, Json, Selector, type_of

OPERATORS: Final = (
    *("contains", "start with", "end with", "is", "in", "empty"),
    *("not contains", "is not", "not in", "not empty"),
    *("=", "≠", "<", ">", "≥", "≤"),
)
_FILE_TEXTS: Final = {
    "name": "filename",
    "extension": "extension",
    "mime_type": "mime_type",
    # Only the original URL; signed ones change all the time.
    "url": "remote_url",
    "related_id": "related_id",
}
_FILE_CHOICES: Final = {"type": "type", "transfer_method": "transfer_method"}
FILE_KEYS: Final = frozenset({*_FILE_TEXTS, *_FILE_CHOICES, "size"})
"""Attributes by which files can be filtered and sorted."""

Test: TypeAlias = Callable[[Json], bool]


class ListRefused(Exception):
    """The list does not fit the configuration. The message is for the user."""


class ElementCondition(Struct, frozen=True):
    key: str
    """Attribute of files."""
    operator: str
    value: Template | bool | tuple[str, ...]

    @classmethod
    def read(cls, data: Fields) -> Self:
        operator = data.choice("comparison_operator", OPERATORS, "contains")
        value = data.get("value")
        if value in (0, 1):
            return cls(data.text("key"), operator, bool(value))
        if value is None or isinstance(value, (str, int, float)):
            return cls(data.text("key"), operator, Template.parse(data.text("value")))
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            data.problem("value", Phrase("document.no_value"), Phrase("remedy.comparable"))
            return cls(data.text("key"), operator, ())
        return cls(data.text("key"), operator, tuple(value))

    def test(self, kind: str, variables: Variables) -> Test:
        """Return the predicate. Raises ``ListRefused`` for an unknown operator, ``ValueError`` if the value does not
        fit the type."""
        value = self.value.to_text(variables) if isinstance(self.value, Template) else self.value
        match kind:
            case "array[boolean]":
                if not isinstance(value, bool):
                    raise ValueError(f"Boolean filter expects a boolean value, got {value!r}")
                return _boolean_test(self.operator, value)
            case "array[file]":
                if isinstance(value, bool):
                    raise ValueError(f"File filter expects a text, got {value!r}")
                # Made for each file, as in Dify: a condition that cannot be met fails only where a file is left.
                return lambda file: self._file_test(value)(file)
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
    """Return a file's attribute: a text, or a number for ``size``."""
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
    holds = _chosen({"=": eq, "≠": ne, "<": lt, ">": gt, "≤": le, "≥": ge}, operator)
    return lambda item: holds(item, number)


def _boolean_test(operator: str, value: bool) -> Test:
    return _chosen({"is": lambda item: item is value, "is not": lambda item: item is not value}, operator)


def _chosen(tests: dict[str, Callable[..., bool]], operator: str) -> Callable[..., bool]:
    try:
        return tests[operator]
    except KeyError:
        raise ListRefused(f"Invalid condition: {operator}") from None


TYPES: Final = ("array[string]", "array[number]", "array[boolean]", "array[file]")
"""Supported list types."""


class ListOperator(NodeConfig, frozen=True):
    """Filter, extract, sort, truncate, in this order. Source: docs/dify-behaviour.md, “List operator”."""

    type: ClassVar[str] = "list-operator"
    immediate: ClassVar[bool] = True

    selector: Selector
    conditions: tuple[ElementCondition, ...]
    serial: Template | None
    """Template of the position to extract, from 1; ``None``: no extraction."""
    order: str | None
    """``asc`` or ``desc``; ``None``: unsorted."""
    order_key: str
    """Attribute of files."""
    size: int | None
    """Maximum number of elements; ``None`` for all. -1 drops the last one, a quirk of Dify."""

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        filters, order, limit, extract = (
            data.mapping(name) for name in ("filter_by", "order_by", "limit", "extract_by")
        )
        return cls(
            selector=data.selector("variable", required=True),
            conditions=tuple(ElementCondition.read(entry) for entry in filters.mappings("conditions"))
            if filters.boolean("enabled")
            else (),
            serial=Template.parse(extract.text("serial", "1")) if extract.boolean("enabled") else None,
            order=order.choice("value", ("asc", "desc"), "asc") if order.boolean("enabled") else None,
            order_key=order.text("key"),
            size=limit.integer("size", -1) if limit.boolean("enabled") else None,
        )

    async def run(self, ctx: Context) -> Result:
        value = ctx.variables.get(self.selector)
        if value is UNSET:
            raise NodeFailure(f"Variable not found for selector: {list(self.selector)}")
        if not value:
            return _result([], {"variable": []})
        kind = ctx.variables.declared_type(self.selector) or type_of(value)
        if kind not in TYPES or not isinstance(value, list):
            raise NodeFailure(f"Variable {list(self.selector)} is not a list that can be worked on: it is {kind}.")
        recorded: dict[str, Json] = {"variable": value}
        try:
            return _result(self._worked(value, kind, ctx.variables), recorded)
        except ListRefused as refusal:
            message = self._message_of(refusal, value, kind, ctx)
            raise NodeFailure(message, inputs=recorded, process_data=recorded) from None
        except (ValueError, TypeError, AttributeError) as error:
            # Dify does not anticipate these. The last: elements of another type than declared.
            raise NodeFailure(self._message_of(error, value, kind, ctx), kind="WorkflowNodeError") from None

    def _message_of(self, error: Exception, items: list[Json], kind: str, ctx: Context) -> str:
        """Return an error's message. It may quote the configuration, in which secrets are masked."""
        if ctx.recorded is ctx.variables:
            return str(error)
        try:
            self._worked(items, kind, ctx.recorded)
        except (ListRefused, ValueError, TypeError, AttributeError) as masked:
            return str(masked)
        return "A secret environment variable cannot be used in this operation on the list."

    def _worked(self, items: list[Json], kind: str, variables: Variables) -> list[Json]:
        for condition in self.conditions:
            test = condition.test(kind, variables)
            items = [item for item in items if test(item)]
        if self.serial is not None:
            items = [_picked(items, self.serial.to_text(variables))]
        if self.order is not None:
            items = sorted(items, key=self._sort_key(kind), reverse=self.order == "desc")
        return items if self.size is None else items[: self.size]

    def _sort_key(self, kind: str) -> Callable[[Json], Json]:
        if kind != "array[file]":
            return lambda item: item
        key = self.order_key
        if key not in FILE_KEYS:
            raise ListRefused(f"Invalid order key: {key}")
        return lambda file: file_key(file, key)


def _result(items: list[Json], recorded: dict[str, Json]) -> Result:
    outputs = {
        "result": items,
        "first_record": items[0] if items else None,
        "last_record": items[-1] if items else None,
    }
    return Result(outputs=outputs, inputs=recorded, process_data=recorded)


def _picked(items: list[Json], serial: str) -> Json:
    place = int(serial)
    if place < 1:
        raise ValueError(f"Invalid serial index: must be >= 1, got {place}")
    if place > len(items):
        raise ListRefused(f"Invalid serial index: must be <= {len(items)}, got {place}")
    return items[place - 1]
