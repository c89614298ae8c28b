"""The Tool node: gives parameters to a tool, and calls it. Source: docs/dify-behaviour.md, “Tool parameters”."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, Self

from msgspec import Struct

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import Fields, as_selector, shown
from jikko.lang.templates import Template
from jikko.nodes.contract import Context, NodeConfig, NodeFailure, Result, Variables
from jikko.nodes.node_variables import SECRET_MESSAGE, contains_secret
from jikko.nodes.tools.conversion import NotConvertible, all_converted
from jikko.nodes.tools.tool_outputs import ToolOutputs, tool_call
from jikko.ports.node_ports import NodePorts
from jikko.ports.tools import Tool, ToolFailure, ToolName, ToolNotFound, ToolParameter
from jikko.values import UNSET, Json, Selector, Unset

_KINDS: Final = ("mixed", "variable", "constant")


class ToolArgument(Struct, frozen=True):
    name: str
    selector: Selector | None
    """Of a ``variable``."""
    template: Template
    """Of every other entry: the value as text, in which variables are expanded."""
    constant: Json = None
    """The value of an entry that is a ``constant``, or that is no more than a value."""
    is_constant: bool = False

    def value(self, variables: Variables) -> Json | Unset:
        """What a node hands on: the variable as it is, else always a text."""
        return self.template.to_text(variables) if self.selector is None else variables.get(self.selector)

    def form_value(self, variables: Variables) -> Json | Unset:
        """What a parameter gets that is set up beforehand: a constant keeps its type."""
        return self.constant if self.is_constant else self.value(variables)

    def selectors(self) -> tuple[Selector, ...]:
        return self.template.selectors if self.selector is None else (self.selector,)

    @classmethod
    def read(cls, fields: Fields, name: str, value: Json) -> Self | None:
        """An entry; ``None`` if it gives nothing. ``fields``: the mapping that it stands in."""
        if value is None:
            return None
        if not is_entry(value):
            return cls.of_constant(name, value)
        inner = value["value"]
        if inner is None:
            return None
        if value["type"] == "constant":
            return cls.of_constant(name, inner)
        if value["type"] == "mixed":
            return cls(name, None, Template.parse(_text(inner)))
        selector = as_selector(inner)
        if selector is None:
            fields.problem(
                f"{name}.value", Phrase("document.not_selector", {"value": shown(inner)}), Phrase("remedy.selector")
            )
            return None
        return cls(name, selector, Template.parse(""))

    @classmethod
    def of_constant(cls, name: str, value: Json) -> Self:
        return cls(name, None, Template.parse(_text(value)), value, is_constant=True)


class GivenValues(Struct, frozen=True):
    parameters: tuple[ToolArgument, ...]
    """``tool_parameters`` in their order, then the entries of ``tool_configurations`` that count as such."""
    settings: Mapping[str, ToolArgument]
    """``tool_configurations``."""

    @classmethod
    def read(cls, data: Fields) -> Self:
        parameters = list(_entries(data.mapping("tool_parameters")))
        names = {given.name for given in parameters}
        settings = {given.name: given for given in _entries(data.mapping("tool_configurations"))}
        written = data.mapping("tool_configurations").raw
        parameters += (
            given
            for name, given in settings.items()
            if name not in names and (is_entry(written[name]) or _selects(written[name]))
        )
        return cls(tuple(parameters), settings)

    def selectors(self) -> Iterator[Selector]:
        for given in (*self.parameters, *self.settings.values()):
            yield from given.selectors()


def is_entry(value: Json) -> bool:
    """Whether a value of the file says by itself how it is meant: ``{type: mixed, value: …}``."""
    return isinstance(value, Mapping) and value.get("type") in _KINDS and "value" in value


def _entries(fields: Fields) -> Iterator[ToolArgument]:
    for name, value in fields.raw.items():
        given = ToolArgument.read(fields, str(name), value)
        if given is not None:
            yield given


def _selects(value: Json) -> bool:
    """Whether a setting chooses a model or an app. Source: docs/dify-behaviour.md, “Older files”."""
    return isinstance(value, Mapping) and ("app_id" in value or {"provider", "model", "model_type"} <= value.keys())


def _text(value: Json) -> str:
    # As Python writes it: a quirk of Dify.
    return value if isinstance(value, str) else str(value)


_PURE: Final = frozenset({"time", "code"})
"""Built-in providers whose tools do nothing but compute."""
_OF_FILE: Final = frozenset({"api", "workflow", "mcp"})
"""Types of providers that the tools file describes."""


class ToolNode(NodeConfig, frozen=True):
    """Call a tool with some values. Source: docs/dify-behaviour.md, “Tool node”, “Tool outputs”."""

    type: ClassVar[str] = "tool"

    name: ToolName
    given: GivenValues
    is_current: bool
    """Whether the file has ``tool_node_version``: how settings are read goes by it."""
    has_effects: bool
    is_handled: bool
    """Whether it has an error strategy."""

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        name = ToolName(
            provider_type=data.text("provider_type") or "builtin",
            provider=data.text("provider_id") or data.text("provider_name"),
            tool=data.text("tool_name"),
            provider_name=data.text("provider_name"),
            credential_id=data.text("credential_id"),
            plugin=data.text("plugin_unique_identifier"),
        )
        return cls(
            name=name,
            given=GivenValues.read(data),
            is_current=bool(data.get("tool_node_version")),
            is_handled=bool(data.get("error_strategy")),
            has_effects=name.provider_type != "builtin" or name.provider not in _PURE,
        )

    def icon(self, ports: NodePorts) -> Json | None:
        icon = ports.tools.icon(self.name)
        # As recorded: of a provider that is not there, only the failure is told, if the node handles it.
        return False if icon is None and self.is_handled and self.name.provider_type in _OF_FILE else icon

    async def run(self, ctx: Context) -> Result:
        tool, settings = await self._resolve(ctx)
        info = self._info(tool)
        used = self._values(ctx.variables, tool)
        recorded = used if ctx.recorded is ctx.variables else self._values(ctx.recorded, tool)
        about: dict[str, Any] = {"kind": "ToolRuntimeInvocationError", "inputs": recorded, "metadata": info}
        outputs, began = ToolOutputs(ctx), asyncio.get_running_loop().time()
        try:
            call = tool_call(ctx, tool, all_converted(used | settings, tool))
            usage = await ctx.ports.tools.call(call, outputs.take)
            return Result(outputs=await outputs.outputs(began), inputs=recorded, usage=usage, metadata=info)
        except NotConvertible as problem:
            raise NodeFailure(f"Failed to invoke tool: {problem}", **about) from None
        except ToolFailure as failure:
            message = self._message(failure, ctx)
            if failure.reported:
                message = f"Failed to invoke tool {self.name.provider_name or self.name.provider}: {message}"
            raise NodeFailure(message, usage=failure.usage, **about) from None
        finally:
            outputs.close()

    async def _resolve(self, ctx: Context) -> tuple[Tool, dict[str, Json]]:
        """The tool and its settings. Raises ``NodeFailure`` if it is not there, or a setting is missing."""
        tools, app_id = ctx.ports.tools, ctx.run.app_id
        try:
            tool = tools.known(self.name, app_id=app_id) or await tools.find(self.name, app_id=app_id)
        except ToolNotFound as failure:
            text, kind = str(failure), "ToolRuntimeResolutionError"
            raise NodeFailure(f"Failed to get tool runtime: {text}", kind=kind, metadata=self._info(None)) from None
        tool = tool.with_settings(self.given.settings)
        settings = {}
        for parameter in tool.parameters:
            if parameter.form == "form":
                value = self._setting(parameter, ctx, tool)
                if value is not UNSET:
                    settings[parameter.name] = value
        return tool, settings

    def _setting(self, parameter: ToolParameter, ctx: Context, tool: Tool) -> Json:
        """The value of a parameter that is set up beforehand; ``UNSET`` if it is not passed."""
        given = self.given.settings.get(parameter.name)
        if self.is_current:
            if given is None:
                return UNSET
            value = given.form_value(ctx.variables)
            if value is UNSET:
                what = f"the variable of the parameter {parameter.name} does not exist"
                raise self._no_runtime(what, "ToolParameterError", tool)
            return UNSET if value is None else value
        value = None if given is None else given.form_value(ctx.variables)
        if value is UNSET or (not value and value != 0):
            value = parameter.default
            if parameter.required and (value is None or value == ""):
                what = f"the parameter {parameter.name} is required and has no value"
                raise self._no_runtime(what, "ToolRuntimeResolutionError", tool)
        if parameter.type == "select" and parameter.options and value is not None and value not in parameter.options:
            what = f"the value of the parameter {parameter.name} must be one of {', '.join(parameter.options)}"
            raise self._no_runtime(what, "ToolRuntimeResolutionError", tool)
        return value  # null, too: converted to the parameter's type

    def _no_runtime(self, what: str, kind: str, tool: Tool) -> NodeFailure:
        return NodeFailure(f"Failed to get tool runtime: {what}", kind=kind, metadata=self._info(tool))

    def _values(self, variables: Variables, tool: Tool) -> dict[str, Json]:
        """What is given, recorded, and later converted. Raises ``NodeFailure``: a required variable is missing."""
        values: dict[str, Json] = {}
        for given in self.given.parameters:
            parameter = tool.parameter(given.name)
            if parameter is None:
                values[given.name] = None
                continue
            value = given.value(variables)
            if value is not UNSET:
                values[given.name] = value
            elif parameter.required:
                path = ".".join(given.selector or ())
                raise NodeFailure(f"Variable {path} does not exist", kind="WorkflowNodeError")
        return values

    def _info(self, tool: Tool | None) -> Mapping[str, Json]:
        return {
            "tool_info": {
                "provider_type": self.name.provider_type,
                "provider_id": self.name.provider,
                "plugin_unique_identifier": self.name.plugin or (tool.plugin if tool is not None else None) or None,
            }
        }

    def _message(self, failure: ToolFailure, ctx: Context) -> str:
        """What the tool says of a failure; if that names a secret which the node gave it, only that it does.

        It is the text of others, so no part of it is changed.
        """
        message = str(failure)
        if ctx.recorded is ctx.variables:
            return message
        read = [(ctx.variables.get(selector), ctx.recorded.get(selector)) for selector in self.given.selectors()]
        secrets = [used for used, shown in read if isinstance(used, str) and used != shown]
        given = [(each.value(ctx.variables), each.value(ctx.recorded)) for each in self.given.parameters]
        rendered = [used for used, shown in given if isinstance(used, str) and used != shown]
        return SECRET_MESSAGE if contains_secret(message, secrets, rendered) else message
