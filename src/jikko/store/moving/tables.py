"""What of the tables of a SQLite file becomes which rows of PostgreSQL. For the logs of runs see ``run_logs``.

Totals, the index for keywords and names are made of other tables, and not taken along; nor are sessions and links of
the console, with which nobody would notice but who has to sign in once more.
"""

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, Final, NamedTuple

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


def _columns(convert: Convert, names: str, prefix: str = "", sources: str = "") -> list[Column]:
    given = sources.split() or [f"{prefix}{name}" for name in names.split()]
    return [Column(name, source, convert) for name, source in zip(names.split(), given, strict=True)]


def _table(name: str, source: str, *columns: list[Column], order: str, sequence: str = "", keyed: str = "") -> Table:
    own = [column for some in columns for column in some]
    if keyed:
        own.insert(0, Column("key", keyed, _same))
        sequence = sequence or f"pg_get_serial_sequence('{name}', 'key')"
    return Table(name, source, tuple(own), order, sequence)


def _name(of: str, key: str) -> str:
    """Joins ``names`` as ``of`` for a number."""
    return f"JOIN names {of} ON {of}.key = {key}"


_RUNS: Final = f"""runs r {_name("app", "r.app")} {_name("flow", "r.workflow")} {_name("ver", "r.version")}
JOIN end_users u ON u.key = r.end_user"""
_OF_RUN: Final = (
    Column("key", "r.key", _same),
    *_columns(as_id, "run_id task_id retry_of", "r."),
    *_columns(as_id, "app_id workflow_id end_user_id", sources="app.text flow.text u.end_user_id"),
    *_columns(as_text, "version session", sources="ver.text u.session"),
    Column("inputs", inputs_of("r"), as_text),
    *_columns(_same, "created_at status epoch log_end outputs elapsed total_tokens total_steps", "r."),
    *_columns(_same, "exceptions_count finished_at wake_at", "r."),
    *_columns(as_text, "error price failed_node exceptions", "r."),
    Column("holder", "coalesce(r.lease_owner, '')", as_text),
    Column("mark", "0", _same),
)
OPEN_RUNS: Final = Table("open_runs", f"{_RUNS} WHERE r.status < 2", _OF_RUN, "r.key", "'run_keys'")
ENDED_RUNS: Final = Table(
    "runs", f"{_RUNS} LEFT JOIN run_archive a ON a.run = r.key WHERE r.status > 1", _OF_RUN, "r.key", "'run_keys'"
)

