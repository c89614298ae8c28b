"""Secret marks in old logs, up to version 6 of the database and in exported runs of format 1.

The value of a secret environment variable was replaced in all texts of a run by a mark: U+E000, the variable's name and
the form of the value, U+E001, the value's mask, U+E002. This module replaces marks by what a log would contain now: the
mask in recorded configuration and errors, and the secret itself everywhere else.

It describes logs of that time, and does not follow later changes of the format.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote, quote_plus

from jikko.values import Json

OPEN, _MIDDLE, _CLOSE = "\ue000", "\ue001", "\ue002"
_ENDS: Final = re.compile(f"([{OPEN}{_CLOSE}])")
_ESCAPED: Final = re.compile(r"(\\{1,4})ue000(?:(?!\1ue000).)*?\1ue002", re.DOTALL)
"""A mark in JSON nested in a text."""
_MASK: Final = re.compile(r"\*{20}|.+\*{12}.{2}", re.DOTALL)
"""The mask within a mark. Its beginning may have been replaced."""
_MIN_SECRET_LENGTH: Final = 4
"""Minimum characters of a secret that had marks."""
_RECORDED: Final = frozenset({"inputs", "process_data", "error"})
"""Event fields rendered from the configuration."""
_DATA: Final = frozenset({"start", "human-input", "iteration"})
"""Node types whose inputs come from a client or a human, or are iterated items."""
_ERRORS: Final = frozenset({"error_message", "__error"})
"""Outputs of failed nodes that repeat the error."""


def without_marks(events: Json) -> Json:
    """Replace marks by masks in the JSON events of a run whose workflow is unavailable."""
    return [Unmarked({}).event(event) for event in events]


class Unmarked:
    """Replaces the marks in texts."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._known = {
            name + suffix: (form, _mask(value))
            for name, value in secrets.items()
            if len(value) >= _MIN_SECRET_LENGTH
            for suffix, form in _forms(value).items()
        }
        """Secrets and masks, by the text in front of the mask."""

    def event(self, event: dict[str, Json]) -> dict[str, Json]:
        return dict(self._fields(event))

    def _fields(self, event: dict[str, Json]) -> Iterator[tuple[str, Json]]:
        is_data = event.get("event") == "run_started" or event.get("node_type") in _DATA
        for name, value in event.items():
            if name == "outputs" and event.get("error") is not None and isinstance(value, dict):
                yield name, {key: self.value(each, masked=key in _ERRORS) for key, each in value.items()}
            else:
                yield name, self.value(value, masked=name in _RECORDED and not (is_data and name == "inputs"))

    def value(self, value: Json, *, masked: bool) -> Json:
        """Replace the marks in a value by masks, or by the secrets themselves."""
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
        """Replace the marks in a text. Anything else is unchanged."""
        before = ""
        while "ue000" in text and text != before:
            # Repeatedly, innermost first.
            before = text
            text = _ESCAPED.sub(lambda found: self._escaped(found, masked=masked), text)
        if OPEN not in text:
            return text
        # Marks are nested if a secret occurs in the name or the mask of another.
        levels: list[list[str]] = [[]]
        for piece in _ENDS.split(text):
            if piece == OPEN:
                levels.append([])
            elif piece == _CLOSE and len(levels) > 1:
                inner = "".join(levels.pop())
                name, _, shown = inner.partition(_MIDDLE)
                replaced = self._stands_for(name, shown, masked=masked and len(levels) == 1)
                levels[-1].append(OPEN + inner + _CLOSE if replaced is None else replaced)
            else:
                levels[-1].append(piece)
        return OPEN.join(map("".join, levels))

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
        """Return the replacement of a mark; ``None`` if it is not one."""
        form, mask = self._known.get(name, (None, None))
        if form is not None and shown == mask:
            return mask if masked else form
        return shown if _MASK.fullmatch(shown) else None


def _forms(value: str) -> dict[str, str]:
    """Return a secret in the forms that nodes wrote into URLs, forms and JSON, by the suffix of its name."""
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
