"""What of the tables of a SQLite file becomes which rows of PostgreSQL. For the logs of runs see ``run_logs``.

Totals, the index for keywords and names are made of other tables, and not taken along; nor are sessions and links of
the console, with which nobody would notice but who has to sign in once more.
"""

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, Final, NamedTuple

from jikko.events import LOG_FORMAT
from jikko.store.postgres.columns import id_column, text
from jikko.store.sqlite.runs.run_rows import inputs_of

Convert = Callable[[Any], Any]


class Column(NamedTuple):
    """One column."""

    name: str
    """In PostgreSQL."""
    source: str
    """In SQLite, as an expression of ``Table.source``."""
    convert: Convert


class Table(NamedTuple):
    """One table."""

    name: str
    """In PostgreSQL."""
    source: str
    """In SQLite: what stands behind FROM."""
    columns: tuple[Column, ...]
    order: str
    """By which its rows are read: where PostgreSQL numbers them by itself, the numbers come in this order."""
    sequence: str = ""
    """What numbers further rows, if these bring their numbers along."""
    distinct: bool = False
    """Whether rows that follow each other and have become the same are one."""

    @property
    def select(self) -> str:
        """The statement that reads it."""
        return f"SELECT {', '.join(column.source for column in self.columns)} FROM {self.source} ORDER BY {self.order}"

    @property
    def names(self) -> tuple[str, ...]:
        """Those of its columns in PostgreSQL."""
        return tuple(column.name for column in self.columns)

    def converted(self, rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """Rows of ``select`` as PostgreSQL takes them."""
        converts = [column.convert for column in self.columns]
        made = (tuple(convert(value) for convert, value in zip(converts, row, strict=True)) for row in rows)
        return (row for row, _ in groupby(made)) if self.distinct else made


def _same(value: Any) -> Any:
    return value


def as_id(value: Any) -> bytes | None:
    """An id, as SQLite has it, for a column of PostgreSQL."""
    return value if value is None or isinstance(value, bytes) else id_column(value)


def as_text(value: str | None) -> str | None:
    """A text for a column of PostgreSQL."""
    return None if value is None else text(value)


def as_flag(value: int) -> bool:
    """What is 0 or 1 in SQLite."""
    return bool(value)


def _columns(convert: Convert, names: str, prefix: str = "") -> list[Column]:
    """Columns of one type, each as ``name`` or ``name=source``."""
    given = (name.partition("=") for name in names.split())
    return [Column(name, source or f"{prefix}{name}", convert) for name, _, source in given]


def _table(
    name: str,
    order: str,
    source: str = "",
    *,
    ids: str = "",
    texts: str = "",
    flags: str = "",
    same: str = "",
    keyed: bool = False,
) -> Table:
    """A table whose columns are called in SQLite as in PostgreSQL, but for those that say otherwise.

    Args:
        order: Begins with the short name of the table in ``source``, if that has one.
        source: By default the table of that name.
        keyed: Whether its key is taken along.
    """
    prefix = f"{order.partition('.')[0]}." if "." in order else ""
    kinds = ((as_id, ids), (as_text, texts), (as_flag, flags), (_same, same))
    columns = [column for convert, names in kinds for column in _columns(convert, names, prefix)]
    if not keyed:
        return Table(name, source or name, tuple(columns), order)
    key = Column("key", f"{prefix}key", _same)
    return Table(name, source or name, (key, *columns), order, f"pg_get_serial_sequence('{name}', 'key')")


def _name(of: str, key: str) -> str:
    """Joins ``names`` as ``of`` for a number."""
    return f"JOIN names {of} ON {of}.key = {key}"


_RUNS: Final = f"""runs r {_name("app", "r.app")} {_name("flow", "r.workflow")} {_name("ver", "r.version")}
JOIN end_users u ON u.key = r.end_user"""
_OF_RUN: Final = (
    Column("key", "r.key", _same),
    *_columns(as_id, "run_id task_id retry_of", "r."),
    *_columns(as_id, "app_id=app.text workflow_id=flow.text end_user_id=u.end_user_id"),
    *_columns(as_text, "version=ver.text session=u.session"),
    Column("inputs", inputs_of("r"), as_text),
    *_columns(_same, "created_at status epoch log_end outputs elapsed total_tokens total_steps", "r."),
    *_columns(_same, "exceptions_count finished_at wake_at", "r."),
    *_columns(as_text, "error price failed_node exceptions", "r."),
    Column("holder", "coalesce(r.lease_owner, '')", as_text),
    Column("mark", "0", _same),
)
_FORMAT: Final = Column("format", str(LOG_FORMAT), _same)
OPEN_RUNS: Final = Table("open_runs", f"{_RUNS} WHERE r.status < 2", (*_OF_RUN, _FORMAT), "r.key", "'run_keys'")
ENDED_RUNS: Final = Table(
    "runs", f"{_RUNS} LEFT JOIN run_archive a ON a.run = r.key WHERE r.status > 1", _OF_RUN, "r.key", "'run_keys'"
)

TABLES: Final = (
    _table(
        "apps",
        "key",
        ids="app_id workflow_id",
        texts="name mode description icon_type icon icon_background environment",
        flags="use_icon_as_answer_icon",
        same="created_at",
        keyed=True,
    ),
    _table("workflows", "key", ids="app_id workflow_id", texts="version", same="number source created_at"),
    _table("api_keys", "rowid", ids="key_id app_id", texts="hint", same="digest created_at used_at"),
    _table(
        "app_triggers",
        "key",
        ids="trigger_id app_id",
        texts="node kind address",
        flags="enabled",
        same="created_at",
        keyed=True,
    ),
    _table(
        "schedules",
        "trigger_id",
        ids="trigger_id",
        texts="plan paused",
        same="changed_at handled wake paused_until",
    ),
    _table(
        "due_times",
        "trigger_id, due",
        ids="trigger_id run_id",
        texts="state why",
        same="due last count at",
    ),
    _table(
        "deliveries",
        "delivery_id",
        ids="delivery_id app_id trigger_id run_id",
        texts="verdict reason sender method",
        same="received_at size discarded_at retries look_at dead_at",
    ),
    _table("deleted_apps", "rowid", ids="app_id", texts="name", same="deleted_at"),
    _table("idempotency_keys", "app_id, key", ids="app_id run_id", texts="key", same="fingerprint expires_at"),
    _table(
        "callbacks",
        "run_id",
        ids="run_id app_id",
        texts="url receiver error",
        same="created_at state attempts first_at next_at finished_at",
    ),
    _table("webhook_secrets", "app_id", ids="app_id", texts="secret"),
    _table(
        "files",
        "key",
        ids="file_id app_id end_user_id",
        texts="name extension mime_type",
        same="size digest created_at origin used_at",
    ),
    _table(
        "end_users", "e.key", f"end_users e {_name('app', 'e.app')}", ids="app_id=app.text end_user_id", texts="session"
    ),
    _table(
        "conversations",
        "c.key",
        f"conversations c {_name('app', 'c.app')} JOIN end_users e ON e.key = c.end_user",
        ids="conversation_id app_id=app.text end_user_id=e.end_user_id",
        texts="session=e.session name introduction inputs",
        flags="title_due",
        same="turns created_at updated_at",
        keyed=True,
    ),
    _table(
        "messages",
        "key",
        ids="message_id run_id",
        texts="query answer error inputs files details",
        same="conversation status created_at",
        keyed=True,
    ),
    _table("message_files", "message, file_id", ids="file_id", same="message"),
    _table(
        "feedbacks",
        "f.key",
        f"feedbacks f {_name('app', 'f.app')}",
        ids="feedback_id app_id=app.text",
        texts="content",
        flags="liked",
        same="message created_at updated_at",
        keyed=True,
    ),
    _table(
        "conversation_variables",
        "key",
        ids="variable_id",
        texts="name value_type description value",
        same="conversation created_at updated_at",
        keyed=True,
    ),
    _table(
        "annotations",
        "a.key",
        f"annotations a {_name('app', 'a.app')}",
        ids="annotation_id app_id=app.text",
        texts="question answer",
        same="hits created_at",
        keyed=True,
    ),
    _table(
        "annotation_vectors",
        "v.annotation, v.space",
        f"annotation_vectors v {_name('space', 'v.space')}",
        # A name of a space is provider and model, a line each.
        texts="provider=substr(space.text,1,instr(space.text,char(10))-1) "
        "model=substr(space.text,instr(space.text,char(10))+1)",
        same="annotation vector",
    ),
    _table(
        "annotation_replies",
        "r.app",
        f"annotation_replies r {_name('app', 'r.app')}",
        ids="app_id=app.text",
        texts="provider model",
        same="version threshold",
    ),
    _table(
        "annotation_jobs",
        "j.key",
        f"annotation_jobs j {_name('app', 'j.app')}",
        ids="job_id app_id=app.text",
        texts="provider model error",
        same="status created_at threshold",
        keyed=True,
    ),
    _table(
        "console_tokens", "created_at, rowid", ids="token_id", texts="name role hint", same="digest created_at used_at"
    ),
)
"""All but runs. Those that others refer to come first."""

PLUGIN_STORAGE: Final = _table(
    "plugin_storage", "plugin, app_id, key", "kept", ids="app_id", texts="plugin key", same="value"
)
"""What plugins keep, which has a file of its own."""
