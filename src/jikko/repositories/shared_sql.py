"""SQL that is written once, for both databases, and operations on it.

A statement is PostgreSQL's with parameters ``:name``, and becomes that of a database once (``Dialect.statement``):

======================  ===============================================================================================
written                 means
======================  ===============================================================================================
``:app_id``             an id, as the database stores ids: the name is ``id`` or ends in ``_id``
``:app_id::text``       the same id as text: a column of texts has it
``:name``               another value; a text becomes what a column of texts takes
``id IN :ids``          one of a list: of ids, if the name ends in ``ids``, of texts if no cast says otherwise
``(VALUES :ids)``       a table of one column, with a row for each of a list
``x::type``             a cast, where PostgreSQL needs one; SQLite has none
``FOR UPDATE``          a lock on rows, likewise, with its variants: in SQLite one process writes at a time
``INDEXED BY i``        SQLite's; PostgreSQL chooses by itself
``knowledge.dataset``   a table of datasets: a schema of PostgreSQL, and a file of its own of SQLite
``[sqlite: …]``         stands in the statement of that database only; so does ``[postgres: …]``
======================  ===============================================================================================

A statement of which a database has nothing left is not executed there, and changes no row.

An operation is a function that makes a generator: it yields ``Row``, ``Rows``, ``Count`` or ``Many``, gets what the
database answers, and returns its result. It is driven by the thread that writes, by one that reads, or by asyncpg; and
it may begin anew if the database asks for it, so whatever it changes outside of the database must be its own.
"""

import re
from collections.abc import Awaitable, Callable, Coroutine, Generator, Hashable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Concatenate, Final, Literal, ParamSpec, Protocol, TypeAlias, TypeVar

from msgspec import Struct
from msgspec.structs import replace

StoredId: TypeAlias = bytes | str


