"""The inputs of a form, as variables like those of a start node."""

from collections.abc import Mapping
from typing import Any

from jikko.dsl.start_variables import StartVariable
from jikko.values import Json


def form_variables(form: Mapping[str, Any]) -> tuple[StartVariable, ...]:
    """What a form asks for. All of it is required."""
    return tuple(form_variable(entry, entry["output_variable_name"]) for entry in form["inputs"])


def form_variable(definition: Mapping[str, Json], name: str) -> StartVariable:
    """One input of a form."""
    source: Any = definition.get("option_source") or {}
    entry: Any = definition
    kind = str(entry["type"])
    return StartVariable(
        name=name,
        label=name,
        type=kind if kind in ("file", "file-list", "select") else "paragraph",
        required=True,
        max_length=entry.get("number_limits") or 0 if kind == "file-list" else 0,
        options=tuple(source.get("value") or ()) if kind == "select" else (),
        allowed_file_types=tuple(entry.get("allowed_file_types") or ()),
        allowed_file_extensions=tuple(entry.get("allowed_file_extensions") or ()),
        allowed_file_upload_methods=tuple(entry.get("allowed_file_upload_methods") or ()),
    )
