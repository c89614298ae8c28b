"""Records as rows: a table has a column for each field of its struct."""

import sqlite3
from collections.abc import Iterable
from typing import Any, Final, Generic, TypeVar

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
from jikko.store.record_columns import RecordColumns

T = TypeVar("T", bound=Struct)


class Table(Generic[T]):
    """A table of one kind of records."""

    def __init__(self, name: str, kind: type[T]) -> None:
        self._fields = RecordColumns(kind, to_id=stored_id, from_id=id_text, to_text=storable)
        names = self._fields.names
        self.name = name
        self.columns = ", ".join(f"{name}.{each}" for each in names)
        self.insert = f"INSERT INTO {name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        self.update = f"UPDATE {name} SET {', '.join(f'{each} = ?' for each in names)} WHERE {names[0]} = ?"
        """By the first column, the id."""
        self.record = self._fields.record
        """A row as a record."""

    def add(self, connection: sqlite3.Connection, records: Iterable[T]) -> None:
        """Insert rows."""
        connection.executemany(self.insert, map(self._fields.values, records))

    def replace(self, connection: sqlite3.Connection, record: T) -> None:
        """Update the row of a record that is there."""
        values = self._fields.values(record)
        connection.execute(self.update, (*values, values[0]))

    def one(self, connection: sqlite3.Connection, where: str, values: Any) -> T | None:
        """The record that a condition finds."""
        row = connection.execute(f"SELECT {self.columns} FROM {self.name} WHERE {where}", values).fetchone()
        return None if row is None else self.record(row)

    def all(self, connection: sqlite3.Connection, rest: str, values: Any = ()) -> list[T]:
        """The records of a query, of which ``rest`` is what follows the name of the table."""
        rows = connection.execute(f"SELECT {self.columns} FROM {self.name} {rest}", values)
        return [self.record(row) for row in rows]


DATASETS: Final = Table("dataset", Dataset)
DOCUMENTS: Final = Table("document", Document)
SEGMENTS: Final = Table("segment", Segment)
CHILDREN: Final = Table("child", ChildChunk)
FIELDS: Final = Table("field", MetadataField)
TAGS: Final = Table("tag", Tag)
EXTERNAL_APIS: Final = Table("external_api", ExternalApi)
KEYS: Final = Table("api_key", DatasetKey)
JOBS: Final = Table("job", Job)
