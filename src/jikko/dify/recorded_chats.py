"""Import of conversations and messages from another server's Service API.

The inverse of ``conversation_bodies``. Source: docs/dify-behaviour.md, “Conversations and messages”.
"""

import ast
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import asdict

from jikko.ids import is_uuid, new_id
from jikko.ports.stores.messages import (
    Conversation,
    ConversationVariable,
    Feedback,
    Message,
    MessageAnswer,
    MessageMetadata,
    Thought,
)
from jikko.values import Json

Moment = Annotated[float, Meta(ge=0, lt=1e11)]
"""Seconds since the Unix epoch."""
Id = Annotated[str, Meta(pattern="^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\\Z")]
_SIGNATURE: Final = r"\?[^\s()<>\"'`]*"
_NUMBERS: Final = ("number", "integer", "float")
_NO_RESOURCE: Final = ("id", "message_id", "created_at")
"""Fields of a citation in lists that are not stored."""


class ConversationOwner(Struct, frozen=True):
    """Owner of imported conversations."""

    app_id: str
    end_user_id: str
    user: str


def _given(there: Struct) -> dict[str, Any]:
    """Return the fields that the other server sets."""
    return {name: value for name, value in asdict(there).items() if value is not None}


class ThereConversation(Struct):
    """Conversation in an end user's list."""

    id: Id
    created_at: Moment
    name: str | None = None
    inputs: dict[str, Json] | None = None
    introduction: str | None = None

    def here(self, owner: ConversationOwner) -> Conversation:
        own = {"id": self.id.lower(), "updated_at": self.created_at}
        return Conversation(**{"name": "", **_given(self), **asdict(owner), **own})


class ThereFile(Struct):
    """File of a message."""

    url: str | None = None
    filename: str | None = None
    type: str = ""
    mime_type: str | None = None
    transfer_method: str = ""
    belongs_to: Literal["user", "assistant"] | None = None

    @property
    def place(self) -> str:
        """URL without its signature, which changes each time."""
        return (self.url or "").partition("?")[0]

    @property
    def name(self) -> str:
        return (self.filename or self.place.rpartition("/")[2] or self.type or "file").replace("/", "_")[-255:]

    @property
    def is_asked(self) -> bool:
        """Whether it came with the question."""
        return self.belongs_to != "assistant"


class _Thought(Struct):
    """Round of an agent."""

    id: Id
    position: int = 1
    created_at: Moment = 0.0
    thought: str | None = None
    tool: str | None = None
    tool_labels: dict[str, Json] | None = None
    tool_input: str | None = None
    observation: str | None = None

    def here(self) -> Thought:
        return Thought(**_given(self))


class _Rating(Struct):
    rating: Literal["like", "dislike"] | None = None


class ThereMessage(Struct):
    """Message in its conversation's list."""

    id: Id
    created_at: Moment
    query: str | None = None
    answer: str | None = None
    inputs: dict[str, Json] | None = None
    feedback: _Rating | None = None
    retriever_resources: list[dict[str, Json]] | None = None
    agent_thoughts: list[_Thought] | None = None
    message_files: list[ThereFile] | None = None
    status: str | None = None
    error: str | None = None
    extra_contents: list[Json] | None = None

    @property
    def is_unanswered(self) -> bool:
        """Whether it has no answer or error yet."""
        return not self.answer and not self.error and self.status in (None, "normal")

    def here(self, owner: ConversationOwner, conversation_id: str, files: Sequence[tuple[ThereFile, Any]]) -> Message:
        """Convert the message, which has no run here. ``files``: Files with their mappings, to which links in the
        answer are redirected."""
        answer = self.answer or ""
        for there, mapping in files:
            answer = re.sub(re.escape(there.place) + _SIGNATURE, lambda _, url=mapping["url"]: url, answer)  # type: ignore[misc]
        resources = [
            {name: each for name, each in resource.items() if name not in _NO_RESOURCE}
            for resource in self.retriever_resources or ()
        ]
        return Message(
            id=self.id.lower(),
            conversation_id=conversation_id,
            app_id=owner.app_id,
            end_user_id=owner.end_user_id,
            run_id=None,
            query=self.query or "",
            inputs=self.inputs or {},
            files=[mapping for there, mapping in files if there.is_asked],
            created_at=self.created_at,
            answer=MessageAnswer(
                status="error" if self.status == "error" else "normal",
                text=answer,
                error=self.error,
                files=[mapping for there, mapping in files if not there.is_asked],
                metadata=MessageMetadata(retriever_resources=resources),
                thoughts=sorted((each.here() for each in self.agent_thoughts or ()), key=lambda each: each.position),
            ),
        )


class ThereFeedback(Struct):
    message_id: Id
    conversation_id: str
    rating: Literal["like", "dislike"] | None = None
    id: str = ""
    content: str | None = None
    from_source: str = "user"
    created_at: str | Moment = 0.0
    updated_at: str | Moment = 0.0

    def here(self, owner: ConversationOwner) -> Feedback:
        assert self.rating is not None
        return Feedback(
            id=self.id.lower() if is_uuid(self.id) else new_id(),
            message_id=self.message_id.lower(),
            conversation_id=self.conversation_id.lower(),
            app_id=owner.app_id,
            end_user_id=owner.end_user_id,
            rating=self.rating,
            content=self.content,
            created_at=_seconds(self.created_at),
            updated_at=_seconds(self.updated_at),
        )


def _seconds(moment: str | Moment) -> float:
    """Parse a time, which Dify writes here in UTC without a zone. Anything else is the epoch."""
    if not isinstance(moment, str):
        return moment
    try:
        return datetime.fromisoformat(moment.removesuffix("Z")).replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return 0.0


class ThereVariable(Struct):
    id: Id
    name: str
    value_type: str
    value: Any = None
    description: str | None = None
    created_at: Moment = 0.0
    updated_at: Moment = 0.0

    def here(self) -> ConversationVariable:
        """Convert the variable. Raises ``ValueError``: the value does not have its type."""
        own = {"id": self.id.lower(), "value": value_of(self.value, self.value_type)}
        return ConversationVariable(**{**_given(self), **own})


def value_of(value: Json, value_type: str) -> Json:
    """Parse a variable's value, which Dify sends as text: in JSON, or in Python's notation.
    Raises ``ValueError``: wrong type."""
    if not isinstance(value, str) or value_type in ("string", "secret"):
        return value
    if value_type == "boolean" and value.lower() in ("true", "false"):
        return value.lower() == "true"
    try:
        found: Json = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            found = ast.literal_eval(value)
            if json.loads(json.dumps(found, allow_nan=False)) != found:
                raise ValueError("not representable in JSON, such as keys other than text")
        except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
            raise ValueError(str(error) or type(error).__name__) from None
    if value_type in _NUMBERS and (isinstance(found, bool) or not isinstance(found, int | float)):
        raise ValueError(f"{value[:40]!r} is not a number")
    return found
