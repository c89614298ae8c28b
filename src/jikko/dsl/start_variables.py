"""Inputs of a start node."""

import json
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import Fields, expected, shown
from jikko.dsl.json_schema import doubts
from jikko.values import Json

INPUT_TYPES: Final = tuple(
    "text-input paragraph select number checkbox file file-list json_object external_data_tool".split()
)
"""Source: docs/dify-behaviour.md, “Start node”. The last is a leftover of old chat apps."""


class StartVariable(Struct, frozen=True):
    """One input of a workflow. Source: docs/dify-behaviour.md, “Start node”."""

    name: str
    """``variable`` in the file."""
    label: str
    type: str
    """One of ``INPUT_TYPES``."""
    required: bool = False
    hide: bool = False
    default: Json = None
    description: str = ""
    max_length: int = 0
    """Maximum characters of a text, or files of a list; 0 for no limit."""
    options: tuple[str, ...] = ()
    allowed_file_types: tuple[str, ...] = ()
    allowed_file_extensions: tuple[str, ...] = ()
    allowed_file_upload_methods: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None
    """JSON Schema, draft 7, for a ``json_object``."""


def read_start_variables(fields: Fields) -> tuple[StartVariable, ...]:
    """Parse the inputs of a start node's ``data``, without those that lack name or type."""
    found: dict[str, StartVariable] = {}
    for entry in fields.mappings("variables"):
        variable = _read_variable(entry)
        if variable is None:
            continue
        if variable.name in found:
            entry.problem("variable", Phrase("document.replaces", {"value": repr(variable.name)}), fatal=False)
        found[variable.name] = variable
    return tuple(found.values())


def _read_variable(entry: Fields) -> StartVariable | None:
    name = entry.text("variable", required=True)
    kind = entry.text("type", required=True)
    if kind and kind not in INPUT_TYPES:
        hint = entry.meant(kind, INPUT_TYPES) or expected(" or ".join(INPUT_TYPES))
        entry.problem("type", Phrase("document.input_type", {"value": shown(kind)}), hint)
        return None
    if entry.get("variable") == "":
        entry.problem("variable", Phrase("document.empty"), Phrase("remedy.name_input"))
    if not name or not kind:
        return None
    return StartVariable(
        name=name,
        label=entry.text("label", name),
        type=kind,
        required=entry.boolean("required"),
        hide=entry.boolean("hide"),
        default=entry.get("default"),
        description=entry.text("description"),
        max_length=max(0, entry.integer("max_length")),
        options=_texts(entry, "options"),
        allowed_file_types=_texts(entry, "allowed_file_types"),
        allowed_file_extensions=_texts(entry, "allowed_file_extensions"),
        allowed_file_upload_methods=_texts(entry, "allowed_file_upload_methods"),
        json_schema=_read_schema(entry),
    )


def _texts(entry: Fields, name: str) -> tuple[str, ...]:
    found = []
    for index, item in enumerate(entry.items(name)):
        if isinstance(item, (str, int, float)) and not isinstance(item, bool):
            found.append(str(item))
        else:
            entry.problem(
                f"{name}[{index}]", Phrase("document.case_id", {"value": shown(item)}), Phrase("remedy.quote")
            )
    return tuple(found)


def _read_schema(entry: Fields) -> Mapping[str, Any] | None:
    schema = entry.get("json_schema")
    if schema is None or schema == "":
        return None
    if isinstance(schema, str):
        try:
            schema = json.loads(schema)
        except (ValueError, RecursionError) as error:
            entry.problem("json_schema", Phrase("document.not_json", {"reason": error}))
            return None
    if not isinstance(schema, Mapping):
        entry.problem("json_schema", Phrase("document.not_object", {"value": shown(schema)}))
        return None
    # Imported lazily: few files have schemas, and it loads slower than this whole package.
    from jsonschema import Draft7Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft7Validator.check_schema(schema)
    except SchemaError as error:
        entry.problem("json_schema", Phrase("document.no_schema", {"reason": error.message}))
        return None
    except RecursionError:
        entry.problem("json_schema", Phrase("document.nested"))
        return None
    for doubt in doubts(schema):
        entry.problem("json_schema", doubt, fatal=False)
    return schema
