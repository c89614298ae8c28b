"""Records of datasets as rows: a table has a column for each field of its struct, in the order of the fields.

A field ``id``, or whose name ends in ``_id``, holds an id. Structs, lists and mappings are kept as JSON.
"""

from __future__ import annotations  # operations are functions that are made for each call

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct

from jikko.ports.stores.knowledge.records import (
    ChildChunk,
    Dataset,
    DatasetKey,
    Document,
    ExternalApi,
    Job,
    MetadataField,
    Segment,
    Tag,
)
from jikko.repositories.identifiers import id_text, storable
from jikko.repositories.sql import Count, Many, Operation, Row, Rows, is_id

T = TypeVar("T", bound=Struct)

_MAX_QUERIES: Final = 100
_NO_IDS: Final = frozenset({"external_knowledge_id"})
"""Columns of texts that are called like ids."""


class RecordTable(Generic[T]):
    """A table of one kind of records."""

    def __init__(self, name: str, kind: type[T]) -> None:
        fields = msgspec.structs.fields(kind)
        names = [field.encode_name for field in fields]
        marks = [f":{each}::text" if each in _NO_IDS else f":{each}" for each in names]
        self.name = f"knowledge.{name}"
        self.columns = ", ".join(f"{name}.{each}" for each in names)
        self._kind = kind
        self._fields = kind.__struct_fields__
        self._names = names
        self._json = [_is_json(field.type) for field in fields]
        reads = (_read(field.encode_name, field.type) for field in fields)
        self._reads = [(place, read) for place, read in enumerate(reads) if read is not None]
        self._insert = f"INSERT INTO {self.name} ({', '.join(names)}) VALUES ({', '.join(marks)})"
        sets = ", ".join(f"{each} = {mark}" for each, mark in zip(names, marks, strict=True))
        self._update = f"UPDATE {self.name} SET {sets} WHERE {names[0]} = {marks[0]}"
        """By the first column, the id."""
        self.select: Final = lru_cache(_MAX_QUERIES)(self._select)
        """A query, of which ``rest`` is what follows the name of the table."""

    def record(self, row: Iterable[Any]) -> T:
        """A row as a record."""
        values = [*row]
        for place, read in self._reads:
            if values[place] is not None:
                values[place] = read(values[place])
        return self._kind(**dict(zip(self._fields, values, strict=True)))

    def found(self, row: Iterable[Any] | None) -> T | None:
        """The same of a row that may not be there."""
        return None if row is None else self.record(row)

    def records(self, rows: Iterable[Any]) -> list[T]:
        """Rows as records."""
        return [self.record(row) for row in rows]

    def one(self, rest: str, /, **values: Any) -> Operation[T | None]:
        """The first record of a query: see ``select``."""
        return self.found((yield Row(self.select(rest), **values)))

    def all(self, rest: str, /, **values: Any) -> Operation[list[T]]:
        """All records of a query."""
        return self.records((yield Rows(self.select(rest), **values)))

    def add(self, records: Iterable[T]) -> Operation[None]:
        """Insert rows."""
        yield Many(self._insert, [self._values(each) for each in records])

    def replace(self, record: T) -> Operation[None]:
        """Update the row of a record that is there."""
        yield Count(self._update, **self._values(record))

    def _select(self, rest: str) -> str:
        return f"SELECT {self.columns} FROM {self.name} {rest}"

    def _values(self, record: T) -> dict[str, Any]:
        given = zip(self._names, msgspec.structs.astuple(record), self._json, strict=True)
        return {
            name: msgspec.json.encode(value).decode() if json and value is not None else value
            for name, value, json in given
        }


def _read(name: str, kind: Any) -> Callable[[Any], Any] | None:
    if is_id(name) and name not in _NO_IDS:
        return id_text
    if _is_json(kind):
        return msgspec.json.Decoder(kind).decode
    return bool if kind is bool else None


def _is_json(kind: Any) -> bool:
    return any(
        get_origin(part) in (dict, list) or (isinstance(part, type) and issubclass(part, Struct))
        for part in (kind, *get_args(kind))
    )


DATASETS: Final = RecordTable("dataset", Dataset)
DOCUMENTS: Final = RecordTable("document", Document)
SEGMENTS: Final = RecordTable("segment", Segment)
CHILDREN: Final = RecordTable("child", ChildChunk)
FIELDS: Final = RecordTable("field", MetadataField)
TAGS: Final = RecordTable("tag", Tag)
EXTERNAL_APIS: Final = RecordTable("external_api", ExternalApi)
KEYS: Final = RecordTable("api_key", DatasetKey)
JOBS: Final = RecordTable("job", Job)

# Of two that want one name, the second sees the first.
IN_TURN: Final = "[postgres: SELECT pg_advisory_xact_lock(5021873360)]"
"""Waits for others that look at names before they write."""


def contains(column: str) -> str:
    """The condition that a text has ``sought`` in it.

    What a letter of another script is in lower case depends on the locale of PostgreSQL's database: where it knows
    none, what is written in the same way is found still.
    """
    return (
        f"[sqlite: instr(lowercase({column}), :sought) > 0]"
        f"[postgres: (position(:sought::text IN lower({column})) > 0"
        f' OR position(:sought_in_ascii::text IN lower({column} COLLATE "C")) > 0)]'
    )


def sought(keyword: str) -> dict[str, str]:
    """The values of ``contains``: a text that is looked for, whatever the case of its letters."""
    known = storable(keyword)
    return {"sought": known.lower(), "sought_in_ascii": known.encode().lower().decode()}
