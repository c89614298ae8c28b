"""Registry of supported node types: an explicit list, without self-registration."""

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any, Final

from jikko.dsl.types import CONTAINER_STARTS

_MODULES: Final = {
    "agent": ("agents.agent", "AgentNode"),
    "answer": ("flow.answer", "Answer"),
    "assigner": ("data.assigner", "Assigner"),
    "code": ("data.code", "Code"),
    "document-extractor": ("files.document_extractor", "DocumentExtractor"),
    "end": ("flow.end", "End"),
    "http-request": ("http.http_request", "HttpRequest"),
    "human-input": ("flow.human_input", "HumanInput"),
    "if-else": ("flow.if_else", "IfElse"),
    "iteration": ("flow.iteration", "Iteration"),
    "knowledge-retrieval": ("knowledge.knowledge_retrieval", "KnowledgeRetrieval"),
    "list-operator": ("data.list_operator", "ListOperator"),
    "llm": ("model.llm", "Llm"),
    "loop": ("flow.loop_node", "Loop"),
    "loop-end": ("flow.pseudo", "LoopEnd"),
    "parameter-extractor": ("model.parameter_extractor", "ParameterExtractor"),
    "question-classifier": ("model.question_classifier", "QuestionClassifier"),
    "start": ("flow.start", "Start"),
    "template-transform": ("data.template_transform", "TemplateTransform"),
    "tool": ("tools.tool", "ToolNode"),
    "variable-aggregator": ("data.variable_aggregator", "VariableAggregator"),
    **dict.fromkeys(CONTAINER_STARTS.values(), ("flow.pseudo", "BodyStart")),
}
"""Where the class of each type is, below this package."""


_TYPE: Final = re.compile(rb"type[\"']?[ \t]*:[ \t]*[\"']?([a-z-]+)")


_MODE: Final = re.compile(rb"^[ \t]+[\"']?mode[\"']?[ \t]*:[ \t]*[\"']?(completion|chat|agent-chat)\b", re.MULTILINE)
_OF_APPS: Final = frozenset({"start", "llm", "knowledge-retrieval", "answer", "end"})
_OF_MODES: Final = {b"completion": _OF_APPS, b"chat": _OF_APPS, b"agent-chat": frozenset({"start", "agent", "answer"})}
"""The nodes of apps without a workflow."""


def types_in(source: bytes) -> set[str]:
    """The types of nodes that a DSL file seems to have, before it is read. Perhaps some more."""
    found = {kind.decode() for kind in set(_TYPE.findall(source))}
    if (mode := _MODE.search(source)) is not None:
        found |= _OF_MODES[mode[1]]
    return _MODULES.keys() & found


def modules_of(types: Iterable[str]) -> set[str]:
    """What is imported with the classes of types."""
    return {f"jikko.nodes.{_MODULES[name][0]}" for name in types}


class _Classes(Mapping[str, Any]):
    """Imports the class of a type with the first workflow that has a node of it."""

    def __getitem__(self, name: str) -> Any:
        module, class_name = _MODULES[name]
        return getattr(import_module(f"jikko.nodes.{module}"), class_name)

    def __contains__(self, name: object) -> bool:
        return name in _MODULES

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


BY_TYPE: Final[Mapping[str, Any]] = _Classes()
"""The class of each type name of the DSL. Triggers are entries only: see ``nodes.flow.trigger``."""
