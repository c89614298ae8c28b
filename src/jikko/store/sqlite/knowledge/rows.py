"""Records as rows: a table has a column for each field of its struct."""

import sqlite3
from collections.abc import Callable, Iterable
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
from jikko.store.identifiers import id_text, storable, stored_id

T = TypeVar("T", bound=Struct)


class Table(Generic[T]):
    """A table of one kind of records."""

    def __init__(self, name: str, kind: type[T]) -> None:
        fields = msgspec.structs.fields(kind)
        names = [field.encode_name for field in fields]
        self.name = name
        self.columns = ", ".join(f"{name}.{each}" for each in names)
        self.insert = f"INSERT INTO {name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        self.update = f"UPDATE {name} SET {', '.join(f'{each} = ?' for each in names)} WHERE {names[0]} = ?"
        """By the first column, the id."""
        self._kind = kind
        self._stored = [_stored(field.encode_name, field.type) for field in fields]
        self._read = [_read(field.encode_name, field.type) for field in fields]

    def values(self, record: T) -> tuple[Any, ...]:
        """The values of a row."""
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

    def add(self, connection: sqlite3.Connection, records: Iterable[T]) -> None:
        """Insert rows."""
        connection.executemany(self.insert, map(self.values, records))

    def replace(self, connection: sqlite3.Connection, record: T) -> None:
        """Update the row of a record that is there."""
        values = self.values(record)
        connection.execute(self.update, (*values, values[0]))

    def one(self, connection: sqlite3.Connection, where: str, values: Any) -> T | None:
        """The record that a condition finds."""
        row = connection.execute(f"SELECT {self.columns} FROM {self.name} WHERE {where}", values).fetchone()
        return None if row is None else self.record(row)

    def all(self, connection: sqlite3.Connection, rest: str, values: Any = ()) -> list[T]:
        """The records of a query, of which ``rest`` is what follows the name of the table."""
        rows = connection.execute(f"SELECT {self.columns} FROM {self.name} {rest}", values)
        return [self.record(row) for row in rows]


def _stored(name: str, kind: Any) -> Callable[[Any], Any] | None:
    if _is_id(name):
        return stored_id
    if _is_json(kind):
        return lambda value: msgspec.json.encode(value).decode()
    return storable if _has(kind, str) else None


def _read(name: str, kind: Any) -> Callable[[Any], Any] | None:
    if _is_id(name):
        return id_text
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


DATASETS: Final = Table("dataset", Dataset)
DOCUMENTS: Final = Table("document", Document)
SEGMENTS: Final = Table("segment", Segment)
CHILDREN: Final = Table("child", ChildChunk)
FIELDS: Final = Table("field", MetadataField)
TAGS: Final = Table("tag", Tag)
EXTERNAL_APIS: Final = Table("external_api", ExternalApi)
KEYS: Final = Table("api_key", DatasetKey)
JOBS: Final = Table("job", Job)
