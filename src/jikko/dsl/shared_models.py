"""Models of LLM nodes from environment variables ``llm``. Source: docs/dify-behaviour.md, “Declared variables”."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.dsl.document import NodeEntry, Variable
from jikko.dsl.fields import problem_at
from jikko.values import Json, Selector

MODES: Final = ("chat", "completion")
_KEYS: Final = frozenset({"provider", "name", "mode", "completion_params"})


def is_model(value: Json) -> bool:
    """Whether a value is one that a variable of type ``llm`` can have."""
    if not isinstance(value, Mapping) or not value.keys() <= _KEYS:
        return False
    named = all(isinstance(value.get(key), str) and value[key] for key in ("provider", "name"))
    return named and value.get("mode") in MODES and isinstance(value.get("completion_params", {}), Mapping)


def model_selector(data: Mapping[str, Any]) -> Selector:
    """The variable that an LLM node takes its model from; ``()``: it has one of its own."""
    match data.get("model_selector"):
        case ["env", str(name)]:
            return ("env", name)
        case _:
            return ()


def with_shared_models(
    nodes: Sequence[NodeEntry], environment: Sequence[Variable], problems: list[Diagnostic]
) -> list[NodeEntry]:
    """The nodes, each with the model that it calls as its ``model``. What cannot be resolved is noted."""
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
