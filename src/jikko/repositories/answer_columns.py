"""The answer to a message between its object and the columns ``status, answer, error, details``."""

from typing import Final

import msgspec

from jikko.ports.stores.messages import MessageAnswer
from jikko.values import Json, encode_json

STATUSES: Final = ("normal", "error", "paused")
"""What the numbers in ``messages.status`` mean."""

_ANSWER: Final = msgspec.json.Decoder(MessageAnswer)


def details_of(answer: MessageAnswer) -> str:
    """All but status, text and error, as JSON; empty for none."""
    rest = msgspec.structs.replace(answer, status="normal", text="", error=None)
    details = encode_json(rest).decode()
    return "" if details == "{}" else details


def answer_of(status: int, text: str, error: str | None, details: str) -> MessageAnswer:
    """The answer with these columns."""
    rest = _ANSWER.decode(details) if details else MessageAnswer()
    return msgspec.structs.replace(rest, status=STATUSES[status], text=text, error=error)


def json_text(value: Json) -> str:
    """JSON as it is stored."""
    return encode_json(value).decode()


def file_ids(files: list[Json]) -> set[str]:
    """The ids of uploaded files among file mappings, in lower case."""
    found: set[str] = set()
    for file in files:
        related = file.get("related_id") if isinstance(file, dict) else None
        if isinstance(related, str) and related:
            found.add(related.lower())
    return found
