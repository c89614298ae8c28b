"""Tables of a SQLite file as rows of PostgreSQL. For the logs of runs see ``move``.

Totals, the keyword index and names are derived, and not copied; nor are sessions and links of the console.
"""

import sqlite3
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, Final, NamedTuple

from jikko.events import LOG_FORMAT
from jikko.store.postgres.sql import id_column, optional_text, text
from jikko.store.run_columns import MOVING, TEXTS
from jikko.store.sqlite.runs.run_rows import inputs_of

Convert = Callable[[Any], Any]

_FLAGS: Final = frozenset({"use_icon_as_answer_icon", "enabled", "title_due", "liked", "built_in_fields", "archived"})
"""Columns that are 0 or 1 in SQLite."""
_NUMBERS: Final = frozenset({"app", "end_user", "space"})
"""Foreign keys to ``names`` and ``end_users``, tables that PostgreSQL does not have."""


class Column(NamedTuple):
    name: str
    """Name in PostgreSQL."""
    source: str
    """SQLite expression over ``Table.source``."""
    convert: Convert


class Table(NamedTuple):
    name: str
    """Name in PostgreSQL."""
    source: str
    """FROM clause in SQLite."""
    columns: tuple[Column, ...]
    order: str
    """Read order, and so the order of keys that PostgreSQL generates."""
    sequence: str = ""
    """Sequence to advance, if rows keep their keys."""
    distinct: bool = False
    """Whether adjacent rows that became equal are merged."""

    @property
    def select(self) -> str:
        return f"SELECT {', '.join(column.source for column in self.columns)} FROM {self.source} ORDER BY {self.order}"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def converted(self, rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        converts = [column.convert for column in self.columns]
        made = (tuple(convert(value) for convert, value in zip(converts, row, strict=True)) for row in rows)
        return (row for row, _ in groupby(made)) if self.distinct else made


def _same(value: Any) -> Any:
    return value


def as_id(value: Any) -> bytes | None:
    """Convert an id of SQLite for PostgreSQL."""
    return value if value is None or isinstance(value, bytes) else id_column(value)


def _plain(value: Any) -> Any:
    return text(value) if isinstance(value, str) else value


def _columns(convert: Convert, names: str, prefix: str = "") -> list[Column]:
    """Return columns of one type, each given as ``name`` or ``name=source``."""
    given = (name.partition("=") for name in names.split())
    return [Column(name, source or f"{prefix}{name}", convert) for name, _, source in given]


def convert_of(column: str) -> Convert:
    """Return the conversion of a SQLite column, by its name."""
    if column == "id" or (column.endswith("_id") and column != "external_knowledge_id"):
        return as_id
    return bool if column in _FLAGS else _plain


class TableRule(NamedTuple):
    """Mapping of a table with the same columns in both databases, except for foreign keys of apps and the like."""

    name: str
    order: str
    """Read order. Begins with the table's alias in ``source``, if any."""
    source: str = ""
    """FROM clause in SQLite; by default the table of that name."""
    others: str = ""
    """Foreign keys in SQLite, each as ``name=source``."""
    keyed: bool = False
    """Whether rows keep their keys."""

    def in_file(self, connection: sqlite3.Connection) -> Table:
        """Return the table with the columns of a SQLite file."""
        source = self.source or self.name
        prefix = f"{self.order.partition('.')[0]}." if "." in self.order else ""
        columns = [
            Column(name, f"{prefix}{name}", convert_of(name))
            for name, kind in connection.execute("SELECT name, type FROM pragma_table_info(?)", (source.split()[0],))
            if name not in _NUMBERS and (self.keyed or (name, kind) != ("key", "INTEGER"))
        ]
        for other in self.others.split():
            name, _, expression = other.partition("=")
            columns.append(Column(name, expression, convert_of(name)))
        sequence = f"pg_get_serial_sequence('{self.name}', 'key')" if self.keyed else ""
        return Table(self.name, source, tuple(columns), self.order, sequence)


def _name(of: str, key: str) -> str:
    """Return the join of ``names`` as ``of`` on a key."""
    return f"JOIN names {of} ON {of}.key = {key}"


_RUNS: Final = f"""runs r {_name("app", "r.app")} {_name("flow", "r.workflow")} {_name("ver", "r.version")}
JOIN end_users u ON u.key = r.end_user"""
_OF_RUN: Final = (
    Column("key", "r.key", _same),
    *_columns(as_id, "run_id task_id retry_of", "r."),
    *_columns(as_id, "app_id=app.text workflow_id=flow.text end_user_id=u.end_user_id"),
    *_columns(optional_text, "version=ver.text session=u.session"),
    Column("inputs", inputs_of("r"), optional_text),
    Column("created_at", "r.created_at", _same),
    *(Column(name, f"r.{name}", optional_text if name in TEXTS else _same) for name in MOVING),
    Column("holder", "coalesce(r.lease_owner, '')", optional_text),
    Column("mark", "0", _same),
)
_FORMAT: Final = Column("format", str(LOG_FORMAT), _same)
OPEN_RUNS: Final = Table("open_runs", f"{_RUNS} WHERE r.status < 2", (*_OF_RUN, _FORMAT), "r.key", "'run_keys'")
ENDED_RUNS: Final = Table(
    "runs", f"{_RUNS} LEFT JOIN run_archive a ON a.run = r.key WHERE r.status > 1", _OF_RUN, "r.key", "'run_keys'"
)

TABLES: Final = (
    TableRule("apps", "key", keyed=True),
    TableRule("workflows", "key"),
    TableRule("api_keys", "rowid"),
    TableRule("app_triggers", "key", keyed=True),
    TableRule("schedules", "trigger_id"),
    TableRule("due_times", "trigger_id, due"),
    TableRule("deliveries", "delivery_id"),
    TableRule("deleted_apps", "rowid"),
    TableRule("idempotency_keys", "app_id, key"),
    TableRule("callbacks", "run_id"),
    TableRule("webhook_secrets", "app_id"),
    TableRule("files", "key"),
    TableRule("end_users", "e.key", f"end_users e {_name('app', 'e.app')}", "app_id=app.text"),
    TableRule(
        "conversations",
        "c.key",
        f"conversations c {_name('app', 'c.app')} JOIN end_users e ON e.key = c.end_user",
        "app_id=app.text end_user_id=e.end_user_id session=e.session",
        keyed=True,
    ),
    TableRule("messages", "key", keyed=True),
    TableRule("message_files", "message, file_id"),
    TableRule("feedbacks", "f.key", f"feedbacks f {_name('app', 'f.app')}", "app_id=app.text", keyed=True),
    TableRule("conversation_variables", "key", keyed=True),
    TableRule("annotations", "a.key", f"annotations a {_name('app', 'a.app')}", "app_id=app.text", keyed=True),
    TableRule(
        "annotation_vectors",
        "v.annotation, v.space",
        f"annotation_vectors v {_name('space', 'v.space')}",
        # The name of a space is provider and model, a line each.
        "provider=substr(space.text,1,instr(space.text,char(10))-1) "
        "model=substr(space.text,instr(space.text,char(10))+1)",
    ),
    TableRule("annotation_replies", "r.app", f"annotation_replies r {_name('app', 'r.app')}", "app_id=app.text"),
    TableRule("annotation_jobs", "j.key", f"annotation_jobs j {_name('app', 'j.app')}", "app_id=app.text", keyed=True),
    TableRule("console_tokens", "created_at, rowid"),
    TableRule("audit", "entry_id"),
)
"""All tables but runs, referenced ones first."""

PLUGIN_STORAGE: Final = TableRule("plugin_storage", "plugin, app_id, key", "kept")
"""Plugin storage, which has its own file."""
