"""Truncation of events: long values, which few read and all would have to load, are left out."""

from typing import Any, Final

import msgspec

from jikko.events import Event, FormRequested
from jikko.values import Json, encode_json

MAX_WHOLE_BYTES: Final = 4096
"""Bytes of JSON from which on a value is cut."""
_MAX_CHARACTERS: Final = 1000
"""Characters that are left of a text."""
_MAX_SHORT_VALUES_BYTES: Final = 65_536
"""Bytes from which on an object of short values is cut as a whole."""
_PLAIN: Final = ("id", "at", "event", "rounds", "selector")
"""Fields that are never cut: what an event is about."""


def encoded(position: int, event: Event, *, reveals: bool = True) -> bytes:
    """An event as JSON, with its position as ``id``; where something was cut, ``cut`` says at which path, and how many
    bytes of JSON it has. A text keeps its beginning, anything else is null.
    ``reveals``: whether what a form is answered with is told."""
    if reveals or not isinstance(event, FormRequested):
        whole = encode_json(event)
        if len(whole) <= MAX_WHOLE_BYTES:
            return b'{"id":%d,%b' % (position, whole[1:])
    plain = plain_event(event, reveals=reveals)
    cut: list[dict[str, Json]] = []
    for name, value in plain.items():
        if name not in _PLAIN:
            plain[name] = _field(f"/{_escaped(name)}", value, cut)
    return encode_json({"id": position, **plain, **({"cut": cut} if cut else {})})


def plain_event(event: Event, *, reveals: bool = True) -> dict[str, Any]:
    """An event as JSON has it, whole."""
    plain: dict[str, Any] = msgspec.to_builtins(event)
    if not reveals and isinstance(event, FormRequested):
        hidden: dict[str, Json] = {"form_token": None, "approval_channels": []}
        plain["form"] = {**plain["form"], **{name: hidden[name] for name in hidden if name in plain["form"]}}
    return plain


def value_at(value: Json, path: str) -> Json:
    """What stands at a path (JSON Pointer) of a value. Raises ``LookupError``: nothing does."""
    if not path:
        return value
    if not path.startswith("/"):
        raise LookupError(path)
    for part in path[1:].split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value[name]
        elif isinstance(value, (list, tuple)) and name.isascii() and name.isdigit() and len(name) < 10:
            value = value[int(name)]
        else:
            raise LookupError(path)
    return value


def _field(path: str, value: Json, cut: list[dict[str, Json]]) -> Json:
    size = len(encode_json(value))
    if size <= MAX_WHOLE_BYTES:
        return value
    if not isinstance(value, dict):
        return _shortened(path, value, size, cut)
    found: list[dict[str, Json]] = []
    short = {}
    for name, entry in value.items():
        length = len(encode_json(entry))
        inside = f"{path}/{_escaped(name)}"
        short[name] = entry if length <= MAX_WHOLE_BYTES else _shortened(inside, entry, length, found)
    if len(encode_json(short)) > _MAX_SHORT_VALUES_BYTES:
        return _shortened(path, value, size, cut)
    cut += found
    return short


def _shortened(path: str, value: Json, size: int, cut: list[dict[str, Json]]) -> Json:
    cut.append({"path": path, "bytes": size})
    return value[:_MAX_CHARACTERS] if isinstance(value, str) else None


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
