"""Records as the columns of a row: one for each field of their struct, in its order, whatever keeps them.

A field ``id``, or whose name ends in ``_id``, holds an id. Structs, lists and mappings are kept as JSON.
"""

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct

T = TypeVar("T", bound=Struct)


class RecordColumns(Generic[T]):
    """Between the records of one kind and the values of their columns."""

    def __init__(
        self,
        kind: type[T],
        *,
        to_id: Callable[[str], Any],
        from_id: Callable[[Any], str],
        to_text: Callable[[str], str],
    ) -> None:
        """Args:
        to_id: What the database keeps of an id; ``from_id`` reads it.
        to_text: What it keeps of another text.
        """
        fields = msgspec.structs.fields(kind)
        self.names = [field.encode_name for field in fields]
        self._kind = kind
        self._stored = [_stored(field.encode_name, field.type, to_id, to_text) for field in fields]
        self._read = [_read(field.encode_name, field.type, from_id) for field in fields]

    def values(self, record: T) -> tuple[Any, ...]:
        """The values of the row of a record."""
        given = msgspec.structs.astuple(record)
        return tuple(
            value if value is None or stored is None else stored(value)
            for value, stored in zip(given, self._stored, strict=True)
        )

    def record(self, row: Iterable[Any]) -> T:
        """A row as a record."""
        return self._kind(
            **{
                name: value if value is None or read is None else read(value)
                for name, value, read in zip(self._kind.__struct_fields__, row, self._read, strict=True)
            }
        )


def _stored(
    name: str, kind: Any, to_id: Callable[[str], Any], to_text: Callable[[str], str]
) -> Callable[[Any], Any] | None:
    if _is_id(name):
        return to_id
    if _is_json(kind):
        return lambda value: msgspec.json.encode(value).decode()
    return to_text if _has(kind, str) else None


def _read(name: str, kind: Any, from_id: Callable[[Any], str]) -> Callable[[Any], Any] | None:
    if _is_id(name):
        return from_id
    if _is_json(kind):
        return msgspec.json.Decoder(kind).decode
    return bool if kind is bool else None


def _is_id(name: str) -> bool:
    return name == "id" or (name.endswith("_id") and name != "external_knowledge_id")


def _is_json(kind: Any) -> bool:
    return any(
        get_origin(part) in (dict, list) or (isinstance(part, type) and issubclass(part, Struct))
        for part in (kind, *get_args(kind))
    )


def _has(kind: Any, wanted: type) -> bool:
    return kind is wanted or wanted in get_args(kind) or isinstance(next(iter(get_args(kind)), None), wanted)
