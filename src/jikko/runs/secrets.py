"""Keeps secret environment variables out of whatever leaves the process.

In the log of a run, a secret stands as a mark that names it: the log can so be read by anybody, and a run can still go
on from it. Where events and records are shown, marks become asterisks.

Source: Dify 1.15, spec/variables.md §7 (the form of the asterisks); design.md §6.
"""

import json
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, quote_plus

import msgspec

from jikko.events import Event
from jikko.runs.run_log import RunLog
from jikko.values import Json, encode_json

_SHORTEST: Final = 4
"""Characters of a text that is worth hiding; shorter ones stand in every other word."""
_OPEN, _MIDDLE, _CLOSE = "\ue000", "\ue001", "\ue002"
"""From the private use area. Where they stand in the data of an app with secrets, they are taken out."""
_MARK: Final = re.compile(f"{_OPEN}([^{_OPEN}{_CLOSE}]*){_MIDDLE}([^{_OPEN}{_CLOSE}]*){_CLOSE}")
_MARK_BYTES: Final = re.compile(_MARK.pattern.encode())
_MARK_ESCAPED: Final = re.compile(rb"\\\\?ue000([^\\]*)\\\\?ue001(\**[^\\]*)\\\\?ue002")
_OPEN_BYTES: Final = _OPEN.encode()
_OPEN_ESCAPED: Final = b"ue000"
_MARKERS: Final = str.maketrans("", "", _OPEN + _MIDDLE + _CLOSE)


class Secrets:
    """The secrets of one version of a workflow."""

    def __init__(self, values: Mapping[str, str]) -> None:
        """Args:
        values: By name of the variable. Those that are too short to be hidden are not.
        """
        self._values: dict[str, str] = {}
        """What marks stand for, by the name in them: of a secret, or of a secret and a form of it."""
        marks: dict[str, str] = {}
        for name, value in values.items():
            if len(value) >= _SHORTEST:
                for suffix, form in _forms(value).items():
                    self._values[name + suffix] = form
                    marks.setdefault(form, f"{_OPEN}{name}{suffix}{_MIDDLE}{mask(value)}{_CLOSE}")
        self._marks = sorted(marks.items(), key=lambda entry: -len(entry[0]))
        self._encoded = [msgspec.json.encode(value)[1:-1] for value, _ in self._marks]

    def __bool__(self) -> bool:
        return bool(self._marks)

    def hide(self, event: Event) -> Event:
        """The event with marks in place of secrets; the event itself if there are none in it."""
        encoded = encode_json(event)
        if not any(value in encoded for value in self._encoded) and _OPEN_BYTES not in encoded:
            return event
        hidden: Event = msgspec.convert(self._hidden(msgspec.to_builtins(event)), Event)
        return hidden

    def reveal(self, event: Event) -> Event:
        """The event with secrets in place of marks, for the engine."""
        if _OPEN_BYTES not in encode_json(event):
            return event
        shown: Event = msgspec.convert(self._revealed(msgspec.to_builtins(event)), Event)
        return shown

    def _hidden(self, value: Json) -> Json:
        match value:
            case str():
                value = value.translate(_MARKERS)
                for secret, mark in self._marks:
                    value = value.replace(secret, mark)
                return value
            case list() | tuple():
                return [self._hidden(item) for item in value]
            case dict():
                return {self._hidden(key): self._hidden(item) for key, item in value.items()}
            case _:
                return value

    def _revealed(self, value: Json) -> Json:
        match value:
            case str():
                return _MARK.sub(lambda found: self._values.get(found[1], found[2]), value)
            case list() | tuple():
                return [self._revealed(item) for item in value]
            case dict():
                return {self._revealed(key): self._revealed(item) for key, item in value.items()}
            case _:
                return value


def _forms(value: str) -> dict[str, str]:
    """A secret as it is and as nodes write it into URLs, forms and JSON, by what is added to its name in a mark."""
    return {
        "": value,
        ":form": quote_plus(value),
        ":path": quote(value),
        ":url": quote(value, safe=""),
        ":json": json.dumps(value)[1:-1],
        ":json-utf8": json.dumps(value, ensure_ascii=False)[1:-1],
    }


class HidingJournal:
    """A ``Journal`` in front of that of a run: what passes has no secrets in it any more."""

    def __init__(self, journal: RunLog, secrets: Secrets) -> None:
        self._journal = journal
        self._secrets = secrets

    def append(self, events: list[Event]) -> None:
        # Looked through as they are taken: if that fails, it is the run that fails.
        self._journal.append(map(self._secrets.hide, events))

    async def settled(self) -> None:
        await self._journal.settled()


def mask(value: str) -> str:
    """What is shown of a secret. Source: Dify 1.15, spec/variables.md §7."""
    if not value:
        return ""
    return "*" * 20 if len(value) <= 8 else f"{value[:6]}{'*' * 12}{value[-2:]}"


def masked(data: bytes) -> bytes:
    """JSON in UTF-8 with asterisks in place of marks."""
    if _OPEN_BYTES in data:
        data = _MARK_BYTES.sub(rb"\2", data)
    if _OPEN_ESCAPED in data:
        data = _MARK_ESCAPED.sub(rb"\2", data)
    return data
