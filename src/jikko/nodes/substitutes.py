"""Nodes in the place of others: one whose outputs were given from outside, and one that Jikko cannot run."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, NoReturn

from msgspec.structs import replace

from jikko.diagnostics.diagnostic import Phrase
from jikko.nodes.contract import Context, Node, NodeConfig, NodeFailure, Result
from jikko.values import Json

_BRANCH: Final = ("class_id", "selected_case_id", "__action_id")
"""The outputs of branching nodes that name the branch: of a classifier, an if-else, a form."""


class Mocked(NodeConfig, frozen=True):
    """Stands in the place of a node."""

    type: ClassVar[str] = "mocked"
    immediate: ClassVar[bool] = True

    outputs: Mapping[str, Json]
    """As given. ``{"error": text}`` alone fails the node."""

    async def run(self, ctx: Context) -> Result:
        record: dict[str, Json] = {"mocked": True}
        if (failure := self.failure) is not None:
            raise NodeFailure(failure, kind="MockedError", process_data=record)
        return Result(outputs=self.outputs, process_data=record, handle=self.handle())

    @property
    def failure(self) -> str | None:
        return str(self.outputs["error"]) if set(self.outputs) == {"error"} else None

    def handle(self) -> str:
        """The handle that runs leave by. Raises ``NodeFailure``: it is a branch, and the outputs do not say which."""
        return "source"


class MockedBranch(Mocked, frozen=True):
    """Stands in the place of a node that decides which way the run goes: its outputs say so."""

    branching: ClassVar[bool] = True

    def handle(self) -> str:
        named: Any = next((self.outputs[name] for name in _BRANCH if name in self.outputs), None)
        if named is None and isinstance(self.outputs.get("result"), bool):
            named = "true" if self.outputs["result"] else "false"
        if not isinstance(named, str):
            raise NodeFailure(
                f"The outputs of a mocked branch must choose a branch: give it {' or '.join(_BRANCH)}.",
                kind="MockedError",
            )
        return named


FAKE_MODEL: Final[Mapping[str, Json]] = {"fake_model": True}
"""Given in the place of outputs: the node runs, and a fake model answers its prompts."""
CAN_FAKE: Final = frozenset(("llm", "parameter-extractor", "question-classifier"))
"""The types of nodes that run with a fake model. What else a run does with one, as agents call tools, would be real."""


class ContextWithPorts:
    """The context of a node with other ports. Everything else is the context's own."""

    def __init__(self, context: Any, ports: Any) -> None:
        self._context = context
        self.ports = ports

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


class FakeModelNode:
    """Runs a node with a fake model in the place of its own."""

    immediate = False

    def __init__(self, node: Node) -> None:
        self.type, self.branching = node.type, node.branching
        self._node = node

    async def run(self, ctx: Any) -> Result:
        ports = replace(ctx.ports, models=ctx.ports.fake_models())
        return await self._node.run(ContextWithPorts(ctx, ports))


_INSTEAD: Final[Mapping[str, str]] = {"agent": "part.agent"}
_MAX_TOOLS: Final = 5
"""How many tools of an agent a message names."""


class Unsupported(NodeConfig, frozen=True):
    """Fails when it runs, as Dify does when a plugin is missing; the rest of the workflow is as good as any."""

    type: ClassVar[str] = "unsupported"
    immediate: ClassVar[bool] = True

    subject: str
    """What it would be: ``tool google_translate/translate``."""
    instead: Phrase
    """What to do about it."""

    @classmethod
    def of(cls, node_type: str, data: Mapping[str, Any]) -> "Unsupported":
        """``data``: the configuration of the node, whatever is in it."""
        replacement = _INSTEAD.get(node_type, "part.nodes")
        return cls(
            subject=_subject(node_type, data),
            instead=Phrase("remedy.replace_node", {"replacement": Phrase(replacement)}),
        )

    async def run(self, ctx: Context) -> NoReturn:
        subject = self.subject[:1].upper() + self.subject[1:]
        raise NodeFailure(f"{subject} cannot be run by Jikko: {self.instead.text()}.", kind="UnsupportedNodeError")


def _subject(node_type: str, data: Mapping[str, Any]) -> str:
    match node_type:
        case "agent":
            strategy = _text(data, "agent_strategy_label") or _text(data, "agent_strategy_name")
            tools = list(_tools(data))
            shown = ", ".join(tools[:_MAX_TOOLS]) + (", …" if len(tools) > _MAX_TOOLS else "")
            return "agent" + (f" {strategy}" if strategy else "") + (f" (tools {shown})" if tools else "")
        case _:
            return f"node type {node_type!r}"


def _tools(agent: Mapping[str, Any]) -> Iterator[str]:
    parameters = agent.get("agent_parameters")
    listed = parameters.get("tools") if isinstance(parameters, Mapping) else None
    tools = listed.get("value") if isinstance(listed, Mapping) else None
    for tool in tools if isinstance(tools, list) else ():
        name = _text(tool, "tool_name") if isinstance(tool, Mapping) else ""
        if name:
            yield name


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return value[:100] if isinstance(value, str) else ""
