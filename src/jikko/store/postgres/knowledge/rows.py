"""Records as rows: a table has a column for each field of its struct."""

from collections.abc import Callable, Iterable, Sequence
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
from jikko.store.postgres.columns import id_column, id_of, text
from jikko.store.postgres.database import Connection, Row

T = TypeVar("T", bound=Struct)


class Table(Generic[T]):
    """A table of one kind of records."""

    def __init__(self, name: str, kind: type[T]) -> None:
        fields = msgspec.structs.fields(kind)
        names = [field.encode_name for field in fields]
        marks = [f"${number}" for number in range(1, len(names) + 1)]
        self.name = f"knowledge.{name}"
        self.columns = ", ".join(f"{name}.{each}" for each in names)
        self._insert = f"INSERT INTO {self.name} ({', '.join(names)}) VALUES ({', '.join(marks)})"
        sets = ", ".join(f"{each} = {mark}" for each, mark in zip(names, marks, strict=True))
        self._update = f"UPDATE {self.name} SET {sets} WHERE {names[0]} = $1"
        """By the first column, the id."""
        self._kind = kind
        self._stored = [_stored(field.encode_name, field.type) for field in fields]
        self._read = [_read(field.encode_name, field.type) for field in fields]

    def select(self, rest: str) -> str:
        """A query, of which ``rest`` is what follows the name of the table."""
        return f"SELECT {self.columns} FROM {self.name} {rest}"

    def record(self, row: Iterable[Any]) -> T:
        """A row as a record."""
        return self._kind(
            **{
                name: value if value is None or read is None else read(value)
                for name, value, read in zip(self._kind.__struct_fields__, row, self._read, strict=True)
            }
        )

    def found(self, row: Row | None) -> T | None:
        """The same of a row that may not be there."""
        return None if row is None else self.record(row)

    def records(self, rows: Iterable[Row]) -> list[T]:
        """Rows as records."""
        return [self.record(row) for row in rows]

    async def one(self, connection: Connection, rest: str, *values: Any) -> T | None:
        """The first record of a query."""
        return self.found(await connection.fetchrow(self.select(rest), *values))

    async def add(self, connection: Connection, records: Sequence[T]) -> None:
        """Insert rows."""
        if records:
            await connection.executemany(self._insert, [self._values(each) for each in records])

    async def replace(self, connection: Connection, record: T) -> None:
        """Update the row of a record that is there."""
        await connection.execute(self._update, *self._values(record))

    def _values(self, record: T) -> tuple[Any, ...]:
        given = msgspec.structs.astuple(record)
        return tuple(
            value if value is None or stored is None else stored(value)
            for value, stored in zip(given, self._stored, strict=True)
        )


def _stored(name: str, kind: Any) -> Callable[[Any], Any] | None:
    if _is_id(name):
        return id_column
    if _is_json(kind):
        return lambda value: msgspec.json.encode(value).decode()
    return text if _has(kind, str) else None


def _read(name: str, kind: Any) -> Callable[[Any], Any] | None:
    if _is_id(name):
        return id_of
    return msgspec.json.Decoder(kind).decode if _is_json(kind) else None


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
