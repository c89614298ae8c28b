"""The fields of a form that a Human Input node shows."""

import json
from collections.abc import Callable, Mapping
from typing import Final, Self

from msgspec import Struct

from jikko.dsl.fields import Fields, as_selector
from jikko.lang.render import to_text
from jikko.nodes.context import Variables
from jikko.values import UNSET, Json, Selector

INPUT_TYPES: Final = ("paragraph", "select", "file", "file-list")


class FormInput(Struct, frozen=True):
    """One field of the form."""

    name: str
    type: str
    """One of ``INPUT_TYPES``."""
    definition: dict[str, Json]
    """As clients get it: all that a field of its type has, and nothing else that stands in the file."""
    selector: Selector
    """Where its default, or its options, come from; ``()`` if they stand in the file."""

    @classmethod
    def read(cls, data: Fields) -> Self:
        name = data.text("output_variable_name", required=True)
        kind = data.choice("type", INPUT_TYPES, "paragraph")
        # Recorded: a field is told as its type has it, whatever the file says in whatever order. Of files: Dify's
        # description of its Service API.
        definition: dict[str, Json] = {"output_variable_name": name, "type": kind, **_DETAILS[kind](data)}
        source = definition.get("default" if kind == "paragraph" else "option_source")
        selector = source["selector"] if isinstance(source, dict) and source["type"] == "variable" else ()
        return cls(name, kind, definition, tuple(selector))

    def shown(self, variables: Variables) -> Json:
        """The definition, with the options that a variable gives."""
        if self.type != "select" or not self.selector:
            return self.definition
        value = variables.get(self.selector)
        options = [to_text(item) for item in value] if isinstance(value, list) else []
        return {**self.definition, "option_source": {**self.definition["option_source"], "value": options}}

    def default(self, variables: Variables) -> str | None:
        """The default that a variable gives; ``None`` if none does. One that is a constant stands in the definition."""
        if self.type != "paragraph" or not self.selector:
            return None
        value = variables.get(self.selector)
        if value is UNSET or value is None:
            return None
        return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else to_text(value)


def _paragraph(data: Fields) -> dict[str, Json]:
    default = data.mapping("default")
    if data.get("default") is None:
        return {"default": None}
    return {"default": {**_source(default), "value": to_text(default.get("value"))}}


def _select(data: Fields) -> dict[str, Json]:
    source = data.mapping("option_source")
    return {"option_source": {**_source(source), "value": _texts(source, "value")}}


def _file(data: Fields) -> dict[str, Json]:
    names = ("allowed_file_types", "allowed_file_extensions", "allowed_file_upload_methods")
    return {name: _texts(data, name) for name in names}


def _files(data: Fields) -> dict[str, Json]:
    return {**_file(data), "number_limits": max(0, data.integer("number_limits"))}


def _source(data: Fields) -> dict[str, Json]:
    kind = "variable" if data.get("type") == "variable" else "constant"
    return {"type": kind, "selector": list(as_selector(data.get("selector")) or ())}


def _texts(data: Fields, name: str) -> list[str]:
    items = data.get(name)
    return [to_text(item) for item in items] if isinstance(items, list) else []


_DETAILS: Final[Mapping[str, Callable[[Fields], dict[str, Json]]]] = {
    "paragraph": _paragraph,
    "select": _select,
    "file": _file,
    "file-list": _files,
}
"""What a field has besides its name, by type."""
