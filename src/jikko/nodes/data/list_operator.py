"""The List Operator node: filters, picks from, sorts and shortens a list."""

from collections.abc import Callable
from typing import ClassVar, Final, Self

from msgspec import Struct

from jikko.dsl.fields import Fields
from jikko.lang.templates import Template
from jikko.nodes.context import Context, Variables
from jikko.nodes.contract import NodeFailure, Result
from jikko.nodes.data.list_filters import FILE_KEYS, ElementCondition, ListRefused, file_key
from jikko.values import UNSET, Json, Selector, type_of

TYPES: Final = ("array[string]", "array[number]", "array[boolean]", "array[file]")
"""The lists that can be worked on."""


class ListOperator(Struct, frozen=True):
    """Work on a list, in this order: filter, pick one, sort, shorten.

    Outputs:
        ``result``: The list. ``first_record`` and ``last_record``: its ends, null if it is empty.

    Source: docs/dify-behaviour.md, “List operator”.
    """

    type: ClassVar[str] = "list-operator"
    immediate: ClassVar[bool] = True
    branching: ClassVar[bool] = False

    selector: Selector
    conditions: tuple[ElementCondition, ...]
    serial: Template | None
    """Expands to the place of the element to pick, counted from 1; ``None`` to pick none."""
    order: str | None
    """``asc`` or ``desc``; ``None`` to leave it."""
    order_key: str
    """Of files."""
    size: int | None
    """How many elements are kept; ``None`` for all. -1 drops the last one, a quirk of Dify."""

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
            # Dify foresees these no more than that. The last: elements that are not of the declared type.
            raise NodeFailure(self._message_of(error, value, kind, ctx), kind="WorkflowNodeError") from None

    def _message_of(self, error: Exception, items: list[Json], kind: str, ctx: Context) -> str:
        """The message of an error. It may quote the configuration: with secrets, it is that which their masks make."""
        if ctx.recorded is ctx.variables:
            return str(error)
        try:
            self._worked(items, kind, ctx.recorded)
        except (ListRefused, ValueError, TypeError, AttributeError) as masked:
            return str(masked)
        return "A secret environment variable does not suit what is done with the list."

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
