"""What version 7 of the schema does away with: the marks that stood for secrets in logs.

Up to version 6, a secret environment variable was searched for in all texts of a run, and the log had a mark in its
place: U+E000, the name of the variable and the form of the value, U+E001, the mask of the value, U+E002. Here marks
become what would be in the log if it were written now: the mask in what is recorded of a node's configuration and in
errors, and the secret itself everywhere else. Only rows that hold marks are written.

This is part of a migration: it knows versions 1 to 6, and is not to follow what logs become later.
"""

import json
import re
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any, Final, TypeVar
from urllib.parse import quote, quote_plus

import msgspec

from jikko.dsl.load import load
from jikko.store.sqlite.runs.event_codec import DamagedLog, compress, decompress
from jikko.values import Json

_Data = TypeVar("_Data", bytes, str)

_OPEN, _MIDDLE, _CLOSE = "\ue000", "\ue001", "\ue002"
_ENDS: Final = re.compile(f"([{_OPEN}{_CLOSE}])")
_ESCAPED: Final = re.compile(r"(\\{1,4})ue000(?:(?!\1ue000).)*?\1ue002", re.DOTALL)
"""A mark in JSON that stands in a text."""
_MASK: Final = re.compile(r"\*{20}|.+\*{12}.{2}", re.DOTALL)
"""What stands in a mark as the mask. Its beginning may have been replaced."""
_SHORTEST: Final = 4
"""Characters of a secret for which there were marks."""
_RECORDED: Final = frozenset({"inputs", "process_data", "error"})
"""The fields of events that are rendered from the configuration."""
_DATA: Final = frozenset({"start", "human-input", "iteration"})
"""Node types whose inputs are what a client or a human sent, or what is gone over."""
_ERRORS: Final = frozenset({"error_message", "__error"})
"""Outputs of failed nodes that tell the error again."""

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


def without_marks(events: Json) -> Json:
    """Events, as JSON, of a run whose workflow is not at hand: marks become masks."""
    return [_Unmarked({}).event(event) for event in events]


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
    def unmarked(self) -> "_Unmarked":
        document = load(self._source, source="", runnable=frozenset()).document if self.may_have_secrets else None
        return _Unmarked(
            {
                variable.name: variable.value
                for variable in (() if document is None else document.environment)
                if variable.value_type == "secret"
            }
        )


def _replace_in_run(connection: sqlite3.Connection, run: int, versions: Mapping[str, _Version]) -> None:
    workflow, inputs, outputs, error = old = connection.execute(_RUN, (run,)).fetchone()

    def unmarked() -> _Unmarked:
        version = versions.get(workflow.lower())
        return _Unmarked({}) if version is None else version.unmarked

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
    """Data without marks; the same object if there are none, or if it is damaged, which is told when it is read."""
    encoded = data if isinstance(data, bytes) else data.encode()
    if _OPEN.encode() not in encoded and b"ue000" not in encoded:
        return data
    try:
        found = read(data)
        replaced = replace(found)
    except (msgspec.MsgspecError, ValueError, TypeError, AttributeError, RecursionError):
        return data
    made: _Data = data if replaced == found else write(replaced)
    return made


class _Unmarked:
    """Texts without marks."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._known = {
            name + suffix: (form, _mask(value))
            for name, value in secrets.items()
            if len(value) >= _SHORTEST
            for suffix, form in _forms(value).items()
        }
        """What marks stand for, and the mask in them, by what is said in front of it."""

    def event(self, event: dict[str, Json]) -> dict[str, Json]:
        """An event as JSON."""
        return dict(self._fields(event))

    def _fields(self, event: dict[str, Json]) -> Iterator[tuple[str, Json]]:
        is_data = event.get("event") == "run_started" or event.get("node_type") in _DATA
        for name, value in event.items():
            if name == "outputs" and event.get("error") is not None and isinstance(value, dict):
                yield name, {key: self.value(each, masked=key in _ERRORS) for key, each in value.items()}
            else:
                yield name, self.value(value, masked=name in _RECORDED and not (is_data and name == "inputs"))

    def value(self, value: Json, *, masked: bool) -> Json:
        """A value with masks, or the secrets themselves, in place of marks."""
        match value:
            case str():
                return self.text(value, masked=masked)
            case list():
                return [self.value(item, masked=masked) for item in value]
            case dict():
                return {self.text(key, masked=False): self.value(item, masked=masked) for key, item in value.items()}
            case _:
                return value

    def text(self, text: str, *, masked: bool) -> str:
        """A text, likewise. What is no mark is left as it is."""
        before = ""
        while "ue000" in text and text != before:
            # Again and again, from the innermost outwards.
            before = text
            text = _ESCAPED.sub(lambda found: self._escaped(found, masked=masked), text)
        if _OPEN not in text:
            return text
        # Marks stand within marks where a secret occurs in the name or in the mask of another one.
        levels: list[list[str]] = [[]]
        for piece in _ENDS.split(text):
            if piece == _OPEN:
                levels.append([])
            elif piece == _CLOSE and len(levels) > 1:
                inner = "".join(levels.pop())
                name, _, shown = inner.partition(_MIDDLE)
                replaced = self._stands_for(name, shown, masked=masked and len(levels) == 1)
                levels[-1].append(_OPEN + inner + _CLOSE if replaced is None else replaced)
            else:
                levels[-1].append(piece)
        return _OPEN.join(map("".join, levels))

    def _escaped(self, found: re.Match[str], *, masked: bool) -> str:
        try:
            value: str = json.loads(f'"{found[0]}"')
        except ValueError:
            return found[0]
        ahead = found.string[: found.start()]
        is_inner = ahead.count("ue000") > ahead.count("ue002")
        replaced = self.text(value, masked=masked and not is_inner)
        return found[0] if replaced == value else json.dumps(replaced)[1:-1]

    def _stands_for(self, name: str, shown: str, *, masked: bool) -> str | None:
        """What stands in the place of a mark; ``None`` if it is none."""
        form, mask = self._known.get(name, (None, None))
        if form is not None and shown == mask:
            return mask if masked else form
        return shown if _MASK.fullmatch(shown) else None


def _forms(value: str) -> dict[str, str]:
    """A secret as it is, and as nodes wrote it into URLs, forms and JSON, by what was added to its name."""
    return {
        "": value,
        ":form": quote_plus(value),
        ":path": quote(value),
        ":url": quote(value, safe=""),
        ":json": json.dumps(value)[1:-1],
        ":json-utf8": json.dumps(value, ensure_ascii=False)[1:-1],
    }


def _mask(value: str) -> str:
    return "*" * 20 if len(value) <= 8 else f"{value[:6]}{'*' * 12}{value[-2:]}"
