"""Migrations of a SQLite database to this version's schema.

The files in ``migrations`` are numbered without gaps. Each runs once, in order, in one transaction with its row in
``schema_version``. A released file is never changed.
"""

import json
import os
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from jikko.dsl.load import load
from jikko.errors import FolderInUse, InvalidSettings
from jikko.private import make_file
from jikko.secret_marks import OPEN, Unmarked
from jikko.store.event_codec import DamagedLog, compress, decompress
from jikko.values import Json

_CREATE_VERSIONS = """
CREATE TABLE IF NOT EXISTS schema_version (
  version INTEGER PRIMARY KEY,
  applied_at REAL NOT NULL
) STRICT
"""
_HAS_VERSIONS = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_version'"
_READ_VERSION = "SELECT coalesce(max(version), 0) FROM schema_version"
_HAS_ID = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'data_folder'"
_READ_ID = "SELECT id FROM data_folder"
_ADD_VERSION = "INSERT INTO schema_version (version, applied_at) VALUES (?, ?)"


_TIMEOUT_SECONDS = 2.0
"""Seconds that the database's holder has to migrate it: a starting server does so at once."""
_POLL_SECONDS = 0.05
"""Seconds between checks."""

Alone: TypeAlias = Callable[[], AbstractContextManager[object]]
"""Creates a block in which no server uses the database. Raises ``FolderInUse`` if one does."""


class Migration(Struct, frozen=True):
    """Step from one version of the schema to the next."""

    version: int
    """Counted from 1."""
    script: str
    rewrite: Callable[[sqlite3.Connection], None] | None = None
    """Changes that SQL cannot make, after the script and in the same transaction."""


def migrations() -> list[Migration]:
    """Return the migrations of the database of apps and runs, in order."""
    steps = migrations_in(f"{__package__}.migrations")
    return [Migration(step.version, step.script, replace_marks if step.version == 7 else None) for step in steps]


def migrations_in(package: str) -> list[Migration]:
    files = [file for file in resources.files(package).iterdir() if file.name.endswith(".sql")]
    steps = (Migration(int(file.name.split("_", 1)[0]), file.read_text("utf-8")) for file in files)
    return sorted(steps, key=lambda migration: migration.version)


def migrate(connection: sqlite3.Connection, path: Path, steps: Sequence[Migration], alone: Alone) -> None:
    """Apply pending steps. Any number of processes may call this concurrently.

    A database with a schema is first copied to ``<name>.before-<version>`` beside it.

    Args:
        alone: Entered around schema changes, if there are any.

    Raises:
        InvalidSettings: The database has a later version than ``steps``, or an earlier one and ``alone`` is refused: a
            server of that version would keep writing in an unknown schema.
        sqlite3.Error: It cannot be read or written; nothing was changed.
    """
    newest, began = steps[-1].version, time.monotonic()
    while (current := _version(connection, path, newest)) < newest:
        try:
            # A database without a schema belongs to no process yet: the first one creates it.
            with alone() if current else nullcontext():
                _apply(connection, path, steps)
        except FolderInUse as error:
            if time.monotonic() - began < _TIMEOUT_SECONDS:
                time.sleep(_POLL_SECONDS)
                continue
            raise InvalidSettings(
                f"The database {path} has schema version {current}, and this version of Jikko needs {newest}. It is "
                f"not migrated while another process uses it ({error.owner}); nothing was changed. Stop that "
                "server and start it in this version, or use the commands of the version that it has."
            ) from None


def _apply(connection: sqlite3.Connection, path: Path, steps: Sequence[Migration]) -> None:
    newest = steps[-1].version
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again under the lock: another process may have been faster.
        current = _version(connection, path, newest)
        if 0 < current < newest:
            # The lock keeps other writers out, so the copy is what the migration starts from.
            with closing(sqlite3.connect(path)) as source:
                copy_database(source, path.with_name(f"{path.name}.before-{newest:04d}"))
        connection.execute(_CREATE_VERSIONS)
        for step in steps:
            if step.version > current:
                for statement in statements(step.script):
                    connection.execute(statement)
                if step.rewrite is not None:
                    step.rewrite(connection)
                connection.execute(_ADD_VERSION, (step.version, time.time()))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def folder_id(connection: sqlite3.Connection) -> str:
    """Return the id of the database's data folder, the same in all copies; empty before schema version 6. Raises
    ``sqlite3.Error``: it cannot be read."""
    if connection.execute(_HAS_ID).fetchone() is None:
        return ""
    row = connection.execute(_READ_ID).fetchone()
    return "" if row is None else str(row[0])


