"""Environment and conversation variables of a file, and models of LLM nodes taken from variables of type ``llm``."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from jikko.diagnostics.diagnostic import Diagnostic, Phrase, PhraseError
from jikko.dsl.document import NodeEntry, Variable
from jikko.dsl.fields import MISSING, Fields, expected, problem_at, shown
from jikko.values import Json, Selector, json_value

MODES: Final = ("chat", "completion")
_KEYS: Final = frozenset({"provider", "name", "mode", "completion_params"})


def is_model(value: Json) -> bool:
    """Return whether a value is valid for a variable of type ``llm``."""
    if not isinstance(value, Mapping) or not value.keys() <= _KEYS:
        return False
    named = all(isinstance(value.get(key), str) and value[key] for key in ("provider", "name"))
    return named and value.get("mode") in MODES and isinstance(value.get("completion_params", {}), Mapping)


def model_selector(data: Mapping[str, Any]) -> Selector:
    """Return the variable of an LLM node's model; ``()`` if it has its own."""
    match data.get("model_selector"):
        case ["env", str(name)]:
            return ("env", name)
        case _:
            return ()


def with_shared_models(
    nodes: Sequence[NodeEntry], environment: Sequence[Variable], problems: list[Diagnostic]
) -> list[NodeEntry]:
    """Return the nodes with their models resolved into ``model``. Unresolvable ones are reported."""
    known = {variable.name: variable for variable in environment}
    return [_with_model(node, known, problems) for node in nodes]


def _with_model(node: NodeEntry, known: Mapping[str, Variable], problems: list[Diagnostic]) -> NodeEntry:
    selector = model_selector(node.data) if node.type == "llm" else ()
    if not selector:
        return node
    variable, where = known.get(selector[1]), f"{node.where}.model_selector"
    own = node.data.get("model")
    own = own if isinstance(own, Mapping) else {}
    if variable is None:
        what = Phrase("document.no_variable", {"variable": ".".join(selector)})
        problems.append(problem_at(where, what, Phrase("remedy.choose_model")))
    elif variable.value_type != "llm" or not isinstance(variable.value, Mapping):
        params = {"variable": ".".join(selector), "type": variable.value_type}
        problems.append(problem_at(where, Phrase("document.not_model", params), Phrase("remedy.choose_model")))
    elif own.get("mode") in MODES and own["mode"] != variable.value["mode"]:
        params = {"variable": ".".join(selector), "mode": variable.value["mode"], "own": own["mode"]}
        problems.append(problem_at(where, Phrase("document.other_mode", params)))
    else:
        return replace(node, data={**node.data, "model": {**own, **variable.value}})
    return node


MAX_VALUE: Final = 200 * 1024
"""Maximum size of a value, in bytes of UTF-8. Source: docs/dify-behaviour.md, “Size limits”."""

_ENVIRONMENT_TYPES: Final = ("string", "number", "secret", "integer", "float", "llm")
_CONVERSATION_TYPES: Final = tuple(
    "string number integer float secret boolean object array[string] array[number] array[object] array[boolean]".split()
)


def read_environment(workflow: Fields, *, is_newer: bool = False) -> tuple[Variable, ...]:
    """Parse the environment variables of the ``workflow`` block, without invalid ones.

    ``is_newer``: Whether a variable of unknown type is kept, with a warning: such types come without a new version.
    Source: docs/dify-behaviour.md, “Declared variables”.
    """
    return tuple(_read(workflow, "environment_variables", _ENVIRONMENT_TYPES, is_newer))


def read_conversation(workflow: Fields, *, is_newer: bool = False) -> tuple[Variable, ...]:
    """Parse the conversation variables, with initial values. Source: docs/dify-behaviour.md, “Declared variables”."""
    return tuple(_read(workflow, "conversation_variables", _CONVERSATION_TYPES, is_newer))


