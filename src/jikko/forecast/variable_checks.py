"""Checks of a node's variables: missing ones, and unsuitable types."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from jikko.diagnostics.diagnostic import Diagnostic, Phrase, Severity
from jikko.dsl.document import NodeEntry
from jikko.forecast.known_variables import KnownVariables
from jikko.forecast.outcome import will_fail
from jikko.lang.operators import ConditionError
from jikko.lang.variable_conditions import Case, Condition, evaluate_case
from jikko.nodes.data.list_operator import TYPES
from jikko.values import UNSET, Json, Selector, Unset

if TYPE_CHECKING:
    from jikko.nodes.data.assigner import Assigner
    from jikko.nodes.data.code import Code
    from jikko.nodes.data.template_transform import TemplateTransform
    from jikko.nodes.flow.if_else import IfElse
    from jikko.nodes.flow.loop_node import Loop

_CHOOSE: Final = Phrase("remedy.choose_variable")
_FILES: Final = ("file", "array[file]")
_SAMPLES: Final[dict[str, tuple[Json, ...]]] = {
    "string": ("", "text", "5", "true"),
    "number": (0, 5, -1.5),
    "boolean": (True, False),
}
"""Sample values by type. A comparison that rejects all of them rejects every value of the type."""


class _One(Struct, frozen=True):
    """Pool with a single variable."""

    selector: Selector
    value: Json

    def get(self, selector: Selector) -> Json | Unset:
        return self.value if selector == self.selector else UNSET

    def declared_type(self, selector: Selector) -> str | None: ...

    def spend(self, characters: int) -> None: ...


def diagnose_variables(node: Any, entry: NodeEntry, known: KnownVariables) -> Iterator[Diagnostic]:
    """Yield why a node that needs its variables will fail. By type name, so that no other class is imported."""
    match node.type:
        case "if-else":
            yield from _of_conditions(node, entry, known)
        case "assigner":
            yield from _of_assignments(node, entry, known)
        case "iteration":
            where = f"{entry.where}.iterator_selector"
            yield from _of_list(node.iterator, "variable.iterator", "variable.iterator_type", where, known, "part.list")
        case "list-operator":
            codes = "variable.selector", "variable.not_list"
            yield from _of_list(node.selector, *codes, f"{entry.where}.variable", known, "part.list", TYPES)
        case "template-transform":
            for number, (_, selector) in enumerate(node.variables):
                kind = known.kind(selector)
                if kind is not None and kind.type == "file":
                    where = f"{entry.where}.variables[{number}].value_selector"
                    severity: Severity = "will_fail" if kind.is_given else "may_fail"
                    remedy = Phrase("remedy.file_parts")
                    yield Diagnostic("variable.file_json", where=where, severity=severity, remedy=remedy)
        case "loop":
            yield from _of_loop(node, entry, known)
        case "document-extractor":
            codes, where = ("variable.file_selector", "variable.not_file"), f"{entry.where}.variable_selector"
            yield from _of_list(node.selector, *codes, where, known, "part.file", _FILES)


def diagnose_arguments(
    node: "Code | TemplateTransform", entry: NodeEntry, known: KnownVariables
) -> Iterator[Diagnostic]:
    """Yield missing variables of a program or a template, which are null there: not a failure by itself."""
    for number, (name, selector) in enumerate(node.variables):
        if known.lacks(selector):
            where = f"{entry.where}.variables[{number}].value_selector"
            params = {"name": name, "variable": ".".join(selector)}
            yield Diagnostic("variable.null", params, where=where, severity="warning", remedy=_CHOOSE)


def no_variable(name: str, where: str, *, certain: bool = True) -> Diagnostic:
    """Return the diagnostic of a missing variable. A node that always needs it certainly fails."""
    severity: Severity = "will_fail" if certain else "may_fail"
    return Diagnostic("variable.missing", {"name": name}, where=where, severity=severity, remedy=_CHOOSE)


def _of_loop(node: "Loop", entry: NodeEntry, known: KnownVariables) -> Iterator[Diagnostic]:
    for number, variable in enumerate(node.variables):
        where = f"{entry.where}.loop_variables[{number}].value"
        if not variable.fits:
            yield will_fail("variable.loop_type", where, name=variable.label, type=variable.type)
        if variable.selector is not None and known.is_missing(variable.selector):
            selector = str(list(variable.selector))
            yield will_fail("variable.loop", where, _CHOOSE, selector=selector, name=variable.label)


def _of_list(
    selector: Selector,
    absent: str,
    unfit: str,
    where: str,
    known: KnownVariables,
    wanted: str,
    types: Collection[str] | None = None,
) -> Iterator[Diagnostic]:
    """Yield the diagnostics of a variable that must have one of some types; by default any list. ``absent, unfit,
    wanted``: Codes for a missing variable, for another type, and for the remedy."""
    params = {"selector": str(list(selector))}
    if known.is_missing(selector):
        yield will_fail(absent, where, _CHOOSE, **params)
        return
    kind = known.kind(selector)
    if kind is None or (kind.type.startswith("array") if types is None else kind.type in types):
        return
    severity: Severity = "will_fail" if kind.is_given else "may_fail"
    remedy = Phrase("remedy.choose_type", {"type": kind.type, "wanted": Phrase(wanted)})
    yield Diagnostic(unfit, params, where=where, severity=severity, remedy=remedy)


def _of_conditions(node: "IfElse", entry: NodeEntry, known: KnownVariables) -> Iterator[Diagnostic]:
    for number, case in enumerate(node.cases):
        for place, condition in enumerate(case.conditions):
            of_case = "" if case.legacy else f".cases[{number}]"
            where = f"{entry.where}{of_case}.conditions[{place}]"
            # Earlier ones may already decide.
            is_first = number == place == 0
            kind = known.kind(condition.selector)
            if known.is_missing(condition.selector):
                yield no_variable(str(list(condition.selector)), f"{where}.variable_selector", certain=is_first)
            elif kind is not None and (refused := _refusal(condition, kind.type)):
                severity: Severity = "will_fail" if is_first and kind.is_given else "may_fail"
                remedy = Phrase("remedy.choose_type", {"type": kind.type, "wanted": Phrase("part.comparison")})
                at = f"{where}.comparison_operator"
                yield Diagnostic(refused.code, refused.params, where=at, severity=severity, remedy=remedy)


def _refusal(condition: Condition, kind: str) -> Phrase | None:
    """Return why a comparison fails for every value of a type; ``None`` if it does not, or depends on other
    variables."""
    refused: Phrase | None = None
    if condition.sub is not None or (condition.template is not None and condition.template.selectors):
        return refused
    case = Case("", "and", (condition,))
    for sample in _SAMPLES.get(kind, ()):
        try:
            evaluate_case(case, _One(condition.selector, sample))
        except ConditionError as error:
            refused = error.phrase
        else:
            return None
    return refused


def _of_assignments(node: "Assigner", entry: NodeEntry, known: KnownVariables) -> Iterator[Diagnostic]:
    from jikko.nodes.data.assigner import unsupported

    is_old = node.recorded is None
    for number, assignment in enumerate(node.assignments):
        where = entry.where if is_old else f"{entry.where}.items[{number}]"
        if known.is_missing(assignment.target):
            at = f"{where}.{'assigned_variable_selector' if is_old else 'variable_selector'}"
            yield _missing("variable.assigned" if is_old else "", assignment.target, at)
        elif not is_old and (kind := known.kind(assignment.target)) is not None:
            refused = unsupported(assignment.operation, kind.type, assignment.input_type)
            if refused is not None:
                yield Diagnostic(refused.code, refused.params, where=f"{where}.operation", severity="will_fail")
        if assignment.source is not None and known.is_missing(assignment.source):
            at = f"{where}.{'input_variable_selector' if is_old else 'value'}"
            yield _missing("variable.input" if is_old else "", assignment.source, at)


def _missing(code: str, selector: Selector, where: str) -> Diagnostic:
    if not code:
        return no_variable(str(list(selector)), where)
    return Diagnostic(code, where=where, severity="will_fail", remedy=_CHOOSE)