def _version(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    if connection.execute(_HAS_VERSIONS).fetchone() is None:
        return 0
    current: int = connection.execute(_READ_VERSION).fetchone()[0]
    if current > newest:
        raise InvalidSettings(
            f"The database {path} has schema version {current}; this version of Jikko knows up to {newest}. "
            f"Start the version that wrote it, or a later one; or go back: {_way_back(path, newest)}."
        )
    return current


def _way_back(path: Path, newest: int) -> str:
    """Return how an operator can keep this version, which knows schemas up to ``newest``."""
    copies = {
        int(copy.suffix.removeprefix(".before-")): copy
        for copy in path.parent.glob(f"{path.name}.before-[0-9][0-9][0-9][0-9]")
    }
    if later := [version for version in copies if version > newest]:
        return f"put {copies[min(later)]} in its place, which is from before the upgrade (docs/upgrade.md)"
    return "restore a backup from before the upgrade (docs/upgrade.md)"


def statements(script: str) -> Iterator[str]:
    """Yield a script's statements one by one: ``executescript`` would commit their transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def copy_database(source: sqlite3.Connection, target: Path) -> None:
    """Copy a snapshot of a live database to a file, completely or not at all.

    Only its owner can read it.

    Raises:
        sqlite3.Error: One of the two cannot be read or written.
        OSError: The file cannot be put in place.
    """
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        make_file(part)
        with closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
            # The copy inherits the original's mode; one file is easier to carry than three.
            copy.execute("PRAGMA journal_mode = DELETE")
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


_Data = TypeVar("_Data", bytes, str)

_APPS: Final = "SELECT key, text FROM names WHERE key IN (SELECT DISTINCT app FROM runs)"
_HAS_APP: Final = "SELECT 1 FROM apps WHERE app_id = ?"
_VERSIONS: Final = "SELECT workflow_id, source FROM workflows WHERE app_id = ?"
_KEYS: Final = "SELECT key FROM runs WHERE app = ?"
_RUN: Final = """
SELECT (SELECT text FROM names WHERE names.key = workflow), inputs, outputs, error FROM runs WHERE key = ?
"""
_LOG: Final = "SELECT position, events FROM run_log WHERE run = ?"
_ARCHIVE: Final = "SELECT events FROM run_archive WHERE run = ?"
_SET_RUN: Final = "UPDATE runs SET inputs = ?, outputs = ?, error = ? WHERE key = ?"
_SET_LOG: Final = "UPDATE run_log SET events = ? WHERE run = ? AND position = ?"
_SET_ARCHIVE: Final = "UPDATE run_archive SET events = ? WHERE run = ?"
# Like a run that was open when its block was indexed: its text is added to the index, which only proposes.
_REINDEX: Final = """
INSERT OR IGNORE INTO keyword_left_out (run, large) SELECT ?1, 0 FROM keyword_index WHERE ?1 < 4 * next_block
"""


def replace_marks(connection: sqlite3.Connection) -> None:
    """Rewrite the rows of a database that contain marks, within the caller's transaction.

    Covers runs of apps that have, or had, a version with secrets, and of deleted apps, whose secrets are unknown: marks
    there become masks.
    """
    for app, app_id in connection.execute(_APPS).fetchall():
        versions = {row[0].lower(): _Version(row[1]) for row in connection.execute(_VERSIONS, (app_id,))}
        is_gone = connection.execute(_HAS_APP, (app_id,)).fetchone() is None
        if is_gone or any(version.may_have_secrets for version in versions.values()):
            for (run,) in connection.execute(_KEYS, (app,)).fetchall():
                _replace_in_run(connection, run, versions)


class _Version:
    def __init__(self, source: bytes) -> None:
        try:
            self._source = zlib.decompress(source)
        except zlib.error:
            self._source = b""
        # UTF-16 has zeros between the letters.
        self.may_have_secrets = b"secret" in self._source.replace(b"\0", b"")

    @cached_property
    def unmarked(self) -> "Unmarked":
        document = load(self._source, source="", runnable=frozenset()).document if self.may_have_secrets else None
        return Unmarked(
            {
                variable.name: variable.value
                for variable in (() if document is None else document.environment)
                if variable.value_type == "secret"
            }
        )


def _replace_in_run(connection: sqlite3.Connection, run: int, versions: Mapping[str, _Version]) -> None:
    workflow, inputs, outputs, error = old = connection.execute(_RUN, (run,)).fetchone()

    def unmarked() -> Unmarked:
        version = versions.get(workflow.lower())
        return Unmarked({}) if version is None else version.unmarked

    def values(found: Json) -> Json:
        return unmarked().value(found, masked=False)

    def events(found: Json) -> Json:
        return [unmarked().event(event) for event in found]

    new = (
        workflow,
        _rewritten(inputs, values, read=json.loads, write=json.dumps),
        _rewritten(outputs, values),
        error and _rewritten(error, lambda text: unmarked().text(text, masked=True), read=str, write=str),
    )
    if new != old:
        connection.execute(_SET_RUN, (*new[1:], run))
        connection.execute(_REINDEX, (run,))
    for position, piece in connection.execute(_LOG, (run,)).fetchall():
        replaced = _rewritten(piece, events)
        if replaced is not piece:
            connection.execute(_SET_LOG, (replaced, run, position))
    for (archived,) in connection.execute(_ARCHIVE, (run,)).fetchall():
        with suppress(DamagedLog):
            log = decompress(archived)
            replaced = _rewritten(log, events)
            if replaced is not log:
                connection.execute(_SET_ARCHIVE, (compress(replaced), run))


def _rewritten(
    data: _Data,
    replace: Callable[[Json], Json],
    *,
    read: Callable[[_Data], Json] = msgspec.json.decode,
    write: Callable[[Json], Any] = msgspec.json.encode,
) -> _Data:
    """Return data without marks; the same object if there are none, or if it is damaged, which shows on reading."""
    encoded = data if isinstance(data, bytes) else data.encode()
    if OPEN.encode() not in encoded and b"ue000" not in encoded:
        return data
    try:
        found = read(data)
        replaced = replace(found)
    except (msgspec.MsgspecError, ValueError, TypeError, AttributeError, RecursionError):
        return data
    return data if replaced == found else write(replaced)
