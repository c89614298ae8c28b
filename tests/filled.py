"""Structs with a distinct value in every field, so that lost or swapped fields are detected."""

import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

import msgspec

KNOWN: dict[str, Any] = {
    "form": {
        "form_content": "its content",
        "inputs": [{"n": 1}],
        "actions": [{"id": "yes", "title": "Yes"}],
        "display_in_ui": True,
        "form_token": "its token",
        "approval_channels": ["mail"],
        "resolved_default_values": {"d": 2},
        "expiration_time": 1_700_000_123,
    },
    "files": [
        {
            "filename": "its name",
            "type": "image",
            "url": "https://its.example",
            "mime_type": "image/png",
            "size": 12,
            "transfer_method": "local_file",
            "related_id": "its id",
        }
    ],
    "metadata": {"metadata_key": 1},
    "rule": {"mode": "its mode", "rules": {"r": 1}},
}
"""Values by field name, with the content that readers require."""


def filled(kind: type[Any], *, bare: bool = False, **given: Any) -> Any:
    """Return a filled struct.

    Args:
        bare: Whether fields with a default keep it.
        given: Fields with their values.
    """
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for number, field in enumerate(msgspec.structs.fields(kind), 1):
        if field.name in given:
            values[field.name] = given[field.name]
        elif not bare or field.required:
            values[field.name] = value_of(hints[field.name], field.name, number)
    return kind(**values)


def value_of(hint: Any, name: str, number: int) -> Any:
    """Return a value of a type that identifies its field."""
    if name in KNOWN and not (isinstance(hint, type) and issubclass(hint, msgspec.Struct)):
        return KNOWN[name]
    origin, parts = get_origin(hint), get_args(hint)
    match origin:
        case None:
            pass
        case typing.Literal:
            return parts[-1]
        case typing.Annotated:
            return value_of(parts[0], name, number)
        case types.UnionType | typing.Union:
            return value_of(next(part for part in parts if part is not type(None)), name, number)
        case _ if issubclass(origin, tuple):
            wanted = parts[:1] if parts[-1] is ... else parts
            return tuple(value_of(part, f"{name} {place}", number) for place, part in enumerate(wanted, 1))
        case _ if issubclass(origin, Mapping):
            return {f"{name}_key": value_of(parts[1], name, number)}
        case _ if issubclass(origin, Sequence):
            return [value_of(parts[0], name, number)]
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return filled(hint)
    if hint is bool:
        return True
    if hint is int:
        return 100 + number
    if hint is float:
        return 1_700_000_000.0 + number if name.endswith(("at", "until")) else number + 0.25
    if hint is bytes:
        return b'{"%s": %d}' % (name.encode(), number)
    if hint is str and (name == "id" or name.endswith(("_id", "_of"))):
        return f"0199a1b2-{number:04}-7000-8000-{sum(map(ord, name)):012}"
    if hint is str:
        return f"{number + 0.5}" if "price" in name else f"its {name}"
    return {f"{name}_key": number}
