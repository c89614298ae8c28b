"""Records as rows: a table has a column for each field of its struct."""

from collections.abc import Iterable, Sequence
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
from jikko.store.postgres.columns import id_column, id_of, text
from jikko.store.postgres.database import Connection, Row
from jikko.store.record_columns import RecordColumns

T = TypeVar("T", bound=Struct)


class Table(Generic[T]):
    """A table of one kind of records."""

    def __init__(self, name: str, kind: type[T]) -> None:
        self._fields = RecordColumns(kind, to_id=id_column, from_id=id_of, to_text=text)
        names = self._fields.names
        marks = [f"${number}" for number in range(1, len(names) + 1)]
        self.name = f"knowledge.{name}"
        self.columns = ", ".join(f"{name}.{each}" for each in names)
        self._insert = f"INSERT INTO {self.name} ({', '.join(names)}) VALUES ({', '.join(marks)})"
        sets = ", ".join(f"{each} = {mark}" for each, mark in zip(names, marks, strict=True))
        self._update = f"UPDATE {self.name} SET {sets} WHERE {names[0]} = $1"
        """By the first column, the id."""
        self.record = self._fields.record
        """A row as a record."""

    def select(self, rest: str) -> str:
        """A query, of which ``rest`` is what follows the name of the table."""
        return f"SELECT {self.columns} FROM {self.name} {rest}"

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
            await connection.executemany(self._insert, [self._fields.values(each) for each in records])

    async def replace(self, connection: Connection, record: T) -> None:
        """Update the row of a record that is there."""
        await connection.execute(self._update, *self._fields.values(record))


DATASETS: Final = Table("dataset", Dataset)
DOCUMENTS: Final = Table("document", Document)
SEGMENTS: Final = Table("segment", Segment)
CHILDREN: Final = Table("child", ChildChunk)
FIELDS: Final = Table("field", MetadataField)
TAGS: Final = Table("tag", Tag)
EXTERNAL_APIS: Final = Table("external_api", ExternalApi)
KEYS: Final = Table("api_key", DatasetKey)
JOBS: Final = Table("job", Job)


def contains(column: str, first: int) -> str:
    """The condition that a text contains ``sought``, whose texts are the parameter of this number and the next one.

    What a letter of another script is in lower case depends on the locale of the database: where it knows none, what
    is written in the same way is found still.
    """
    anywhere = f"position(${first}::text IN lower({column})) > 0"
    return f'({anywhere} OR position(${first + 1}::text IN lower({column} COLLATE "C")) > 0)'


def sought(keyword: str) -> tuple[str, str]:
    """A text that is looked for, whatever the case of its letters."""
    known = text(keyword)
    return known.lower(), known.encode().lower().decode()