def _read(workflow: Fields, name: str, types: tuple[str, ...], is_newer: bool) -> Iterator[Variable]:
    seen = set()
    for entry in workflow.mappings(name):
        variable = _read_variable(entry, types, is_newer)
        if variable is None:
            continue
        if variable.name in seen:
            entry.problem("name", Phrase("document.same_variable", {"value": repr(variable.name)}), fatal=False)
        seen.add(variable.name)
        yield variable


def _read_variable(entry: Fields, types: tuple[str, ...], is_newer: bool) -> Variable | None:
    name = entry.text("name", required=True)
    kind = entry.text("value_type", required=True)
    if entry.get("value") is None:
        entry.problem(
            "value", MISSING if "value" not in entry.raw else Phrase("document.null"), Phrase("remedy.empty_text")
        )
        return None
    if kind and kind not in types:
        hint = entry.meant(kind, types) or expected(" or ".join(types))
        code = "document.newer_type" if is_newer else "document.variable_type"
        entry.problem("value_type", Phrase(code, {"value": shown(kind)}), hint, fatal=not is_newer)
        if not is_newer:
            return None
    if not name or not kind:
        return None
    value = _read_value(entry, kind) if kind in types else entry.get("value")
    if value is None:
        return None
    return Variable(name, kind, value, id=entry.text("id"), description=entry.text("description"))


def _read_value(entry: Fields, kind: str) -> Json:
    value = entry.get("value")
    if kind in ("string", "secret"):
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            # Missing quotes.
            value = str(value)
    elif isinstance(value, str) and kind in ("number", "integer", "float"):
        value = _as_number(value)
    if not _CHECKS[kind](value):
        entry.problem("value", Phrase("document.wrong_type", {"type": repr(kind)}))
        return None
    size = len(value.encode(errors="surrogatepass")) if isinstance(value, str) else 0
    if size > MAX_VALUE:
        entry.problem("value", Phrase("document.too_long", {"size": size, "limit": MAX_VALUE}))
        return None
    return value


def environment_value(given: Json, kind: str) -> Json:
    """Convert an outside value to an environment variable's type; numbers and strings are interchangeable. Raises
    ``PhraseError``, whose text begins with a verb: ``is no number``."""
    if kind in ("string", "secret"):
        value = given if isinstance(given, str) else str(given)
        size = len(value.encode(errors="surrogatepass"))
        if size > MAX_VALUE:
            raise PhraseError("value.too_long", {"bytes": size, "most": MAX_VALUE})
        return value
    if kind not in ("number", "integer", "float"):
        value = json_value(given, given) if isinstance(given, str) else given
        if not _CHECKS.get(kind, lambda value: True)(value):
            raise PhraseError(
                "value.no_model", {"form": "{provider, name, mode: chat or completion, completion_params}"}
            )
        return value
    value = _as_number(given.strip()) if isinstance(given, str) else given
    if not _is_number(value) or value in (math.inf, -math.inf) or value != value:
        raise PhraseError("value.no_number")
    return value


def fits(value: Json, kind: str) -> bool:
    """Return whether a value is valid for a conversation variable of a type."""
    return kind in _CHECKS and _CHECKS[kind](value)


def _as_number(value: str) -> Json:
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_text(value: Json) -> bool:
    return isinstance(value, str)


def _list_of(check: Callable[[Json], bool]) -> Callable[[Json], bool]:
    return lambda value: isinstance(value, list) and all(map(check, value))


_CHECKS: Final[Mapping[str, Callable[[Json], bool]]] = {
    "string": _is_text,
    "secret": _is_text,
    "number": _is_number,
    "integer": _is_number,
    "float": _is_number,
    "llm": is_model,
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array[string]": _list_of(_is_text),
    "array[number]": _list_of(_is_number),
    "array[object]": _list_of(lambda value: isinstance(value, dict)),
    "array[boolean]": _list_of(lambda value: isinstance(value, bool)),
}
