"""Scripted strategies for agent nodes under test."""

from collections.abc import Callable
from dataclasses import dataclass, field

from jikko.ports.agents import AgentHost, Strategy, StrategyCall, StrategyName, StrategyParameter
from jikko.ports.tools import LogMessage, TextMessage, ToolFailure, ToolMessage, ToolParameter
from jikko.values import Json


@dataclass
class ScriptedStrategies:
    """``Strategies`` with one that logs and returns its input, or fails, and records its invocations."""

    calls: list[StrategyCall] = field(default_factory=list)

    def find(self, name: StrategyName) -> Strategy:
        names = ("query", "fail")
        declared = tuple(StrategyParameter(declared=ToolParameter(name=each, type="any")) for each in names)
        return Strategy(name=name, parameters=declared)

    async def invoke(self, call: StrategyCall, host: AgentHost, emit: Callable[[ToolMessage], None]) -> None:
        self.calls.append(call)
        emit(
            LogMessage(
                id="1", label="ROUND 1", data={"given": dict(call.values)}, metadata={"of": str(call.values)[:0]}
            )
        )
        if call.values.get("fail"):
            raise ToolFailure(f"it does not like {call.values['query']}")
        emit(TextMessage(str(call.values["query"])))


def agent(query: Json, **parameters: Json) -> dict[str, Json]:
    """Return the configuration of a node that invokes it."""
    return {
        "type": "agent",
        "agent_strategy_provider_name": "a/b/c",
        "agent_strategy_name": "scripted",
        "agent_parameters": {"query": query, **parameters},
    }
