"""Messages of a turn's stream, field by field. Source: docs/dify-behaviour.md, “Messages of a chat stream”."""

from typing import Any, Literal

from msgspec import Struct

from jikko.dify import stream_messages
from jikko.ports.stores.messages import AnnotationReply, MessageMetadata
from jikko.values import Json, Seconds, Selector, Uuid


class ChatMessage(Struct):
    """A message about the run that answers."""

    event: str
    conversation_id: str
    message_id: str
    created_at: int
    """When the end user asked."""
    task_id: str
    workflow_run_id: str
    data: Any


class _OfMessage(Struct):
    """What messages about the text of an answer begin with."""

    conversation_id: str
    message_id: str
    created_at: int
    task_id: str


class ReasoningMessage(_OfMessage, tag_field="event", tag="reasoning_chunk"):
    """A piece of what a model thought."""

    data: "Reasoning"


class Reasoning(Struct):
    """A piece of what a model thought: its data."""

    message_id: str
    reasoning: str
    node_id: str
    is_final: bool


class AnswerChunk(_OfMessage, tag_field="event", tag="message"):
    """A piece of the answer."""

    id: str
    answer: str
    from_variable_selector: Selector


class TextReplacedMessage(_OfMessage, tag_field="event", tag="message_replace"):
    """All that was shown of the answer is replaced by this."""

    answer: str
    reason: str


class SpokenMessage(Struct):
    """A piece of the answer's audio; ``tts_message_end`` has none."""

    event: str
    conversation_id: str
    message_id: str
    created_at: int
    task_id: str
    audio: str
    """MP3, in base64."""


class MessageFileEvent(_OfMessage, tag_field="event", tag="message_file"):
    """A file that a node made is in the answer."""

    id: str
    type: str
    belongs_to: str
    url: str


class Account(Struct):
    """Who wrote an annotation."""

    id: str
    name: str


class AnsweredByAnnotation(Struct):
    """The annotation that answered."""

    id: str
    account: Account


class AnswerMetadata(Struct):
    """What comes with an answer beside its text."""

    annotation_reply: AnsweredByAnnotation | None
    retriever_resources: list[dict[str, Json]]
    usage: dict[str, Json] | None
    reasoning: dict[str, str]


class MessageEnd(_OfMessage, tag_field="event", tag="message_end"):
    """The answer is whole."""

    id: str
    metadata: AnswerMetadata
    files: list[Json]


class _Turn(Struct, tag_field="event"):
    task_id: Uuid
    id: Uuid
    message_id: Uuid
    conversation_id: Uuid
    mode: Literal["advanced-chat"]
    answer: str
    metadata: AnswerMetadata
    created_at: Seconds


class ChatAnswer(_Turn, tag="message"):
    """The answer to a question, in one piece."""


class PausedTurn(Struct):
    """How a turn stands that waits for forms."""

    id: Uuid
    mode: Literal["advanced-chat"]
    conversation_id: Uuid
    message_id: Uuid
    workflow_run_id: Uuid
    answer: str
    metadata: AnswerMetadata
    created_at: Seconds
    paused_nodes: list[str]
    reasons: list[stream_messages.PauseReason]
    status: str
    elapsed_time: float
    total_tokens: int
    total_steps: int


class ChatPaused(_Turn, tag="workflow_paused"):
    """The answer so far, of a turn that waits for forms."""

    workflow_run_id: Uuid
    data: PausedTurn


class ChatAccepted(Struct):
    """A question was accepted, and is being answered."""

    task_id: Uuid
    workflow_run_id: Uuid
    conversation_id: Uuid
    message_id: Uuid
    created_at: Seconds


def answer_metadata(metadata: MessageMetadata) -> AnswerMetadata:
    """The metadata of an answer, as Dify has them."""
    reply = metadata.annotation_reply
    return AnswerMetadata(
        annotation_reply=None if reply is None else _annotation(reply),
        retriever_resources=metadata.retriever_resources,
        usage=metadata.usage,
        reasoning=metadata.reasoning,
    )


def _annotation(reply: AnnotationReply) -> AnsweredByAnnotation:
    return AnsweredByAnnotation(reply.id, Account(reply.id, reply.account_name))
