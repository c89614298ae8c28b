"""Stored conversations, messages and conversation variables.

Source: docs/dify-behaviour.md, “Conversations and messages”.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct, field

from jikko.events import FormClosed, FormRequested
from jikko.values import Json


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation of one end user with one app."""

    id: str
    app_id: str
    end_user_id: str
    user: str
    """End user, as named in requests."""
    name: str
    inputs: dict[str, Json] = {}
    """Inputs of the first turn."""
    introduction: str = ""
    """Opening statement of the app, with these inputs filled in."""
    created_at: float
    """Seconds since the Unix epoch, like all times here."""
    updated_at: float
    """Start of the latest turn, or time of the latest renaming."""
    turns: int = 0
    """Number of messages, including those being answered."""
    title_due: bool = False
    """True until a model has generated its name."""


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """An end user's rating of an answer."""

    id: str
    message_id: str
    conversation_id: str
    app_id: str
    end_user_id: str
    rating: Literal["like", "dislike"]
    content: str | None = None
    created_at: float
    updated_at: float


class AnnotationReply(msgspec.Struct, frozen=True, kw_only=True):
    """Annotation that answered a message."""

    id: str
    account_name: str = ""


class MessageMetadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    usage: dict[str, Json] | None = None
    """All fields of Dify's usage; ``None`` until the answer is complete."""
    annotation_reply: AnnotationReply | None = None
    retriever_resources: list[dict[str, Json]] = []
    """Passages behind the answer, in Dify's form."""
    reasoning: dict[str, str] = {}
    """Reasoning by node, of nodes that separate it from their text."""


class TurnForm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A form of an answer, open or closed."""

    requested: FormRequested
    closed: FormClosed | None = None


class Thought(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One round of the agent of an app without a workflow."""

    id: str
    position: int
    """From 1."""
    created_at: float
    thought: str = ""
    """Text of the model."""
    tool: str = ""
    """Names of the called tools, joined by ``;``."""
    tool_labels: dict[str, Json] = {}
    tool_input: str = ""
    """JSON object by tool; so is ``observation``, the tools' answers."""
    observation: str = ""
    files: list[Json] = []
    """Files made by the tools, as file mappings."""


class MessageAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part of a message that is filled in by its answer. It is always written as a whole."""

    status: Literal["normal", "error", "paused"] = "normal"
    """``normal`` also while it is being answered, and if that was stopped."""
    text: str = ""
    """Empty while it is being answered, and if that failed."""
    error: str | None = None
    files: list[Json] = []
    """Files of the answer, as file mappings."""
    metadata: MessageMetadata = MessageMetadata()
    forms: list[TurnForm] = []
    thoughts: list[Thought] = []
    """Ordered by position."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One turn: the end user's query and the answer."""

    id: str
    conversation_id: str
    app_id: str
    end_user_id: str
    run_id: str | None
    """Run that answers it; ``None`` for an answer without a run, such as an annotation."""
    query: str
    inputs: dict[str, Json] = {}
    files: list[Json] = []
    """Files of the query, as file mappings."""
    created_at: float
    answer: MessageAnswer = MessageAnswer()
    feedback: Feedback | None = None


class ConversationVariable(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    """Id of the variable in the workflow, the same in all conversations."""
    name: str
    value_type: str
    """Type declared in the workflow: ``string``, ``number``, ``array[object]``, …"""
    value: Json
    description: str = ""
    created_at: float
    updated_at: float


Order: TypeAlias = Literal["created_at", "-created_at", "updated_at", "-updated_at"]
"""``-``: newest first."""


class ConversationQuery(Struct, frozen=True, kw_only=True):
    app_id: str
    end_user_id: str
    order: Order = "-updated_at"
    """Equal times are in order of creation."""
    after: str | None = None
    """Start after this conversation."""
    limit: int = 20


class Opened(Struct, frozen=True):
    """A conversation as seen at the start of a turn."""

    conversation: Conversation
    variables: Sequence[ConversationVariable] = field(default=())