def storable(text: str) -> str:
    """The text with lone surrogates, which UTF-8 has no bytes for, replaced by ``?``."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def stored_id(text: str) -> StoredId:
    """16 bytes for a UUID in its canonical, lower-case form; any other text is stored as text."""
    if len(text) == 36:
        digits = text.replace("-", "")
        if len(digits) == 32 and text[8:24:5] == "----":
            try:
                raw = bytes.fromhex(digits)
            except ValueError:
                return storable(text)
            # Upper case is not canonical: it would come back changed.
            if raw.hex() == digits:
                return raw
    return storable(text)


def id_text(stored: StoredId) -> str:
    """The text that ``stored_id`` was given, or ``id_column`` of PostgreSQL."""
    if isinstance(stored, str):
        return stored
    if len(stored) != 16:
        # PostgreSQL keeps a text as bytes, with a zero byte before it.
        return stored[1:].rstrip(b"\0").decode()
    digits = stored.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


T = TypeVar("T")
Record: TypeAlias = Any
"""A row: values by position."""

_CHOICE: Final = re.compile(r"\[(sqlite|postgres):\s((?:[^\[\]]|\[\])*)\]")
_PARAMETER: Final = re.compile(r"(\b(?:IN|VALUES) )?(?<!:):([a-z]\w*)(::\w+(?:\[\])?)?")
_CAST: Final = re.compile(r"::\w+(?:\[\])?")
_LOCK: Final = re.compile(r" FOR (?:NO KEY )?(?:UPDATE|SHARE)(?: SKIP LOCKED)?")
_INDEX: Final = re.compile(r" INDEXED BY \w+")
_MAX_STATEMENTS: Final = 1000
_MAX_MARKED: Final = 100
"""Statements with lists of some lengths: such texts may be long."""


class SqlQuery:
    """A statement with the values of its parameters."""

    __slots__ = ("sql", "values")

    def __init__(self, sql: str, /, **values: Any) -> None:
        self.sql = sql
        self.values = values


class Row(SqlQuery):
    """Asks for the first row, or ``None``."""

    __slots__ = ()


class Rows(SqlQuery):
    """Asks for all rows."""

    __slots__ = ()


class Count(SqlQuery):
    """Asks how many rows were changed."""

    __slots__ = ()


class Many:
    """A statement that is executed for each of several values. Nothing comes back."""

    __slots__ = ("sql", "values")

    def __init__(self, sql: str, values: Sequence[Mapping[str, Any]], /) -> None:
        self.sql = sql
        self.values = values


def nothing(query: SqlQuery | Many) -> Any:
    """The answer to a statement that the database has no use for."""
    return 0 if type(query) is Count else [] if type(query) is Rows else None


Operation: TypeAlias = Generator[SqlQuery | Many, Any, T]
"""A piece of a transaction. It may refuse by raising a ``JikkoError``, before it has changed anything."""


Parameter: TypeAlias = tuple[str, Callable[[str], Any]]
"""A name, and what makes a value that is a text, or each text of a list, fit for the database."""


class Statement(Struct, frozen=True):
    """A statement of one database."""

    text: str
    parameters: tuple[Parameter, ...]
    """In their order."""
    many: tuple[int, ...]
    """The places of those that are lists."""
    lists: tuple[Callable[[int], str], ...] = ()
    """What stands for each ``{}`` of the text: marks for as many items as a list has."""

    def bound(self, given: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """The text, and the values by position. Others that are given are left out."""
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
    """How a database is spoken to."""

    def __init__(
        self,
        name: Literal["sqlite", "postgres"],
        *,
        to_id: Callable[[str], Any],
        to_text: Callable[[str], str],
    ) -> None:
        """Args:
        to_id: What the database keeps of an id; ``id_text`` reads it.
        to_text: What it keeps of another text.
        """
        self.name: Final = name
        self.to_id: Final = to_id
        self.to_text: Final = to_text
        self.statement: Final = lru_cache(_MAX_STATEMENTS)(self._translated)
        """A statement as the database takes it."""

    def with_text_ids(self) -> "Dialect":
        """The same for tables that have ids as texts in SQLite."""
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
        """The text still has its casts."""
        names: dict[tuple[str, bool], int] = {}
        parameters: list[Parameter] = []
        places: list[int] = []
        lists: list[Callable[[int], str]] = []
        # Numbers would have to go up with each item of a list.
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
    """Whether a parameter of that name is an id."""
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
    """A database that takes statements and operations. All of it raises ``StoreUnavailable`` if it cannot be used."""

    @property
    def dialect(self) -> Dialect: ...

    def with_text_ids(self) -> "Sql":
        """See ``Dialect.with_text_ids``."""

    async def row(self, sql: str, /, **values: Any) -> Record | None:
        """The first row, found by a key: in SQLite here and now, on the event loop."""

    def rows(self, sql: str, /, **values: Any) -> Awaitable[list[Record]]:
        """All rows."""

    def count(self, sql: str, /, **values: Any) -> Awaitable[int]:
        """Change rows by one statement, durably. Returns how many."""

    def later(self, sql: str, /, **values: Any) -> None:
        """Change rows, durably, without waiting for it: if it fails, that is forgotten."""

    async def settled(self) -> None:
        """Wait for what ``later`` began, where something else may come before it."""

    def write(self, operation: Callable[[], Operation[T]]) -> Awaitable[T]:
        """Do an operation in one transaction, durably. What it raises is raised, and nothing was changed."""

    def quick(self, operation: Callable[[], Operation[T]]) -> Awaitable[T]:
        """Read a few rows by their keys: in SQLite here and now, on the event loop."""

    def once(self, name: Hashable, operation: Callable[[], Operation[T]]) -> Awaitable[T]:
        """``quick``, for what many ask in the same turn of the event loop: see ``Database.quick_once``."""

    def read(self, operation: Callable[[], Operation[T]]) -> Awaitable[T]:
        """Read several rows: in SQLite on a thread, as they are at one moment."""

    def search(self, operation: Callable[[], Operation[T]]) -> Awaitable[T]:
        """``read`` for what may look at very many rows: few at once."""


class SqlDatabase(Protocol):
    """A database whose repositories are written in SQL."""

    @property
    def sql(self) -> Sql:
        """Takes their statements."""


class _Repository(Protocol):
    @property
    def _sql(self) -> Any: ...


R = TypeVar("R", bound=_Repository)
P = ParamSpec("P")


def _done_by(
    act: Literal["write", "quick", "read", "search"],
) -> Callable[[Callable[Concatenate[R, P], Operation[T]]], Callable[Concatenate[R, P], Coroutine[Any, Any, T]]]:
    """Make methods of a repository of their operations, which its ``Sql`` does."""

    def made(
        operation: Callable[Concatenate[R, P], Operation[T]],
    ) -> Callable[Concatenate[R, P], Coroutine[Any, Any, T]]:
        async def method(repository: R, /, *args: P.args, **values: P.kwargs) -> T:
            done: T = await getattr(repository._sql, act)(partial(operation, repository, *args, **values))
            return done

        # Not `functools.wraps`: its dictionary for each method is memory of every start.
        method.__name__, method.__qualname__ = operation.__name__, operation.__qualname__
        method.__doc__ = operation.__doc__
        return method

    return made


written = _done_by("write")
quickly_read = _done_by("quick")
read_aside = _done_by("read")
searched = _done_by("search")