TABLES: Final = (
    _table(
        "apps",
        "apps",
        _columns(as_id, "app_id workflow_id"),
        _columns(as_text, "name mode description icon_type icon icon_background environment"),
        _columns(as_flag, "use_icon_as_answer_icon"),
        _columns(_same, "created_at"),
        order="key",
        keyed="key",
    ),
    _table(
        "workflows",
        "workflows",
        _columns(as_id, "app_id workflow_id"),
        _columns(as_text, "version"),
        _columns(_same, "number source created_at"),
        order="key",
    ),
    _table(
        "api_keys",
        "api_keys",
        _columns(as_id, "key_id app_id"),
        _columns(as_text, "hint"),
        _columns(_same, "digest created_at used_at"),
        order="rowid",
    ),
    _table(
        "deleted_apps",
        "deleted_apps",
        _columns(as_id, "app_id"),
        _columns(as_text, "name"),
        _columns(_same, "deleted_at"),
        order="rowid",
    ),
    _table(
        "idempotency_keys",
        "idempotency_keys",
        _columns(as_id, "app_id run_id"),
        _columns(as_text, "key"),
        _columns(_same, "fingerprint expires_at"),
        order="app_id, key",
    ),
    _table(
        "callbacks",
        "callbacks",
        _columns(as_id, "run_id app_id"),
        _columns(as_text, "url receiver error"),
        _columns(_same, "created_at state attempts first_at next_at finished_at"),
        order="run_id",
    ),
    _table(
        "webhook_secrets", "webhook_secrets", _columns(as_id, "app_id"), _columns(as_text, "secret"), order="app_id"
    ),
    _table(
        "files",
        "files",
        _columns(as_id, "file_id app_id end_user_id"),
        _columns(as_text, "name extension mime_type"),
        _columns(_same, "size digest created_at origin used_at"),
        order="key",
    ),
    _table(
        "end_users",
        f"end_users e {_name('app', 'e.app')}",
        _columns(as_id, "app_id end_user_id", sources="app.text e.end_user_id"),
        _columns(as_text, "session", "e."),
        order="e.key",
    ),
    _table(
        "conversations",
        f"conversations c {_name('app', 'c.app')} JOIN end_users e ON e.key = c.end_user",
        _columns(as_id, "conversation_id app_id end_user_id", sources="c.conversation_id app.text e.end_user_id"),
        _columns(as_text, "session name introduction inputs", sources="e.session c.name c.introduction c.inputs"),
        _columns(as_flag, "title_due", "c."),
        _columns(_same, "turns created_at updated_at", "c."),
        order="c.key",
        keyed="c.key",
    ),
    _table(
        "messages",
        "messages",
        _columns(as_id, "message_id run_id"),
        _columns(as_text, "query answer error inputs files details"),
        _columns(_same, "conversation status created_at"),
        order="key",
        keyed="key",
    ),
    _table(
        "message_files",
        "message_files",
        _columns(_same, "message"),
        _columns(as_id, "file_id"),
        order="message, file_id",
    ),
    _table(
        "feedbacks",
        f"feedbacks f {_name('app', 'f.app')}",
        _columns(as_id, "feedback_id app_id", sources="f.feedback_id app.text"),
        _columns(as_text, "content", "f."),
        _columns(as_flag, "liked", "f."),
        _columns(_same, "message created_at updated_at", "f."),
        order="f.key",
        keyed="f.key",
    ),
    _table(
        "conversation_variables",
        "conversation_variables",
        _columns(as_id, "variable_id"),
        _columns(as_text, "name value_type description value"),
        _columns(_same, "conversation created_at updated_at"),
        order="key",
        keyed="key",
    ),
    _table(
        "annotations",
        f"annotations a {_name('app', 'a.app')}",
        _columns(as_id, "annotation_id app_id", sources="a.annotation_id app.text"),
        _columns(as_text, "question answer", "a."),
        _columns(_same, "hits created_at", "a."),
        order="a.key",
        keyed="a.key",
    ),
    _table(
        "annotation_vectors",
        f"annotation_vectors v {_name('space', 'v.space')}",
        _columns(_same, "annotation vector", "v."),
        [
            # A name of a space is provider and model, a line each.
            Column("provider", "substr(space.text, 1, instr(space.text, char(10)) - 1)", as_text),
            Column("model", "substr(space.text, instr(space.text, char(10)) + 1)", as_text),
        ],
        order="v.annotation, v.space",
    ),
    _table(
        "annotation_replies",
        f"annotation_replies r {_name('app', 'r.app')}",
        [Column("app_id", "app.text", as_id)],
        _columns(as_text, "provider model", "r."),
        _columns(_same, "version threshold", "r."),
        order="r.app",
    ),
    _table(
        "annotation_jobs",
        f"annotation_jobs j {_name('app', 'j.app')}",
        _columns(as_id, "job_id app_id", sources="j.job_id app.text"),
        _columns(as_text, "provider model error", "j."),
        _columns(_same, "status created_at threshold", "j."),
        order="j.key",
        keyed="j.key",
    ),
    _table(
        "console_tokens",
        "console_tokens",
        _columns(as_id, "token_id"),
        _columns(as_text, "name role hint"),
        _columns(_same, "digest created_at used_at"),
        order="created_at, rowid",
    ),
)
"""All but runs. Those that others refer to come first."""

PLUGIN_STORAGE: Final = _table(
    "plugin_storage",
    "kept",
    _columns(as_id, "app_id"),
    _columns(as_text, "plugin key"),
    _columns(_same, "value"),
    order="plugin, app_id, key",
)
"""What plugins keep, which has a file of its own."""
