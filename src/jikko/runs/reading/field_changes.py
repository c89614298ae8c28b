"""Differences between two JSON values."""

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

from msgspec import Struct

from jikko.values import Json

Change: TypeAlias = Literal["added", "removed", "changed"]


class ChangedField(Struct, frozen=True):
    """Changed value."""

    path: str
    """Its path (JSON Pointer)."""
    before: Json
    """Also ``None`` if there was no value."""
    after: Json


def field_changes(path: str, old: Json, new: Json) -> Iterator[ChangedField]:
    """Yield the changed values. ``path``: Path of both (JSON Pointer)."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in [*old, *(name for name in new if name not in old)]:
            yield from field_changes(f"{path}/{escaped(str(name))}", old.get(name), new.get(name))
    elif isinstance(old, (list, tuple)) and isinstance(new, (list, tuple)) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from field_changes(f"{path}/{index}", one, other)
    elif type(old) is not type(new) or old != new:
        yield ChangedField(path, old, new)


def escaped(name: str) -> str:
    """Return a name as part of a JSON Pointer."""
    return name.replace("~", "~0").replace("/", "~1")
