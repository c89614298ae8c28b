"""Configuration shared by all node types."""

import json
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias

from msgspec import Struct, field

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import Fields, expected, shown
from jikko.dsl.types import RETRYING_TYPES
from jikko.values import Json

ErrorStrategy: TypeAlias = Literal["fail-branch", "default-value"]


class NodeCommon(Struct, frozen=True):
    """Part of a node's configuration that the engine handles.

    Source: docs/dify-behaviour.md, “Nodes and edges”, “Retries”, “Error strategies”.
    """

    title: str = ""
    version: str = "1"
    error_strategy: ErrorStrategy | None = None
    default_value: Mapping[str, Json] = field(default_factory=dict)
    """Outputs of a failed node with the strategy ``default-value``."""
    retry_enabled: bool = False
    """Whether failed attempts are retried. Never for types without retries."""
    max_retries: int = 0
    """Maximum number of retries, if ``retry_enabled``."""
    retry_interval: float = 0.0
    """Seconds from the end of an attempt to the next."""


def read_common(fields: Fields) -> NodeCommon:
    """Parse the common configuration from a node's ``data``. Reports what makes Dify reject the node."""
    retry = fields.mapping("retry_config")
    kind = fields.get("type")
    strategy = fields.choice("error_strategy", ("fail-branch", "default-value"), "")
    return NodeCommon(
        title=fields.text("title"),
        version=fields.text("version", "1"),
        error_strategy="fail-branch" if strategy == "fail-branch" else "default-value" if strategy else None,
        default_value=_read_default_value(fields),
        retry_enabled=retry.boolean("retry_enabled") and isinstance(kind, str) and kind in RETRYING_TYPES,
        max_retries=retry.integer("max_retries", minimum=0),
        retry_interval=retry.integer("retry_interval", minimum=0) / 1000,
    )


_CHECKS: Final[Mapping[str, tuple[str, Callable[[Json], bool]]]] = {
    "string": ("a text", lambda value: isinstance(value, str)),
    # As in Python, Dify accepts a boolean as a number here.
    "number": ("a number", lambda value: isinstance(value, (int, float))),
    "object": ("an object", lambda value: isinstance(value, dict)),
    "array[string]": ("a list of texts", lambda value: _is_list_of(value, str)),
    "array[number]": ("a list of numbers", lambda value: _is_list_of(value, (int, float))),
    "array[object]": ("a list of objects", lambda value: _is_list_of(value, dict)),
    "array[file]": ("", lambda value: True),
}


def _read_default_value(fields: Fields) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for entry in fields.mappings("default_value"):
        key = entry.text("key", required=True)
        kind = entry.text("type", required=True)
        if kind not in _CHECKS:
            if kind:
                hint = entry.meant(kind, list(_CHECKS)) or expected(" or ".join(_CHECKS))
                entry.problem("type", Phrase("document.default_type", {"value": shown(kind)}), hint)
            continue
        description, check = _CHECKS[kind]
        value = _parsed(entry.get("value"), kind)
        if not check(value):
            entry.problem("value", Phrase("document.default_value", {"wanted": description, "type": repr(kind)}))
            continue
        found[key] = value
    return found


def _parsed(value: Json, kind: str) -> Json:
    """Parse a default value; values other than strings may be written as one. Unchanged if invalid."""
    if not isinstance(value, str) or kind in ("string", "array[file]"):
        return value
    try:
        return float(value) if kind == "number" else json.loads(value)
    except (ValueError, RecursionError):
        return value


def _is_list_of(value: Json, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)
