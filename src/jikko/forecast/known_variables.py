"""Static analysis of variables: those that cannot exist, and the known types."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from jikko.dsl.document import DslDocument, NodeEntry
from jikko.lang.variables import RESERVED_NODES
from jikko.nodes.contract import Node
from jikko.nodes.flow.start import Start
from jikko.values import Selector, type_of

_OF_INPUTS: Final = {
    "text-input": "string",
    "paragraph": "string",
    "select": "string",
    "number": "number",
    "checkbox": "boolean",
    "file": "file",
    "file-list": "array[file]",
    "json_object": "object",
}
SYSTEM: Final[Mapping[str, frozenset[str]]] = {
    "workflow": frozenset({"files", "user_id", "app_id", "timestamp", "workflow_id", "workflow_run_id"}),
    "advanced-chat": frozenset(
        {
            *("query", "files", "user_id", "dialogue_count", "conversation_id"),
            *("app_id", "workflow_id", "workflow_run_id"),
        }
    ),
}
"""``sys`` variables by mode; apps without a workflow have those of chats."""
_OF_FAILURES: Final = frozenset({"error_message", "error_type"})
"""Additional outputs of any node with an error strategy."""


class VariableType(NamedTuple):
    """Type of a variable, as named by ``type_of``."""

    type: str
    is_given: bool
    """Whether every run has a value for it; otherwise it may be null."""


class KnownVariables:
    def __init__(self, document: DslDocument, nodes: Mapping[str, Node]) -> None:
        """``nodes``: Compiled nodes by id. Nothing is known of mocked and omitted ones."""
        entries = {entry.id: entry for entry in document.nodes}
        self._ids = entries.keys()
        self._system = SYSTEM.get(document.mode, SYSTEM["advanced-chat"])
        self._kinds: dict[str, dict[str, VariableType]] = {
            "env": {
                variable.name: VariableType(
                    "object" if variable.value_type == "llm" else variable.value_type, is_given=False
                )
                for variable in document.environment
            },
            "conversation": {
                variable.name: VariableType(variable.value_type, is_given=False) for variable in document.conversation
            },
        }
        self._declared: dict[Selector, str] = {}
        """Types of declared variables of containers, which have others, too."""
        self._left_out = set[Selector]()
        for node_id, node in nodes.items():
            match node:
                case _ if node.type == "loop":
                    loop: Any = node  # by type name, as below
                    # In the body an empty list is an array[any], but behind the loop it is what its elements are.
                    self._declared |= {
                        (node_id, variable.label): type_of(variable.constant)
                        for variable in loop.variables
                        if variable.selector is None and variable.constant != []
                    }
                case Start():
                    self._left_out |= {
                        (node_id, variable.name)
                        for variable in node.variables
                        if not variable.required and variable.default is None
                    }
                    self._kinds[node_id] = {
                        variable.name: VariableType(_OF_INPUTS.get(variable.type, ""), variable.required)
                        for variable in node.variables
                    }
                case _ if node.type == "code":
                    code: Any = node  # by type name: importing the class would cost every file
                    self._kinds[node_id] = {
                        name: VariableType("", is_given=False) for name in _defaults(entries[node_id])
                    } | {name: VariableType(spec.type, is_given=False) for name, spec in code.outputs.items()}

    def is_missing(self, selector: Selector) -> bool:
        if len(selector) < 2:
            return True
        owner, name = selector[:2]
        if owner == "sys":
            return name not in self._system
        kinds = self._kinds.get(owner)
        if kinds is None:
            return owner not in self._ids and owner not in RESERVED_NODES
        return name not in kinds and name not in _OF_FAILURES and not name.startswith("sys.")

    def lacks(self, selector: Selector) -> bool:
        """Return whether no run has the variable although its node exists.

        References to missing nodes, environment and conversation variables are reported elsewhere.
        """
        return bool(selector) and (selector[0] in self._ids or selector[0] == "sys") and self.is_missing(selector)

    def may_be_left_out(self, selector: Selector) -> bool:
        """Return whether the variable is an optional input without a default."""
        return selector in self._left_out

    def kind(self, selector: Selector) -> VariableType | None:
        """Return the type of a variable, if the file declares it; not of parts of variables."""
        if selector in self._declared:
            return VariableType(self._declared[selector], is_given=True)
        found = self._kinds.get(selector[0], {}).get(selector[1]) if len(selector) == 2 else None
        return found if found is not None and found.type else None


def _defaults(entry: NodeEntry) -> Iterator[str]:
    """Yield a failed node's default outputs, which may differ from its regular ones."""
    values = entry.data.get("default_value") if entry.data.get("error_strategy") == "default-value" else None
    for value in values if isinstance(values, list) else ():
        if isinstance(value, dict) and isinstance(name := value.get("key"), str):
            yield name
