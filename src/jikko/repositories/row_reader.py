"""Readers of rows, whose columns are the same in both databases and in the order of fields unless stated otherwise."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from jikko.ports.stores.messages import Conversation, ConversationVariable, Feedback, Message, MessageAnswer
from jikko.repositories.shared_sql import id_text
from jikko.values import Json, encode_json

STATUSES: Final = ("normal", "error", "paused")
"""Names of the numbers in ``messages.status``."""

ToText: TypeAlias = Callable[[str], str]
_ANSWER: Final = msgspec.json.Decoder(MessageAnswer)


def details_of(answer: MessageAnswer) -> str:
    """Return everything but status, text and error as JSON; empty if there is nothing."""
    rest = msgspec.structs.replace(answer, status="normal", text="", error=None)
    details = encode_json(rest).decode()
    return "" if details == "{}" else details


def answer_of(status: int, text: str, error: str | None, details: str) -> MessageAnswer:
    rest = _ANSWER.decode(details) if details else MessageAnswer()
    return msgspec.structs.replace(rest, status=STATUSES[status], text=text, error=error)


def json_text(value: Json) -> str:
    return encode_json(value).decode()


def answer_columns(answer: MessageAnswer, text: ToText) -> tuple[int, str, str | None, str]:
    """Return ``status, answer, error, details``. ``text``: Makes a text storable."""
    error = None if answer.error is None else text(answer.error)
    return STATUSES.index(answer.status), text(answer.text), error, details_of(answer)


def message_columns(message: Message, text: ToText) -> tuple[Any, ...]:
    """Return ``status, created_at, query, answer, error, inputs, files, details``."""
    status, answer, error, details = answer_columns(message.answer, text)
    files = json_text(message.files) if message.files else ""
    return status, message.created_at, text(message.query), answer, error, json_text(message.inputs), files, details


def conversation_columns(new: Conversation, at: float, text: ToText) -> tuple[Any, ...]:
    """Return ``title_due, created_at, updated_at, name, introduction, inputs``. ``at``: Time of the first turn."""
    texts = text(new.name), text(new.introduction), json_text(new.inputs)
    return new.title_due, new.created_at, max(new.updated_at, at), *texts


def variable_columns(variable: ConversationVariable, text: ToText) -> tuple[Any, ...]:
    """Return ``created_at, updated_at, name, value_type, description, value``."""
    texts = text(variable.name), variable.value_type, text(variable.description), json_text(variable.value)
    return variable.created_at, variable.updated_at, *texts


def file_ids(files: list[Json]) -> set[str]:
    """Return the ids of uploaded files among file mappings, in lower case."""
    found: set[str] = set()
    for file in files:
        related = file.get("related_id") if isinstance(file, dict) else None
        if isinstance(related, str) and related:
            found.add(related.lower())
    return found


Columns: TypeAlias = Sequence[Any]

_decode: Final = msgspec.json.Decoder().decode


def conversation(row: Columns) -> Conversation:
    return Conversation(
        id=id_text(row[0]),
        app_id=id_text(row[1]),
        end_user_id=id_text(row[2]),
        user=row[3],
        name=row[4],
        inputs=_decode(row[5]),
        introduction=row[6],
        created_at=row[7],
        updated_at=row[8],
        turns=row[9],
        title_due=bool(row[10]),
    )


def message(row: Columns) -> Message:
    """Read a message: its 13 columns, including four of its answer, then the first five of its feedback."""
    found = Message(
        id=id_text(row[0]),
        conversation_id=id_text(row[1]),
        app_id=id_text(row[2]),
        end_user_id=id_text(row[3]),
        run_id=None if row[4] is None else id_text(row[4]),
        query=row[5],
        inputs=_decode(row[6]),
        files=_decode(row[7]) if row[7] else [],
        created_at=row[8],
        answer=answer_of(*row[9:13]),
    )
    if row[13] is None:
        return found
    return msgspec.structs.replace(found, feedback=feedback((*row[13:18], *row[:4])))


def feedback(row: Columns) -> Feedback:
    return Feedback(
        id=id_text(row[0]),
        rating="like" if row[1] else "dislike",
        content=row[2],
        created_at=row[3],
        updated_at=row[4],
        message_id=id_text(row[5]),
        conversation_id=id_text(row[6]),
        app_id=id_text(row[7]),
        end_user_id=id_text(row[8]),
    )


def variable(row: Columns) -> ConversationVariable:
    return ConversationVariable(
        id=id_text(row[0]),
        name=row[1],
        value_type=row[2],
        value=_decode(row[3]),
        description=row[4],
        created_at=row[5],
        updated_at=row[6],
    )
