"""Conversations, their messages and variables, as they are kept.

Source: docs/dify-behaviour.md, “Conversations and messages”.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct, field

from jikko.events import FormClosed, FormRequested
from jikko.values import Json


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """What one end user and one app say to each other."""

    id: str
    app_id: str
    end_user_id: str
    user: str
    """As the requests name the end user."""
    name: str
    inputs: dict[str, Json] = {}
    """Those of its first turn."""
    introduction: str = ""
    """The opening statement of the app, with these inputs filled in."""
    created_at: float
    """Seconds since the Unix epoch; so everywhere here."""
    updated_at: float
    """When its latest turn began, or its name was changed."""
    turns: int = 0
    """How many messages it was given, those included that are answered just now."""
    title_due: bool = False
    """Whether a model is still to make a name for it."""


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """What the end user thinks of an answer."""

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
    """The annotation that answered a message."""

    id: str
    account_name: str = ""
    """Who wrote it."""


class MessageMetadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What comes with an answer beside its text."""

    usage: dict[str, Json] | None = None
    """All fields of Dify's usage; ``None`` until the answer is whole."""
    annotation_reply: AnnotationReply | None = None
    retriever_resources: list[dict[str, Json]] = []
    """Passages that the answer is based on, in Dify's form."""
    reasoning: dict[str, str] = {}
    """What models thought, by node; of nodes that keep it apart from their text."""


class TurnForm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A form that an answer waited for, or waits for."""

    requested: FormRequested
    closed: FormClosed | None = None


class Thought(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A round of the agent of an app without a workflow."""

    id: str
    position: int
    """Counted from 1."""
    created_at: float
    thought: str = ""
    """What the model said."""
    tool: str = ""
    """The names of the tools that it called, joined by ``;``."""
    tool_labels: dict[str, Json] = {}
    tool_input: str = ""
    """A JSON object by tool; so is ``observation``, what they answered."""
    observation: str = ""
    files: list[Json] = []
    """That the tools made, as file mappings."""


class MessageAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part of a message that becomes known while it is answered. It is written whole."""

    status: Literal["normal", "error", "paused"] = "normal"
    """``normal`` also while it is being answered, and if that was stopped."""
    text: str = ""
    """Empty while it is being answered, and if that failed."""
    error: str | None = None
    files: list[Json] = []
    """Files in the answer, as file mappings."""
    metadata: MessageMetadata = MessageMetadata()
    forms: list[TurnForm] = []
    thoughts: list[Thought] = []
    """In the order of their positions."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One turn: what the end user said, and the answer."""

    id: str
    conversation_id: str
    app_id: str
    end_user_id: str
    run_id: str | None
    """The run that answers it; ``None`` if none did: an annotation, say."""
    query: str
    inputs: dict[str, Json] = {}
    files: list[Json] = []
    """Those that came with it, as file mappings."""
    created_at: float
    answer: MessageAnswer = MessageAnswer()
    feedback: Feedback | None = None


class ConversationVariable(msgspec.Struct, frozen=True, kw_only=True):
    """A variable of one conversation."""

    id: str
    """That of the variable in the workflow: the same in all conversations."""
    name: str
    value_type: str
    """As the workflow declares it: ``string``, ``number``, ``array[object]``, …"""
    value: Json
    description: str = ""
    created_at: float
    updated_at: float


Order: TypeAlias = Literal["created_at", "-created_at", "updated_at", "-updated_at"]
"""``-``: the newest first."""


class ConversationQuery(Struct, frozen=True, kw_only=True):
    """Which conversations of an end user to list."""

    app_id: str
    end_user_id: str
    order: Order = "-updated_at"
    """Those of one moment come in the order in which they were made."""
    after: str | None = None
    """Begin behind this one."""
    limit: int = 20


class Opened(Struct, frozen=True):
    """A conversation as a turn finds it."""

    conversation: Conversation
    variables: Sequence[ConversationVariable] = field(default=())
