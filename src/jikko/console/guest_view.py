"""View of a run for guests: without file addresses, and without IDs that lead away from it."""

import re
from typing import Any, Final

from msgspec import Struct

from jikko.values import Json, is_file

_SIGNATURE: Final = re.compile(r"(sign(?:=|%3D|\\u003d))[\w%+/=-]{40,}", re.ASCII | re.IGNORECASE)
"""Signature of a URL, also within JSON or another URL."""
_EMPTY: Final[dict[str, dict[str, Json]]] = {
    "run_started": {"trace": ""},
    "run_retried": {"run_id": ""},
    "system": {"user_id": "", "conversation_id": ""},
    "turn": {"conversation_id": "", "message_id": ""},
}
"""Values of fields that are not shown, by event and by field."""


class GuestView(Struct, frozen=True):
    """View of one run, with less than a viewer sees."""

    ids: tuple[str, ...]
    """IDs to remove from texts."""

    def event(self, plain: dict[str, Any]) -> dict[str, Any]:
        """Return an event's JSON without what guests do not see."""
        shown = {name: self.value(value) for name, value in _without(plain, plain["event"]).items()}
        return {name: _without(value, name) if isinstance(value, dict) else value for name, value in shown.items()}

    def value(self, value: Json) -> Json:
        """Return a value of the run, or ``None`` if it is too deep to be searched."""
        try:
            return self._walk(value)
        except RecursionError:
            return None

    def _walk(self, value: Json) -> Json:
        match value:
            case str():
                return self._text(value)
            case dict():
                found = {self._text(name): self._walk(item) for name, item in value.items()}
                return {**found, "url": "", "remote_url": None} if is_file(value) and value.get("related_id") else found
            case list() | tuple():
                return [self._walk(item) for item in value]
            case _:
                return value

    def _text(self, text: str) -> str:
        for hidden in self.ids:
            text = text.replace(hidden, "")
        return _SIGNATURE.sub(r"\1", text)


def _without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return fields | {field: empty for field, empty in _EMPTY.get(name, {}).items() if field in fields}
