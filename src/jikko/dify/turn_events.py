"""Stream messages of a chat turn, and their encoding from its run's events.
Source: docs/dify-behaviour.md, “Messages of a chat stream”."""

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from msgspec import Struct

from jikko.dify import stream_messages
from jikko.dify.dify_events import MessageData, event_message, pause_reason
from jikko.dify.stream_messages import totals
from jikko.dsl.document import BASIC_MODES
from jikko.events import (
    Event,
    FormRequested,
    NodeFinished,
    ReasoningChunk,
    RunFinished,
    RunStarted,
    TextChunk,
    TextReplaced,
)
from jikko.ports.stores.messages import AnnotationReply, Message, MessageMetadata
from jikko.record import RunIdentity, RunRecord
from jikko.runs.turn_fold import TurnFold
from jikko.values import Json, Seconds, Selector, Uuid

if TYPE_CHECKING:
    from jikko.dify.app_events import AppEvents


class ChatMessage(Struct):
    """Message about the turn's run."""

    event: str
    conversation_id: str
    message_id: str
    created_at: int
    """Time of the question."""
    task_id: str
    workflow_run_id: str
    data: Any


class _OfMessage(Struct):
    """Common fields of messages about the answer's text."""

    conversation_id: str
    message_id: str
    created_at: int
    task_id: str


class ReasoningMessage(_OfMessage, tag_field="event", tag="reasoning_chunk"):
    """Chunk of a model's reasoning."""

    data: "Reasoning"


class Reasoning(Struct):
    """Data of a reasoning chunk."""

    message_id: str
    reasoning: str
    node_id: str
    is_final: bool


class AnswerChunk(_OfMessage, tag_field="event", tag="message"):
    id: str
    answer: str
    from_variable_selector: Selector


class TextReplacedMessage(_OfMessage, tag_field="event", tag="message_replace"):
    """Replacement of the answer shown so far."""

    answer: str
    reason: str


class SpokenMessage(Struct):
    """Chunk of the answer's audio; empty in ``tts_message_end``."""

    event: str
    conversation_id: str
    message_id: str
    created_at: int
    task_id: str
    audio: str
    """MP3 in base64."""


class MessageFileEvent(_OfMessage, tag_field="event", tag="message_file"):
    """File made by a node, in the answer."""

    id: str
    type: str
    belongs_to: str
    url: str


class Account(Struct):
    """Author of an annotation."""

    id: str
    name: str


class AnsweredByAnnotation(Struct):
    """Annotation used as the answer."""

    id: str
    account: Account


class AnswerMetadata(Struct):
    annotation_reply: AnsweredByAnnotation | None
    retriever_resources: list[dict[str, Json]]
    usage: dict[str, Json] | None
    reasoning: dict[str, str]


class MessageEnd(_OfMessage, tag_field="event", tag="message_end"):
    """End of a complete answer."""

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
    """Complete answer to a question."""


class PausedTurn(Struct):
    """State of a turn that waits for forms."""

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
    """Answer so far of a turn that waits for forms."""

    workflow_run_id: Uuid
    data: PausedTurn


class ChatAccepted(Struct):
    """Accepted question."""

    task_id: Uuid
    workflow_run_id: Uuid
    conversation_id: Uuid
    message_id: Uuid
    created_at: Seconds


def answer_metadata(metadata: MessageMetadata) -> AnswerMetadata:
    """Encode an answer's metadata."""
    reply = metadata.annotation_reply
    return AnswerMetadata(
        annotation_reply=None if reply is None else _annotation(reply),
        retriever_resources=metadata.retriever_resources,
        usage=metadata.usage,
        reasoning=metadata.reasoning,
    )


def _annotation(reply: AnnotationReply) -> AnsweredByAnnotation:
    return AnsweredByAnnotation(reply.id, Account(reply.id, reply.account_name))


_WHOLE = ("succeeded", "partial-succeeded")
"""Run statuses with a complete answer."""


class MessageEnvelope(NamedTuple):
    """Common fields of all stream messages: the answered message, and its time."""

    conversation_id: str
    message_id: str
    created_at: int
    task_id: str


class MessageEvents:
    """Base of the encoders of turns."""

    def __init__(self, identity: RunIdentity, began: RunStarted) -> None:
        assert began.turn is not None
        self._identity = identity
        self.fold = TurnFold(began, began.turn, is_retry=identity.retry_of is not None)
        self._files = 0
        """Files of the answer shown so far."""

    def note(self, event: Event) -> None:
        """Fold an event without showing it."""
        self.fold.apply(event)
        self._files = len(self.fold.files)


