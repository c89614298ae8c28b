"""Agent strategies of plugins, as agent nodes invoke them."""

from collections.abc import Callable
from typing import Any, Final

from jikko.diagnostics.diagnostic import Phrase
from jikko.plugins.host.backwards import Caller
from jikko.plugins.host.prompt import entity, messages_json
from jikko.plugins.install.installed_plugins import Entry
from jikko.plugins.package.declaration import ActionDeclaration, ProviderDeclaration
from jikko.plugins.plugin_tools import parameter_of
from jikko.plugins.process.plugin_wire import PluginFailure
from jikko.plugins.runtime import PluginRuntime
from jikko.ports.agents import (
    AgentHost,
    AgentModel,
    AgentTool,
    ParameterKind,
    Strategy,
    StrategyCall,
    StrategyName,
    StrategyParameter,
)
from jikko.ports.tools import ToolFailure, ToolMessage, ToolNotFound, ToolParameter
from jikko.values import Json

_KINDS: Final[dict[str, ParameterKind]] = {"model-selector": "model", "array[tools]": "tools"}


class PluginStrategies:
    """``Strategies`` of the plugins that are installed."""

    def __init__(self, runtime: PluginRuntime) -> None:
        self._runtime = runtime

    def icon(self, name: StrategyName) -> Json | None:
        return None

    def find(self, name: StrategyName) -> Strategy:
        entry, _, action = self._found(name)
        return Strategy(
            name=name,
            parameters=tuple(
                StrategyParameter(declared=parameter_of(each), kind=_KINDS.get(each.type, "value"))
                for each in action.parameters
            ),
            takes_history="history-messages" in action.features,
            plugin=entry.plugin.identifier,
        )

    async def invoke(self, call: StrategyCall, host: AgentHost, emit: Callable[[ToolMessage], None]) -> None:
        try:
            entry, provider, action = self._found(call.strategy.name)
        except ToolNotFound as failure:
            raise ToolFailure(str(failure), reported=False) from None
        parameters: dict[str, Any] = {
            **call.values,
            **{name: _model_json(model) for name, model in call.models.items()},
            **{name: [_tool_json(tool) for tool in tools] for name, tools in call.tools.items()},
        }
        request = {
            "type": "agent_strategy",
            "action": "invoke_agent_strategy",
            "agent_strategy_provider": provider.name,
            "agent_strategy": action.name,
            "agent_strategy_params": parameters,
        }
        caller = Caller(
            app_id=call.app_id, run_id=call.run_id, end_user_id=call.end_user_id, user=call.user, key=call.key
        )

        try:
            await self._runtime.invoke(entry, request, caller=caller, host=host, emit=emit)
        except PluginFailure as failure:
            raise ToolFailure(f"{failure.kind}: {failure}", reported=False) from None

    async def close(self) -> None:
        """See ``Strategies.close``: processes are ended with those of tools."""

    def _found(self, name: StrategyName) -> tuple[Entry, ProviderDeclaration, ActionDeclaration]:
        entry, provider = self._runtime.find(
            "agent_strategies", name.provider, name.plugin, Phrase("tool.the_strategy", {"name": name.strategy})
        )
        action = provider.action(name.strategy)
        if action is None:
            what = Phrase("tool.plugin_strategy", {"plugin": entry.plugin.id, "name": repr(name.strategy)})
            has = {"known": ", ".join(each.name for each in provider.actions)}
            raise ToolNotFound(what, Phrase("remedy.it_has", has))
        return entry, provider, action


def _model_json(model: AgentModel) -> dict[str, Any]:
    return {
        "provider": model.provider,
        "model": model.model,
        "mode": model.mode,
        "model_type": "llm",
        "type": "model-selector",
        "completion_params": dict(model.parameters),
        "history_prompt_messages": messages_json(model.history),
        "entity": entity(model.model, model.abilities),
    }


def _tool_json(tool: AgentTool) -> dict[str, Any]:
    name = tool.tool.name
    return {
        "identity": {
            "author": name.provider.partition("/")[0],
            "name": name.tool,
            "label": _label(tool.label or name.tool),
            "provider": name.provider,
            "icon": None,
        },
        "parameters": [
            _tool_parameter(parameter, fixed=parameter.name in tool.settings) for parameter in tool.tool.parameters
        ],
        "description": {"human": _label(tool.description), "llm": tool.description or tool.tool.description},
        "output_schema": None,
        "has_runtime_parameters": False,
        "runtime_parameters": dict(tool.settings),
        "provider_type": name.provider_type,
        "credential_id": tool.credential_id or None,
    }


def _tool_parameter(parameter: ToolParameter, *, fixed: bool) -> dict[str, Any]:
    kinds = {"object": "string", "array": "string", "any": "string"}
    return {
        "name": parameter.name,
        "label": _label(parameter.name),
        "human_description": _label(parameter.description),
        "llm_description": parameter.description,
        "type": kinds.get(parameter.type, parameter.type),
        "form": "form" if fixed else parameter.form,
        "required": parameter.required and not fixed,
        "default": parameter.default if isinstance(parameter.default, (str, int, float)) else None,
        "min": None,
        "max": None,
        "options": [{"value": option, "label": _label(option)} for option in parameter.options] or None,
        "input_schema": None if parameter.schema is None else dict(parameter.schema),
    }


def _label(text: str) -> dict[str, str]:
    return {"en_US": text}
