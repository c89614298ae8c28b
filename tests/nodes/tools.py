"""Scripted tools for nodes under test."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from jikko.diagnostics.diagnostic import Phrase
from jikko.events import Usage
from jikko.ports.tools import (
    Emit,
    TextMessage,
    Tool,
    ToolCall,
    ToolFailure,
    ToolMessage,
    ToolName,
    ToolNotFound,
    ToolParameter,
)
from jikko.values import Json


@dataclass
class ScriptedTools:
    """``Tools`` with one tool, ``say``, that returns a scripted output, or fails, and records its calls."""

    parameters: Sequence[ToolParameter] = (ToolParameter(name="text"),)
    says: Sequence[ToolMessage] | None = None
    """``None`` for the tool's input."""
    failure: ToolFailure | None = None
    usage: Usage | None = None
    shown: Json = None
    calls: list[ToolCall] = field(default_factory=list)

    def icon(self, name: ToolName) -> Json | None:
        return self.shown

    def known(self, name: ToolName, *, app_id: str = "") -> Tool | None:
        if name.tool != "say":
            raise ToolNotFound(Phrase("tool.missing", {"name": name.tool}), Phrase("remedy.it_has", {"known": "say"}))
        return Tool(name=name, parameters=tuple(self.parameters))

    async def find(self, name: ToolName, *, app_id: str = "") -> Tool:
        raise AssertionError("the tool is known")

    async def call(self, call: ToolCall, emit: Emit) -> Usage | None:
        self.calls.append(call)
        if self.failure is not None:
            raise self.failure
        for message in self.says if self.says is not None else [TextMessage(str(dict(call.parameters)))]:
            emit(message)
        return self.usage


def say(**data: Json) -> dict[str, Json]:
    """Return the configuration of a node that calls it."""
    return {
        "type": "tool",
        "provider_type": "api",
        "provider_id": "id",
        "provider_name": "teller",
        "tool_name": "say",
        "tool_node_version": "2",
        **data,
    }
