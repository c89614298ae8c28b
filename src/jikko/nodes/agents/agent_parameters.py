"""Parameters of an agent node's strategy. Source: docs/dify-behaviour.md, “Agent”."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Self, cast

from msgspec import Struct
from msgspec.structs import replace

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import Fields, as_selector, shown
from jikko.lang.templates import Template
from jikko.lang.variables import filled
from jikko.nodes.contract import NodeFailure, Variables
from jikko.ports.agents import AgentModel, AgentTool
from jikko.ports.models import Mode, ModelFailure, Models
from jikko.ports.tools import ToolName, ToolNotFound, Tools, tool_name
from jikko.values import UNSET, Json, Selector, encode_json, json_value

_KINDS: Final = ("mixed", "variable", "constant")
_OF_APPS: Final = ("literal", "placeholders")
"""Kinds in graphs of apps without a workflow: a literal, and a text with ``{{name}}`` placeholders."""


class Missing(Exception):
    """A parameter's variable does not exist. The message names it."""


class AgentParameter(Struct, frozen=True):
    name: str
    selector: Selector | None
    """For a ``variable``."""
    text: Template | None
    """For a text: with references."""
    structured: Template | None
    """For other values: their JSON, with references in its texts."""
    written: Json = None
    """The value in the file; ``None`` for a ``variable``."""
    kind: str = ""
    """One of the kinds of apps without a workflow, or empty."""

    @classmethod
    def read(cls, fields: Fields, name: str) -> Self | None:
        """Parse an entry; ``None`` if it sets nothing."""
        raw = fields.get(name)
        if raw is None:
            return None
        given = raw.get("value") if isinstance(raw, Mapping) and raw.get("type") in (*_KINDS, *_OF_APPS) else raw
        if given is None:
            return None
        if isinstance(raw, Mapping) and raw.get("type") in _OF_APPS:
            return cls(name, None, None, None, given, str(raw["type"]))
        if isinstance(raw, Mapping) and raw.get("type") == "variable":
            selector = as_selector(given)
            if selector is None:
                fields.problem(
                    f"{name}.value", Phrase("document.not_selector", {"value": shown(given)}), Phrase("remedy.selector")
                )
                return None
            return cls(name, selector, None, None)
        if isinstance(given, str):
            return cls(name, None, Template.parse(given), None, given)
        return cls(name, None, None, Template.parse(encode_json(given).decode()), given)

    def selectors(self) -> tuple[Selector, ...]:
        if self.selector is not None:
            return (self.selector,)
        template = self.text or self.structured
        return () if template is None else template.selectors

    def value(self, variables: Variables) -> Json:
        """Return the value. Raises ``Missing`` if its variable does not exist."""
        if self.selector is not None:
            found = variables.get(self.selector)
            if found is UNSET:
                raise Missing(f"Variable {'.'.join(self.selector)} does not exist")
            return found
        if self.kind == "placeholders":
            return filled(str(self.written), variables)
        if self.kind == "literal":
            return self.written
        if self.text is not None:
            return self.text.to_text(variables)
        assert self.structured is not None
        written = self.structured.to_text(_Escaped(variables))
        # A text with a variable between its quotes was not JSON text after all.
        return json_value(written, written)


