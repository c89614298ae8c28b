"""What addresses of the console ask for behind the ``?``, and in their paths."""

import base64
import binascii
import math
import struct
from collections.abc import Mapping
from typing import Final, cast, get_args

from jikko.errors import InvalidParam, NotFound
from jikko.events import RunStatus
from jikko.http.console.gate import Call
from jikko.http.operation import Schema
from jikko.ids import is_uuid
from jikko.ports.stores.run_pages import Place, RunFilter

_PLACE: Final = struct.Struct(">dq")
_STATUSES: Final = get_args(RunStatus)
_TEXT: Final[Schema] = {"type": "string"}
_NUMBER: Final[Schema] = {"type": "number", "minimum": 0}
MAX_ENTRIES: Final = 200
"""Entries of one page."""
PAGE_QUERY: Final = (
    ("cursor", _TEXT, "As `next` of the page before told it."),
    ("limit", {"type": "integer", "minimum": 1, "maximum": MAX_ENTRIES}, "Default 50."),
)
FILTER_QUERY: Final = (
    ("app", _TEXT, "The id of an app."),
    ("status", _TEXT, "Statuses, separated by commas."),
    ("user", _TEXT, "The user of the requests, exactly."),
    ("keyword", _TEXT, "A part of inputs, outputs or user, of which the first 30 characters count; or a run id."),
    ("after", _NUMBER, "Created then or later: seconds since the Unix epoch."),
    ("before", _NUMBER, "Created then or earlier."),
    ("min_elapsed", _NUMBER, "Seconds that it took at least."),
    ("version", _TEXT, "The id of a version (workflow_id)."),
    ("conversation", _TEXT, "The id of a conversation."),
)


def filter_of(query: Mapping[str, str]) -> RunFilter:
    """Which runs are asked for. What is empty counts as not given.

    Raises:
        InvalidParam: A value is none.
    """
    statuses = tuple(dict.fromkeys(part for part in query.get("status", "").split(",") if part))
    if wrong := [status for status in statuses if status not in _STATUSES]:
        raise InvalidParam(f"status: {wrong[0]!r} is none of {', '.join(_STATUSES)}.")
    return RunFilter(
        app_id=(query.get("app") or "").lower() or None,
        statuses=cast(tuple[RunStatus, ...], statuses),
        user=query.get("user") or None,
        keyword=query.get("keyword") or None,
        after=number_in(query, "after"),
        before=number_in(query, "before"),
        min_elapsed=number_in(query, "min_elapsed"),
        workflow_id=query.get("version") or None,
        conversation_id=query.get("conversation") or None,
    )


def number_in(query: Mapping[str, str], name: str) -> float | None:
    """A number from 0 on; ``None`` if it is not given.

    Raises:
        InvalidParam: It is none.
    """
    text = query.get(name)
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < 1e15:
        raise InvalidParam(f"{name}: {text[:40]!r} is no number from 0 up.")
    return number


def whole_in(query: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """A whole number.

    Raises:
        InvalidParam: It is none, or out of its range.
    """
    text = query.get(name)
    if not text:
        return default
    number = (
        int(text) if text.removeprefix("-").isascii() and text.removeprefix("-").isdigit() and len(text) < 19 else None
    )
    if number is None or not least <= number <= most:
        raise InvalidParam(f"{name}: {text[:40]!r} is no whole number from {least} to {most}.")
    return number


def limit_in(query: Mapping[str, str]) -> int:
    """How many entries a page may have.

    Raises:
        InvalidParam: See ``whole_in``.
    """
    return whole_in(query, "limit", 50, 1, MAX_ENTRIES)


def place_in(query: Mapping[str, str]) -> Place | None:
    """Where the page begins; ``None``: with the newest.

    Raises:
        InvalidParam: The cursor is none of ours.
    """
    text = query.get("cursor")
    if not text:
        return None
    try:
        created_at, key = _PLACE.unpack(base64.b64decode(text, b"-_", validate=True))
    except (ValueError, binascii.Error, struct.error):
        raise InvalidParam("cursor: is none that this server has told.") from None
    return Place(created_at, key)


def cursor_of(place: Place | None) -> str | None:
    """A place, as clients hand it back."""
    return None if place is None else base64.urlsafe_b64encode(_PLACE.pack(place.created_at, place.key)).decode()


def id_in(call: Call, name: str, what: str) -> str:
    """An id in the path, in lower case.

    Raises:
        NotFound: It is none.
    """
    text = call.request.path_params[name]
    if not is_uuid(text):
        raise NotFound(f"There is no {what} {text[:100]!r}.")
    return text.lower()
