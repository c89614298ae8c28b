"""The migration to version 7 of the schema, which replaces the marks that stood for secrets in logs.

What they become is in ``jikko/secret_marks.py``. Only rows that hold marks are written.

This is part of a migration: it knows versions 1 to 6, and is not to follow what logs become later.
"""

import json
import sqlite3
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any, Final, TypeVar

import msgspec

from jikko.dsl.load import load
from jikko.secret_marks import OPEN, Unmarked
from jikko.store.event_codec import DamagedLog, compress, decompress
from jikko.values import Json

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
# As a run that was open when its block was indexed: its text is added to the index, which only ever proposes.
_INDEX_AGAIN: Final = """
INSERT OR IGNORE INTO keyword_left_out (run, large) SELECT ?1, 0 FROM keyword_index WHERE ?1 < 4 * next_block
"""


def replace_marks(connection: sqlite3.Connection) -> None:
    """Rewrite the rows of a database that hold marks, within the transaction of the caller.

    Looks at the runs of apps that have, or had, a version with secrets, and of apps that were deleted, whose secrets
    are not known: there, marks become masks.
    """
    for app, app_id in connection.execute(_APPS).fetchall():
        versions = {row[0].lower(): _Version(row[1]) for row in connection.execute(_VERSIONS, (app_id,))}
        is_gone = connection.execute(_HAS_APP, (app_id,)).fetchone() is None
        if is_gone or any(version.may_have_secrets for version in versions.values()):
            for (run,) in connection.execute(_KEYS, (app,)).fetchall():
                _replace_in_run(connection, run, versions)


class _Version:
    """A version of a workflow."""

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
        connection.execute(_INDEX_AGAIN, (run,))
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
    """Data without marks; the same object if there are none, or if it is damaged, which is found when it is read."""
    encoded = data if isinstance(data, bytes) else data.encode()
    if OPEN.encode() not in encoded and b"ue000" not in encoded:
        return data
    try:
        found = read(data)
        replaced = replace(found)
    except (msgspec.MsgspecError, ValueError, TypeError, AttributeError, RecursionError):
        return data
    made: _Data = data if replaced == found else write(replaced)
    return made
