"""What is wrong with the variables that a node works on: they cannot be there, or their type does not suit it."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from jikko.dsl.document import NodeEntry
from jikko.forecast.finding import Trouble
from jikko.forecast.known_variables import KnownVariables
from jikko.lang.conditions import Case, Condition, ConditionError, evaluate_case
from jikko.values import UNSET, Json, Selector, Unset

if TYPE_CHECKING:
    from jikko.nodes.data.assigner import Assigner
    from jikko.nodes.data.code import Code
    from jikko.nodes.data.template_transform import TemplateTransform
    from jikko.nodes.flow.if_else import IfElse
    from jikko.nodes.flow.loop import Loop

_CHOOSE: Final = "choose a variable that there is"
_FILES: Final = ("file", "array[file]")
_SAMPLES: Final[dict[str, tuple[Json, ...]]] = {
    "string": ("", "text", "5", "true"),
    "number": (0, 5, -1.5),
    "boolean": (True, False),
}
"""Values of each type. A comparison that refuses all of them refuses every value of the type."""


class _One(Struct, frozen=True):
    """Variables, of which there is one."""

    selector: Selector
    value: Json

    def get(self, selector: Selector) -> Json | Unset:
        return self.value if selector == self.selector else UNSET

    def spend(self, characters: int) -> None: ...


def troubles_of_variables(node: Any, entry: NodeEntry, known: KnownVariables) -> Iterator[Trouble]:
    """Why a node that needs its variables will fail. Others take one that is not there for null, or for a text.

    Args:
        node: Of any class: what it has is told by its type, so that no other is imported.
    """
    match node.type:
        case "if-else":
            yield from _of_conditions(node, entry, known)
        case "assigner":
            yield from _of_assignments(node, entry, known)
        case "iteration":
            what = f"Invalid iterator value {list(node.iterator)}: expected an array"
            where = f"{entry.where}.iterator_selector"
            absent = f"Iterator variable {list(node.iterator)} not found"
            yield from _of_list(node.iterator, absent, what, where, known, "a list")
        case "list-operator":
            from jikko.nodes.data.list_operator import TYPES

            what = f"Variable {list(node.selector)} is not a list that can be worked on"
            absent = f"Variable not found for selector: {list(node.selector)}"
            yield from _of_list(node.selector, absent, what, f"{entry.where}.variable", known, "a list", TYPES)
        case "template-transform":
            for number, (_, selector) in enumerate(node.variables):
                kind = known.kind(selector)
                if kind is not None and kind.type == "file":
                    where = f"{entry.where}.variables[{number}].value_selector"
                    what = "Type is not JSON serializable: File"
                    hint = "templates take lists of files, and parts of a file such as its name"
                    yield Trouble("variable", where, what, hint, certain=kind.is_given)
        case "loop":
            yield from _of_loop(node, entry, known)
        case "document-extractor":
            what = f"Variable {list(node.selector)} is not an ArrayFileSegment"
            absent = f"File variable not found for selector: {list(node.selector)}"
            where = f"{entry.where}.variable_selector"
            yield from _of_list(node.selector, absent, what, where, known, "a file or a list of files", _FILES)


def troubles_of_arguments(
    node: "Code | TemplateTransform", entry: NodeEntry, known: KnownVariables
) -> Iterator[Trouble]:
    """Variables of a program or a template that no run has: they are null there, which is no failure by itself."""
    for number, (name, selector) in enumerate(node.variables):
        if known.lacks(selector):
            where = f"{entry.where}.variables[{number}].value_selector"
            what = f"{name} is always null: no run has the variable {'.'.join(selector)}"
            yield Trouble("variable", where, what, _CHOOSE, harmless=True)


def _of_loop(node: "Loop", entry: NodeEntry, known: KnownVariables) -> Iterator[Trouble]:
    for number, variable in enumerate(node.variables):
        where = f"{entry.where}.loop_variables[{number}].value"
        if not variable.fits:
            yield Trouble("variable", where, f"The value of loop variable {variable.label} is no {variable.type}")
        if variable.selector is not None and known.is_missing(variable.selector):
            what = f"Variable {list(variable.selector)} of loop variable {variable.label} not found"
            yield Trouble("variable", where, what, _CHOOSE)


def _of_list(
    selector: Selector,
    absent: str,
    what: str,
    where: str,
    known: KnownVariables,
    wanted: str,
    types: Collection[str] | None = None,
) -> Iterator[Trouble]:
    """A variable that has to be of one of some types; by default any list will do."""
    if known.is_missing(selector):
        yield Trouble("variable", where, absent, _CHOOSE)
        return
    kind = known.kind(selector)
    if kind is None or (kind.type.startswith("array") if types is None else kind.type in types):
        return
    yield Trouble("variable", where, what, f"it is of the type {kind.type}: choose {wanted}", certain=kind.is_given)


def _of_conditions(node: "IfElse", entry: NodeEntry, known: KnownVariables) -> Iterator[Trouble]:
    for number, case in enumerate(node.cases):
        for place, condition in enumerate(case.conditions):
            of_case = "" if case.legacy else f".cases[{number}]"
            where = f"{entry.where}{of_case}.conditions[{place}]"
            # Those before it may decide already.
            is_first = number == place == 0
            kind = known.kind(condition.selector)
            if known.is_missing(condition.selector):
                what = f"Variable {list(condition.selector)} not found"
                yield Trouble("variable", f"{where}.variable_selector", what, _CHOOSE, certain=is_first)
            elif kind is not None and (refused := _refusal(condition, kind.type)):
                hint = f"it is of the type {kind.type}: choose another comparison"
                at = f"{where}.comparison_operator"
                yield Trouble("variable", at, refused, hint, certain=is_first and kind.is_given)


def _refusal(condition: Condition, kind: str) -> str:
    """Why a comparison fails with each value of a type; ``""`` if it does not, or that depends on other variables."""
    if condition.sub is not None or (condition.template is not None and condition.template.selectors):
        return ""
    case, refused = Case("", "and", (condition,)), ""
    for sample in _SAMPLES.get(kind, ()):
        try:
            evaluate_case(case, _One(condition.selector, sample))
        except ConditionError as error:
            refused = str(error).removesuffix(".")
        else:
            return ""
    return refused


def _of_assignments(node: "Assigner", entry: NodeEntry, known: KnownVariables) -> Iterator[Trouble]:
    from jikko.nodes.data.assigner_operations import AssignmentRefused, check_support

    is_old = node.recorded is None
    for number, assignment in enumerate(node.assignments):
        where = entry.where if is_old else f"{entry.where}.items[{number}]"
        if known.is_missing(assignment.target):
            at = f"{where}.{'assigned_variable_selector' if is_old else 'variable_selector'}"
            what = "assigned variable not found" if is_old else f"Variable {list(assignment.target)} not found"
            yield Trouble("variable", at, what, _CHOOSE)
        elif not is_old and (kind := known.kind(assignment.target)) is not None:
            try:
                check_support(assignment.operation, kind.type, assignment.input_type)
            except AssignmentRefused as refusal:
                yield Trouble("variable", f"{where}.operation", str(refusal).removesuffix("."))
        if assignment.source is not None and known.is_missing(assignment.source):
            at = f"{where}.{'input_variable_selector' if is_old else 'value'}"
            what = "input value not found" if is_old else f"Variable {list(assignment.source)} not found"
            yield Trouble("variable", at, what, _CHOOSE)
