"""Tools and agent strategies of plugins, as called by nodes."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from jikko.diagnostics.diagnostic import Phrase
from jikko.events import Usage
from jikko.nodes.contract import total
from jikko.plugins.host.prompt import entity, messages_json
from jikko.plugins.install.installed_plugins import Entry
from jikko.plugins.package.declaration import ActionDeclaration, ParameterDeclaration, ProviderDeclaration
from jikko.plugins.process.call import PluginFailure
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
from jikko.ports.models import Chunk, Completion, ModelRequest, Models
from jikko.ports.tools import (
    Emit,
    Tool,
    ToolCall,
    ToolFailure,
    ToolMessage,
    ToolName,
    ToolNotFound,
    ToolParameter,
    Tools,
)
from jikko.values import Json

_MAX_DEPTH: Final = 10
"""Maximum nesting of plugin tools that call each other or themselves."""


class PluginTools(Struct, eq=False):
    runtime: PluginRuntime
    models: Models
    """Models that plugins may call."""
    tools: Callable[[], Tools]
    """Every tool: a plugin may call others."""

    def icon(self, name: ToolName) -> Json | None:
        """See ``Tools.icon``. Jikko does not serve the icon files of plugins."""
        return None

    def known(self, name: ToolName, *, app_id: str = "") -> Tool | None:
        entry, provider, action = self._found(name)
        self.runtime.credentials(entry, provider, name.credential_id)
        return Tool(
            name=name,
            parameters=tuple(parameter_of(parameter) for parameter in action.parameters),
            description=action.description,
            plugin=entry.plugin.identifier,
        )

    def providers(self) -> list[ToolName]:
        """See ``ToolService.providers``. Only the newest installation of each plugin counts."""
        newest = {entry.plugin.id: entry.plugin for entry in self.runtime.installed.entries()}
        return [
            ToolName(provider_type="plugin", provider=f"{plugin.id}/{provider.name}", tool="")
            for plugin in newest.values()
            for provider in plugin.providers
            if provider.kind == "tools"
        ]

    async def offered(self, provider: ToolName) -> list[Tool]:
        """See ``ToolService.offered``. The plugin is not started."""
        subject = Phrase("tool.the_tool", {"name": provider.provider})
        _, declared = self.runtime.find("tools", provider.provider, provider.plugin, subject)
        return [await self.find(replace(provider, tool=action.name)) for action in declared.actions]

    async def find(self, name: ToolName, *, app_id: str = "") -> Tool:
        found = self.known(name, app_id=app_id)
        assert found is not None
        return found

    async def call(self, call: ToolCall, emit: Emit) -> Usage | None:
        name = call.tool.name
        try:
            entry, provider, action = self._found(name)
            credentials = self.runtime.credentials(entry, provider, name.credential_id)
        except ToolNotFound as failure:
            raise ToolFailure(str(failure), reported=False) from None
        for parameter in action.parameters:
            value = call.parameters.get(parameter.name)
            if value is None and parameter.required and parameter.default is None:
                raise ToolFailure(f"the parameter {parameter.name} is required and has no value")
        request = {
            "type": "tool",
            "action": "invoke_tool",
            "provider": provider.name,
            "tool": action.name,
            "credentials": credentials,
            "credential_type": "api-key" if provider.credentials else "unauthorized",
            "tool_parameters": dict(call.parameters),
        }
        host = DirectHost(call, self.models, self.tools)
        try:
            await self.runtime.invoke(entry, request, caller=call, host=host, emit=emit)
        except PluginFailure as failure:
            raise ToolFailure(_shown(failure, provider), reported=False, usage=total(host.usages)) from failure
        return total(host.usages)

    def _found(self, name: ToolName) -> tuple[Entry, ProviderDeclaration, ActionDeclaration]:
        subject = Phrase("tool.the_tool", {"name": str(name)})
        entry, provider = self.runtime.find("tools", name.provider, name.plugin, subject)
        return entry, provider, _action(entry, provider, name.tool, "tool.plugin_tool")


class DirectHost(Struct, eq=False):
    """An ``AgentHost`` for tool calls outside agents: it records usage and keeps no answers."""

    call: ToolCall
    models: Models
    tools: Callable[[], Tools]
    usages: list[Usage] = field(default_factory=list)

    async def complete(self, request: ModelRequest, emit: Callable[[Chunk], None] | None = None) -> Completion:
        completion = await self.models.complete(request, emit)
        self.usages.append(completion.usage.as_usage())
        return completion

    async def call_tool(self, name: ToolName, parameters: Mapping[str, Json], emit: Emit) -> None:
        call = self.call
        if call.depth + 1 >= _MAX_DEPTH:
            raise ToolFailure(f"tools of plugins call each other {_MAX_DEPTH} levels deep, the limit")
        tools = self.tools()
        tool = await tools.find(name, app_id=call.app_id)
        call = replace(call, tool=tool, parameters=dict(parameters), depth=call.depth + 1)
        usage = await tools.call(call, emit)
        if usage is not None:
            self.usages.append(usage)


def parameter_of(parameter: ParameterDeclaration) -> ToolParameter:
    return ToolParameter(
        name=parameter.name,
        type=parameter.type,
        form="form" if parameter.form == "form" else "llm",
        required=parameter.required,
        default=parameter.default,
        options=parameter.options,
        description=parameter.description,
    )


def _action(entry: Entry, provider: ProviderDeclaration, name: str, missing: str) -> ActionDeclaration:
    action = provider.action(name)
    if action is None:
        plugin, has = entry.plugin, {"known": ", ".join(each.name for each in provider.actions)}
        what = Phrase(missing, {"name": repr(name), "plugin": plugin.id, "version": plugin.version})
        raise ToolNotFound(what, Phrase("remedy.it_has", has))
    return action


def _shown(failure: PluginFailure, provider: ProviderDeclaration) -> str:
    """Format a failure. Source: Dify 1.15, recorded texts of tools that raise."""
    if failure.kind in ("PluginDied", "PluginTimeout", "PluginProtocol", "PluginStopped"):
        return str(failure)
    name = provider.name
    return (
        f"An error occurred in the {name}, please contact the author of {name} for help, error type: {failure.kind}, "
        f"error details: {failure}"
    )


_KINDS: Final[dict[str, ParameterKind]] = {"model-selector": "model", "array[tools]": "tools"}


class PluginStrategies(Struct, eq=False):
    runtime: PluginRuntime

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
        try:
            await self.runtime.invoke(entry, request, caller=call, host=host, emit=emit)
        except PluginFailure as failure:
            raise ToolFailure(f"{failure.kind}: {failure}", reported=False) from None

    def _found(self, name: StrategyName) -> tuple[Entry, ProviderDeclaration, ActionDeclaration]:
        subject = Phrase("tool.the_strategy", {"name": name.strategy})
        entry, provider = self.runtime.find("agent_strategies", name.provider, name.plugin, subject)
        return entry, provider, _action(entry, provider, name.strategy, "tool.plugin_strategy")


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