class _Escaped:
    """Variables rendered for use inside JSON strings."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables
        self.declared_type = variables.declared_type
        self.spend = variables.spend

    def get(self, selector: Selector) -> Any:
        value = self._variables.get(selector)
        if isinstance(value, str):
            return json.dumps(value, ensure_ascii=False)[1:-1]
        if isinstance(value, (list, dict)):
            return json.dumps(json.dumps(value, ensure_ascii=False), ensure_ascii=False)[1:-1]
        return value


def model_of(value: Json, models: Models) -> AgentModel:
    """Return the model of a parameter. Raises ``NodeFailure``: none chosen, or its provider is not configured."""
    chosen: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    provider, name = str(chosen.get("provider") or ""), str(chosen.get("model") or chosen.get("name") or "")
    if not provider or not name:
        raise NodeFailure("No model is chosen in this node.", kind="ModelNotExistError")
    parameters = chosen.get("completion_params")
    try:
        abilities = models.abilities(provider, name)
    except ModelFailure as failure:
        raise NodeFailure(str(failure), kind=failure.kind) from None
    mode = chosen.get("mode")
    return AgentModel(
        provider=provider,
        model=name,
        mode=cast(Mode, mode if mode in ("chat", "completion") else "chat"),
        parameters=dict(parameters) if isinstance(parameters, Mapping) else {},
        abilities=abilities,
    )


async def tools_of(
    value: Json,
    tools: Tools,
    variables: Variables,
    *,
    app_id: str,
    left_out: Callable[[ToolName, str], None] | None = None,
) -> tuple[AgentTool, ...]:
    """Return a parameter's enabled tools. Raises ``NodeFailure`` if one is missing.

    ``left_out``: For apps without a workflow, which skip missing tools: called with name and reason.
    """
    listed = value if isinstance(value, list) else []
    used = [entry for entry in listed if isinstance(entry, Mapping) and entry.get("enabled") is True]
    if left_out is None:
        return tuple([await _tool(entry, tools, variables, app_id) for entry in used])
    found = []
    for entry in used:
        try:
            tool = await _tool(entry, tools, variables, app_id)
        except NodeFailure as failure:
            left_out(tool_name(entry), str(failure))
            continue
        found.append(replace(tool, settings=_set_up(entry, tool)))
    return tuple(found)


def _set_up(entry: Mapping[str, Any], tool: AgentTool) -> dict[str, Json]:
    """Return the parameter values that the model does not fill in."""
    given = entry.get("tool_parameters")
    forms = {parameter.name for parameter in tool.tool.parameters if parameter.form == "form"}
    listed = given.items() if isinstance(given, Mapping) else ()
    return {str(name): value for name, value in listed if name in forms and value not in (None, "")}


async def _tool(entry: Mapping[str, Any], tools: Tools, variables: Variables, app_id: str) -> AgentTool:
    name = tool_name(entry)
    if not name.provider or not name.tool:
        what = "an entry of the list of tools names no tool (provider_name and tool_name)"
        raise NodeFailure(f"Failed to get tool runtime: {what}", kind="ToolRuntimeResolutionError")
    try:
        tool = tools.known(name, app_id=app_id) or await tools.find(name, app_id=app_id)
    except ToolNotFound as failure:
        raise NodeFailure(f"Failed to get tool runtime: {failure}", kind="ToolRuntimeResolutionError") from None
    extra = entry.get("extra")
    return AgentTool(
        tool=tool,
        label=_text(entry, "tool_label"),
        description=(_text(extra, "description") if isinstance(extra, Mapping) else "") or tool.description,
        settings=_settings(entry, variables),
        credential_id=name.credential_id,
    )


def _settings(entry: Mapping[str, Any], variables: Variables) -> dict[str, Json]:
    """Return the fixed values: all of ``settings``, and those ``parameters`` not left to the model."""
    fixed: dict[str, Json] = {}
    for key in ("settings", "parameters"):
        listed = entry.get(key)
        for name, given in listed.items() if isinstance(listed, Mapping) else ():
            if isinstance(given, Mapping):
                # Entries that ``auto`` leaves to the model have no value.
                is_open = given.get("auto") == 1 if key == "settings" else given.get("auto") != 0
                value = None if is_open else _fixed(given.get("value"), variables)
            else:
                value = given if key == "settings" else None
            if value is not None:
                fixed[str(name)] = value
    return fixed


def _fixed(value: Json, variables: Variables) -> Json:
    """Resolve a fixed value: a literal, or ``{type: constant|mixed|variable, value}``."""
    if not (isinstance(value, Mapping) and value.get("type") in _KINDS and "value" in value):
        return value
    inner = value["value"]
    if value["type"] == "variable":
        selector = as_selector(inner)
        found = UNSET if selector is None else variables.get(selector)
        return None if found is UNSET else found
    return Template.parse(inner).to_text(variables) if isinstance(inner, str) else inner


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""
