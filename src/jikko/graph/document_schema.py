"""JSON Schema of DSL files, derived from the readers of nodes, variables and apps; see ``dsl.field_shapes``."""

from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

from jikko.dsl.app_config import AppGraph
from jikko.dsl.common import read_common
from jikko.dsl.declared_variables import read_conversation, read_environment
from jikko.dsl.document import BASIC_MODES, AppMode
from jikko.dsl.field_shapes import Schema, schema_of
from jikko.dsl.fields import Fields
from jikko.dsl.load import read_face
from jikko.dsl.types import DIFY_TYPES, OLD_TYPE_NAMES

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_TEXT: Final[Schema] = {"type": ["string", "number"], "minLength": 1}
_OTHER_KINDS: Final = ("rag_pipeline", "snippet")
_NOTE: Final = "custom-note"


def document_schema(node_classes: Mapping[str, Any]) -> Schema:
    """Return the schema of a file. ``node_classes``: Runnable classes, by type."""
    types = sorted({*DIFY_TYPES, *node_classes, *OLD_TYPE_NAMES})
    nodes = {"node": schema_of(read_common)} | {name: node_schema(name, node_classes) for name in sorted(node_classes)}
    data: Schema = {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": types}},
        "$ref": "#/$defs/node",
        "allOf": [
            _if("type", name, {"$ref": f"#/$defs/{OLD_TYPE_NAMES.get(name, name)}"})
            for name in types
            if OLD_TYPE_NAMES.get(name, name) in nodes
        ],
    }
    node = {"required": ["id", "data"], "properties": {"id": _TEXT, "data": data}}
    graph = {
        "type": "object",
        "required": ["nodes", "edges"],
        "properties": {
            "nodes": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "object", **_if("type", _NOTE, {}), "else": node},
            },
            "edges": {"type": "array", "items": {"type": "object"}},
        },
    }
    workflow = schema_of(read_environment, read_conversation)
    workflow["properties"] |= {"graph": graph, "features": {"type": ["object", "null"]}}
    face, modes = schema_of(read_face)["properties"], [*get_args(AppMode)]
    config = schema_of(*map(_reader, sorted(BASIC_MODES))) | {"minProperties": 1}
    inputs = nodes["start"]["properties"]["variables"]["items"]["properties"] if "start" in nodes else {}
    form = {"type": "object", "properties": {name: schema for name, schema in inputs.items() if name != "type"}}
    config["properties"]["user_input_form"]["items"]["additionalProperties"] = form
    basic = {"enum": sorted(BASIC_MODES)}
    return {
        "$schema": _DIALECT,
        "title": "Workflow file of the Dify DSL, as Jikko reads it",
        "type": "object",
        "required": ["app"],
        "properties": {
            "kind": {"not": {"enum": [*_OTHER_KINDS]}},
            "version": {"type": ["string", "null"]},
            "app": {"type": "object", "required": ["mode"], "properties": {**face, "mode": {"enum": modes}}},
        },
        "if": {"properties": {"app": {"properties": {"mode": basic}}}},
        "then": {"required": ["model_config"], "properties": {"model_config": config}},
        "else": {"required": ["workflow"], "properties": {"workflow": workflow | {"required": ["graph"]}}},
        "$defs": nodes,
    }


def node_schema(kind: str, node_classes: Mapping[str, Any]) -> Schema:
    """Return the schema of a runnable node's ``data``."""
    found = schema_of(node_classes[kind].from_dsl, read_common)
    found["properties"] |= {"type": {"enum": [kind, *(old for old, new in OLD_TYPE_NAMES.items() if new == kind)]}}
    return found


def _reader(mode: str) -> Callable[[Fields], object]:
    """Return the reader of ``model_config``, for apps without a workflow."""
    return lambda config: AppGraph(config, mode).features


def _if(name: str, value: str, then: Schema) -> Schema:
    return {"if": {"required": [name], "properties": {name: {"const": value}}}, "then": then}
