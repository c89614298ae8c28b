"""SQL dialect shared by both databases, and operations in it.

Statements are PostgreSQL's with parameters ``:name``. Each is translated once per database (``Dialect.statement``):

======================  ===============================================================================================
written                 meaning
======================  ===============================================================================================
``:app_id``             an id in the database's format: the name is ``id`` or ends in ``_id``
``:app_id::text``       the same id as text, for text columns
``:name``               another value; strings are made valid for text columns
``id IN :ids``          any item of a list: ids if the name ends in ``ids``, otherwise texts unless there is a cast
``(VALUES :ids)``       a table with one column and a row per item of a list
``x::type``             a cast that PostgreSQL needs; removed for SQLite
``FOR UPDATE``          a row lock, or a variant of it; removed for SQLite, which has a single writing process
``INDEXED BY i``        an index for SQLite; removed for PostgreSQL
``knowledge.dataset``   a table of datasets: in a schema of PostgreSQL, or in a separate file of SQLite
``[sqlite: …]``         text for that database only; likewise ``[postgres: …]``
======================  ===============================================================================================

A statement that is empty for a database is not executed there, and changes no row.

An operation is a generator function: it yields ``Row``, ``Rows``, ``Count`` or ``Many``, receives the database's
answer, and returns its result. It is driven by the writer thread, a reader thread or asyncpg. The database may ask for
a retry, so an operation must not change shared state outside of the database.
"""

import re
from collections.abc import Awaitable, Callable, Coroutine, Generator, Hashable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Concatenate, Final, Literal, NamedTuple, ParamSpec, Protocol, TypeAlias, TypeVar

from msgspec import Struct
from msgspec.structs import replace

StoredId: TypeAlias = bytes | str