class TurnEvents(MessageEvents):
    """Stream messages of one turn, in order."""

    def __init__(self, identity: RunIdentity, began: RunStarted) -> None:
        super().__init__(identity, began)
        turn = self.fold.turn
        self._place = MessageEnvelope(turn.conversation_id, turn.message_id, int(began.at), identity.task_id)

    def run_message(self, name: str, data: MessageData) -> ChatMessage:
        return ChatMessage(name, *self._place, self._identity.run_id, data)

    def replaced(self) -> TextReplacedMessage:
        """Return the answer so far, for a client that joins late."""
        return TextReplacedMessage(*self._place, self.fold.text, "")

    def spoken(self, audio: str) -> SpokenMessage:
        """Return a chunk of the answer's audio, in base64; an empty one marks its end."""
        return SpokenMessage("tts_message" if audio else "tts_message_end", *self._place, audio)

    def piece(self, event: TextChunk) -> AnswerChunk:
        return AnswerChunk(*self._place, self._place.message_id, event.text, event.selector)

    def of(self, record: RunRecord, event: Event) -> list[Struct]:
        """Fold the next event, and return its messages."""
        self.fold.apply(event)
        place = self._place
        match event:
            case TextChunk():
                return [self.piece(event)]
            case TextReplaced():
                return [TextReplacedMessage(*place, event.text, event.reason)]
            case ReasoningChunk() if not event.said:
                data = Reasoning(place.message_id, event.text, event.node_id, event.final)
                return [ReasoningMessage(*place, data)]
        message = event_message(record, event)
        if message is None:
            return []
        messages: list[Struct] = [self.run_message(message.event, message.data)]
        if isinstance(event, NodeFinished):
            messages += self._new_files()
        elif isinstance(event, RunFinished) and event.status in _WHOLE:
            messages.insert(0, self._end())
        return messages

    def _end(self) -> MessageEnd:
        metadata = answer_metadata(self.fold.metadata())
        return MessageEnd(*self._place, self._place.message_id, metadata, self.fold.files)

    def _new_files(self) -> list[MessageFileEvent]:
        """Return new files made by nodes. The end user's files, and remote ones, are known to the client."""
        new, self._files = self.fold.files[self._files :], len(self.fold.files)
        return [
            MessageFileEvent(*self._place, str(file.get("related_id") or ""), file["type"], "assistant", file["url"])
            for file in new
            if file.get("transfer_method") == "tool_file"
        ]


def events_of(identity: RunIdentity, began: RunStarted) -> "TurnEvents | AppEvents":
    """Return the encoder of a run's turn, by the type of its app."""
    assert began.turn is not None
    if began.turn.mode not in BASIC_MODES:
        return TurnEvents(identity, began)
    # Rarely needed: few apps have no workflow.
    from jikko.dify.app_events import AppEvents

    return AppEvents(identity, began)


def answer_body(record: RunRecord, fold: TurnFold) -> ChatAnswer:
    """Make the blocking answer of a succeeded or stopped run."""
    turn = fold.turn
    place = MessageEnvelope(turn.conversation_id, turn.message_id, int(record.created_at), record.identity.task_id)
    return _answer(place, fold.text, fold.metadata())


def replied_body(message: Message, task_id: str) -> ChatAnswer:
    """Make the answer to a question without a run."""
    place = MessageEnvelope(message.conversation_id, message.id, int(message.created_at), task_id)
    return _answer(place, message.answer.text, message.answer.metadata)


def _answer(place: MessageEnvelope, text: str, metadata: MessageMetadata) -> ChatAnswer:
    conversation_id, message_id, at, task_id = place
    return ChatAnswer(
        task_id, message_id, message_id, conversation_id, "advanced-chat", text, answer_metadata(metadata), at
    )


def replied_messages(message: Message, task_id: str) -> list[Struct]:
    """Make the stream of a question without a run."""
    place = MessageEnvelope(message.conversation_id, message.id, int(message.created_at), task_id)
    metadata = answer_metadata(message.answer.metadata)
    return [AnswerChunk(*place, message.id, message.answer.text, ()), MessageEnd(*place, message.id, metadata, [])]


def paused_turn_body(record: RunRecord, fold: TurnFold, forms: list[FormRequested]) -> ChatPaused:
    """Make the blocking answer of a paused run."""
    turn, at = fold.turn, int(record.created_at)
    metadata = answer_metadata(fold.metadata(is_whole=False))
    status, elapsed, tokens, steps, _ = totals(record)
    data = PausedTurn(
        turn.message_id,
        "advanced-chat",
        turn.conversation_id,
        turn.message_id,
        record.identity.run_id,
        fold.text,
        metadata,
        at,
        [form.node_id for form in forms],
        [pause_reason(form) for form in forms],
        status,
        elapsed,
        tokens,
        steps,
    )
    return ChatPaused(
        record.identity.task_id,
        turn.message_id,
        turn.message_id,
        turn.conversation_id,
        "advanced-chat",
        fold.text,
        metadata,
        at,
        record.identity.run_id,
        data,
    )
