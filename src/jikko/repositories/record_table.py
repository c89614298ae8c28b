"""Mapping of records to rows: a table has a column for each field of its struct."""

from __future__ import annotations  # operations are functions created per call

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property, lru_cache
from typing import Any, Final, Generic, TypeAlias, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct

from jikko.repositories.shared_sql import Count, Many, Operation, Row, Rows, id_text, is_id

T = TypeVar("T", bound=Struct)
Codec: TypeAlias = tuple[Callable[[Any], Any], Callable[[Any], Any]]
"""Encoder and decoder of a column, for values other than ``None``."""

_MAX_QUERIES: Final = 100


class RecordTable(Generic[T]):
    """Table of one type of records.

    A field named ``id`` or ``…_id`` holds an id. Structs, lists and mappings are stored as JSON.
    """

    def __init__(
        self,
        name: str,
        kind: type[T],
        *,
        columns: Mapping[str, str] | None = None,
        texts: Collection[str] = (),
        blanks: Collection[str] = (),
        codecs: Mapping[str, Codec] | None = None,
    ) -> None:
        """Args:
        columns: Names of columns that differ from their fields.
        texts: Text fields with names of ids.
        blanks: Fields whose empty text is stored as NULL.
        codecs: Custom codecs, by field."""
        self.name = name
        self._kind = kind
        self._fields = kind.__struct_fields__
        self._texts = texts
        self._codecs = codecs or {}
        self._blanks = [place for place, field in enumerate(self._fields) if field in blanks]
        marks = [f":{each}::text" if each in texts else f":{each}" for each in self._fields]
        names = [(columns or {}).get(each, each) for each in self._fields]
        table = name.rpartition(".")[2]
        self.columns = ", ".join(f"{table}.{each}" for each in names)
        self.insert: Final = f"INSERT INTO {name} ({', '.join(names)}) VALUES ({', '.join(marks)})"
        """Takes ``values``."""
        sets = ", ".join(f"{each} = {mark}" for each, mark in zip(names, marks, strict=True))
        self._update = f"UPDATE {name} SET {sets} WHERE {names[0]} = {marks[0]}"
        """By the first column, the id."""
        self.select: Final = lru_cache(_MAX_QUERIES)(lambda rest: f"SELECT {self.columns} FROM {name} {rest}")
        """Returns a query; ``rest`` follows the table name."""

    # Field types are inspected with the first record: a start needs few.

    @cached_property
    def _reads(self) -> list[tuple[int, Callable[[Any], Any]]]:
        """Return the decoders of non-NULL columns, with their positions."""
        found = []
        for place, field in enumerate(msgspec.structs.fields(self._kind)):
            if field.name in self._codecs:
                found.append((place, self._codecs[field.name][1]))
            elif is_id(field.name) and field.name not in self._texts:
                found.append((place, id_text))
            elif _is_json(field.type):
                found.append((place, msgspec.json.Decoder(field.type).decode))
            elif field.type is bool:
                found.append((place, bool))
        return found

    @cached_property
    def _writes(self) -> dict[str, Callable[[Any], Any]]:
        """Return the encoders of values other than ``None``, by field."""
        written = {field.name: _json_text for field in msgspec.structs.fields(self._kind) if _is_json(field.type)}
        return written | {field: write for field, (write, _) in self._codecs.items()}

    def record(self, row: Iterable[Any]) -> T:
        values = [*row]
        for place, read in self._reads:
            if values[place] is not None:
                values[place] = read(values[place])
        for place in self._blanks:
            values[place] = values[place] or ""
        return self._kind(**dict(zip(self._fields, values, strict=True)))

    def found(self, row: Iterable[Any] | None) -> T | None:
        return None if row is None else self.record(row)

    def records(self, rows: Iterable[Any]) -> list[T]:
        return [self.record(row) for row in rows]

    def values(self, record: T) -> dict[str, Any]:
        """Return a record as parameters, named after its fields."""
        given = dict(zip(self._fields, msgspec.structs.astuple(record), strict=True))
        for field, write in self._writes.items():
            if given[field] is not None:
                given[field] = write(given[field])
        for place in self._blanks:
            given[self._fields[place]] = given[self._fields[place]] or None
        return given

    def one(self, rest: str, /, **values: Any) -> Operation[T | None]:
        """Return the first record of a query: see ``select``."""
        return self.found((yield Row(self.select(rest), **values)))

    def all(self, rest: str, /, **values: Any) -> Operation[list[T]]:
        return self.records((yield Rows(self.select(rest), **values)))

    def page(self, where: str, order: str, /, **values: Any) -> Operation[tuple[list[T], int]]:
        """Return a slice of the records in an order, and their total. ``values`` include ``offset`` and ``limit``."""
        total: int = (yield Row(f"SELECT count(*) FROM {self.name} {where}", **values))[0]
        return (yield from self.all(f"{where} ORDER BY {order} LIMIT :limit OFFSET :offset", **values)), total

    def add(self, records: Iterable[T]) -> Operation[None]:
        yield Many(self.insert, [self.values(each) for each in records])

    def replace(self, record: T) -> Operation[None]:
        yield Count(self._update, **self.values(record))


def _json_text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _is_json(kind: Any) -> bool:
    return any(
        get_origin(part) in (dict, list) or (isinstance(part, type) and issubclass(part, Struct))
        for part in (kind, *get_args(kind))
    )