def storable(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot encode, by ``?``."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def stored_id(text: str) -> StoredId:
    """Return 16 bytes for a UUID in canonical lower case; any other text stays text."""
    if len(text) == 36:
        digits = text.replace("-", "")
        if len(digits) == 32 and text[8:24:5] == "----":
            try:
                raw = bytes.fromhex(digits)
            except ValueError:
                return storable(text)
            # Upper case is not canonical and would not round-trip.
            if raw.hex() == digits:
                return raw
    return storable(text)


def id_text(stored: StoredId) -> str:
    """Invert ``stored_id``, or PostgreSQL's ``id_column``."""
    if isinstance(stored, str):
        return stored
    if len(stored) != 16:
        # PostgreSQL stores a text as bytes after a zero byte.
        return stored[1:].rstrip(b"\0").decode()
    digits = stored.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


T = TypeVar("T")
Record: TypeAlias = Any
"""Row: values by position."""

_CHOICE: Final = re.compile(r"\[(sqlite|postgres):\s((?:[^\[\]]|\[\])*)\]")
_PARAMETER: Final = re.compile(r"(\b(?:IN|VALUES) )?(?<!:):([a-z]\w*)(::\w+(?:\[\])?)?")
_CAST: Final = re.compile(r"::\w+(?:\[\])?")
_LOCK: Final = re.compile(r" FOR (?:NO KEY )?(?:UPDATE|SHARE)(?: SKIP LOCKED)?")
_INDEX: Final = re.compile(r" INDEXED BY \w+")
_MAX_STATEMENTS: Final = 1000
_MAX_MARKED: Final = 100
"""Statements cached per list lengths; they may be long."""


class SqlQuery:
    """Statement with its parameter values."""

    __slots__ = ("sql", "values")

    def __init__(self, sql: str, /, **values: Any) -> None:
        self.sql = sql
        self.values = values


class Row(SqlQuery):
    """Query for the first row, or ``None``."""

    __slots__ = ()


class Rows(SqlQuery):
    __slots__ = ()


class Count(SqlQuery):
    """Statement that returns the number of changed rows."""

    __slots__ = ()


class Many(NamedTuple):
    """Statement executed for each of several values, without a result."""

    sql: str
    values: Sequence[Mapping[str, Any]]


def nothing(query: SqlQuery | Many) -> Any:
    """Return the result of a statement that is empty for the database."""
    return 0 if type(query) is Count else [] if type(query) is Rows else None


Operation: TypeAlias = Generator[SqlQuery | Many, Any, T]
"""Part of a transaction. It may refuse by raising a ``JikkoError`` before its first change."""


Parameter: TypeAlias = tuple[str, Callable[[str], Any]]
"""Name, and conversion of strings, or of each string in a list, for the database."""


class Statement(Struct, frozen=True):
    text: str
    parameters: tuple[Parameter, ...]
    """By position."""
    many: tuple[int, ...]
    """Positions of lists."""
    lists: tuple[Callable[[int], str], ...] = ()
    """Replacement of each ``{}`` in the text: placeholders for a list's length."""

    def bound(self, given: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """Return the text and the positional values. Unused ones are ignored."""
        values = [fit(value) if isinstance(value := given[name], str) else value for name, fit in self.parameters]
        for place in self.many:
            fit = self.parameters[place][1]
            values[place] = [fit(each) if isinstance(each, str) else each for each in values[place]]
        if not self.lists:
            return self.text, values
        counts = [len(values[place]) for place in self.many]
        flat: list[Any] = []
        for place, value in enumerate(values):
            flat += value if place in self.many else (value,)
        return _with_marks(self.text, self.lists, *counts), flat


class Dialect:
    """SQL dialect of a database."""

    def __init__(
        self, name: Literal["sqlite", "postgres"], *, to_id: Callable[[str], Any], to_text: Callable[[str], str]
    ) -> None:
        """Args:
        to_id: Converts ids for storage; ``id_text`` reads them.
        to_text: Converts other texts for storage."""
        self.name: Final = name
        self.to_id: Final = to_id
        self.to_text: Final = to_text
        self.statement: Final = lru_cache(_MAX_STATEMENTS)(self._translated)

    def with_text_ids(self) -> "Dialect":
        """Return the dialect for tables that store ids as text in SQLite."""
        if self.name == "postgres":
            return self
        return Dialect(self.name, to_id=self.to_text, to_text=self.to_text)

    def _translated(self, sql: str) -> Statement:
        text = _CHOICE.sub(lambda choice: choice[2] if choice[1] == self.name else "", sql).strip()
        if self.name == "postgres":
            return self._for_postgres(_INDEX.sub("", text))
        statement = self._for_sqlite(_LOCK.sub("", text).replace("knowledge.", ""))
        return replace(statement, text=_CAST.sub("", statement.text))

    def _for_postgres(self, text: str) -> Statement:
        names: dict[tuple[str, bool], int] = {}
        parameters: list[Parameter] = []
        lists: list[int] = []

        def numbered(found: re.Match[str]) -> str:
            many, name, cast = found[1], found[2], found[3] or ""
            number = names.setdefault((name, cast == "::text"), len(names) + 1)
            if number > len(parameters):
                lists.extend([len(parameters)] * bool(many))
                parameters.append((name, self._fit(name, cast)))
            if not many:
                return f"${number}{cast}"
            given = f"${number}{cast or ('::bytea' if _are_ids(name) else '::text')}[]"
            return f"= ANY({given})" if many == "IN " else f"SELECT * FROM unnest({given})"

        return Statement(_PARAMETER.sub(numbered, text), tuple(parameters), tuple(lists))

    def _for_sqlite(self, text: str) -> Statement:
        """Translate all but the casts."""
        names: dict[tuple[str, bool], int] = {}
        parameters: list[Parameter] = []
        places: list[int] = []
        lists: list[Callable[[int], str]] = []
        # Numbered placeholders would shift with each item of a list.
        has_lists = any(found[1] for found in _PARAMETER.finditer(text))

        def marked(found: re.Match[str]) -> str:
            many, name, cast = found[1], found[2], found[3] or ""
            number = names.setdefault((name, cast == "::text"), len(names) + 1)
            if has_lists or number > len(parameters):
                parameters.append((name, self._fit(name, cast)))
            if not many:
                return "?" if has_lists else f"?{number}"
            places.append(len(parameters) - 1)
            lists.append(_marks if many == "IN " else _rows)
            return "{}"

        return Statement(_PARAMETER.sub(marked, text), tuple(parameters), tuple(places), tuple(lists))

    def _fit(self, name: str, cast: str) -> Callable[[str], Any]:
        return self.to_id if (is_id(name) or _are_ids(name)) and cast != "::text" else self.to_text


def is_id(name: str) -> bool:
    """Return whether a parameter of that name is an id."""
    return name == "id" or name.endswith("_id")


def _are_ids(name: str) -> bool:
    return name == "ids" or name.endswith("_ids")


@lru_cache(_MAX_MARKED)
def _with_marks(text: str, lists: Sequence[Callable[[int], str]], *counts: int) -> str:
    return text.format(*(mark(count) for mark, count in zip(lists, counts, strict=True)))


def _marks(count: int) -> str:
    return f"IN ({', '.join('?' * count)})"


def _rows(count: int) -> str:
    return f"VALUES {', '.join(['(?)'] * count)}" if count else "SELECT NULL WHERE FALSE"


class Sql(Protocol):
    """Database for statements and operations. Every method raises ``StoreUnavailable`` if it cannot be used."""

    @property
    def dialect(self) -> Dialect: ...

    def with_text_ids(self) -> "Sql":
        """See ``Dialect.with_text_ids``."""

    async def row(self, sql: str, /, **values: Any) -> Record | None:
        """Return the first row, found by key: in SQLite synchronously, on the event loop."""

    def rows(self, sql: str, /, **values: Any) -> Awaitable[list[Record]]:
        """Return all rows."""

    def count(self, sql: str, /, **values: Any) -> Awaitable[int]:
        """Execute a statement, durably. Returns the number of changed rows."""

    def later(self, sql: str, /, **values: Any) -> None:
        """Execute a statement, durably, in the background; failures are ignored."""

    async def settled(self) -> None:
        """Wait for earlier calls of ``later``, where they could be overtaken."""

    def write(self, operation: Callable[[], Operation[T]]) -> Awaitable[T]:
        """Execute an operation in one durable transaction. Its exceptions roll back and propagate."""

    def quick(self, operation: Callable[[], Operation[T]]) -> Awaitable[T]:
        """Read a few rows by key: in SQLite synchronously, on the event loop."""

    def once(self, name: Hashable, operation: Callable[[], Operation[T]]) -> Awaitable[T]:
        """``quick``, shared by identical calls in one turn of the event loop: see ``Database.quick_once``."""

    def read(self, operation: Callable[[], Operation[T]]) -> Awaitable[T]:
        """Read a consistent snapshot of several rows: in SQLite on a thread."""

    def search(self, operation: Callable[[], Operation[T]]) -> Awaitable[T]:
        """``read`` for scans of very many rows, with low concurrency."""


class SqlDatabase(Protocol):
    """Database with repositories written in SQL."""

    @property
    def sql(self) -> Sql:
        """Executes their statements."""


class _Repository(Protocol):
    @property
    def _sql(self) -> Any: ...


R = TypeVar("R", bound=_Repository)
P = ParamSpec("P")


def _done_by(
    act: Literal["write", "quick", "read", "search"],
) -> Callable[[Callable[Concatenate[R, P], Operation[T]]], Callable[Concatenate[R, P], Coroutine[Any, Any, T]]]:
    """Return a decorator that turns operations into methods executed by the repository's ``Sql``."""

    def made(
        operation: Callable[Concatenate[R, P], Operation[T]],
    ) -> Callable[Concatenate[R, P], Coroutine[Any, Any, T]]:
        async def method(repository: R, /, *args: P.args, **values: P.kwargs) -> T:
            done: T = await getattr(repository._sql, act)(partial(operation, repository, *args, **values))
            return done

        # Not `functools.wraps`: its dictionary per method costs memory at every start.
        method.__name__, method.__qualname__ = operation.__name__, operation.__qualname__
        method.__doc__ = operation.__doc__
        return method

    return made


written = _done_by("write")
quickly_read = _done_by("quick")
read_aside = _done_by("read")
searched = _done_by("search")
