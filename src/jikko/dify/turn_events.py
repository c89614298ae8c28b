"""Stream messages of a chat turn, and their encoding from its run's events.
Source: docs/dify-behaviour.md, “Messages of a chat stream”."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from msgspec import UNSET, Struct, UnsetType

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
from jikko.ports.stores.messages import Message, MessageMetadata
from jikko.record import RunIdentity, RunRecord
from jikko.runs.turn_fold import TurnFold
from jikko.values import Json, Seconds, Selector, Uuid

if TYPE_CHECKING:
    from jikko.dify.app_events import AppEvents

A = TypeVar("A", bound=Struct)


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


class AppAnswer(Struct, kw_only=True):
    """Complete answer of an app without a workflow."""

    event: str = "message"
    task_id: str
    id: str
    message_id: str
    conversation_id: str | UnsetType
    mode: str
    answer: str
    metadata: AnswerMetadata
    created_at: int


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


def _answer_metadata(metadata: MessageMetadata) -> AnswerMetadata:
    reply = metadata.annotation_reply
    shown = None if reply is None else AnsweredByAnnotation(reply.id, Account(reply.id, reply.account_name))
    return AnswerMetadata(shown, metadata.retriever_resources, metadata.usage, metadata.reasoning)


_WHOLE = ("succeeded", "partial-succeeded")
"""Run statuses with a complete answer."""


class AnsweredMessage:
    """The answered message, which all its stream messages begin with."""

    def __init__(self, mode: str, conversation_id: str, message_id: str, created_at: float, task_id: str) -> None:
        """``created_at``: When the question came."""
        self.mode = mode
        self.id = message_id
        named = {} if mode == "completion" else {"conversation_id": conversation_id}
        self.fields = {**named, "message_id": message_id, "created_at": int(created_at), "task_id": task_id}

    @classmethod
    def of_run(cls, record: RunRecord, fold: TurnFold) -> "AnsweredMessage":
        turn = fold.turn
        return cls(turn.mode, turn.conversation_id, turn.message_id, record.created_at, record.identity.task_id)

    @classmethod
    def of_message(cls, message: Message, mode: str, task_id: str) -> "AnsweredMessage":
        return cls(mode, message.conversation_id, message.id, message.created_at, task_id)

    def event(self, name: str, **own: Json) -> dict[str, Json]:
        """Make a stream message: the common fields, and its own."""
        return {"event": name, **self.fields, **own}

    def piece(self, text: str, selector: Selector | None) -> dict[str, Json]:
        """Make a chunk of the answer."""
        return self.event("message", id=self.id, answer=text, from_variable_selector=selector)

    def end(self, metadata: MessageMetadata, files: list[Json] | None) -> dict[str, Json]:
        """Make the end of a complete answer."""
        return self.event("message_end", id=self.id, metadata=_answer_metadata(metadata), files=files)

    def answer(self, kind: Callable[..., A], text: str, metadata: MessageMetadata, **more: Any) -> A:
        """Make a blocking answer. ``more``: Fields that only its kind has."""
        fields = {"conversation_id": UNSET, **self.fields, **more}
        return kind(id=self.id, mode=self.mode, answer=text, metadata=_answer_metadata(metadata), **fields)


class MessageEvents:
    """Base of the encoders of turns."""

    def __init__(self, identity: RunIdentity, began: RunStarted) -> None:
        assert began.turn is not None
        turn = began.turn
        self._identity = identity
        self.fold = TurnFold(began, turn, is_retry=identity.retry_of is not None)
        self.answered = AnsweredMessage(turn.mode, turn.conversation_id, turn.message_id, began.at, identity.task_id)
        self._files = 0
        """Files of the answer shown so far."""

    def note(self, event: Event) -> None:
        """Fold an event without showing it."""
        self.fold.apply(event)
        self._files = len(self.fold.files)

    def replaced(self) -> dict[str, Json]:
        """Return the answer so far, for a client that joins late."""
        return self._replaced(self.fold.text)

    def _replaced(self, text: str, reason: str = "") -> dict[str, Json]:
        return self.answered.event("message_replace", answer=text, reason=reason)

    def spoken(self, audio: str) -> dict[str, Json]:
        """Return a chunk of the answer's audio, MP3 in base64; an empty one marks its end."""
        return self.answered.event("tts_message" if audio else "tts_message_end", audio=audio)


class TurnEvents(MessageEvents):
    """Stream messages of one turn, in order."""

    def run_message(self, name: str, data: MessageData) -> dict[str, Json]:
        """Make a message about the turn's run."""
        return {"event": name, **self.answered.fields, "workflow_run_id": self._identity.run_id, "data": data}

    def piece(self, event: TextChunk) -> dict[str, Json]:
        return self.answered.piece(event.text, event.selector)

    def of(self, record: RunRecord, event: Event) -> list[dict[str, Json]]:
        """Fold the next event, and return its messages."""
        self.fold.apply(event)
        match event:
            case TextChunk():
                return [self.piece(event)]
            case TextReplaced():
                return [self._replaced(event.text, event.reason)]
            case ReasoningChunk() if not event.said:
                data = {"reasoning": event.text, "node_id": event.node_id, "is_final": event.final}
                return [self.answered.event("reasoning_chunk", data={"message_id": self.answered.id, **data})]
        message = event_message(record, event)
        if message is None:
            return []
        messages = [self.run_message(message.event, message.data)]
        if isinstance(event, NodeFinished):
            messages += self._new_files()
        elif isinstance(event, RunFinished) and event.status in _WHOLE:
            messages.insert(0, self.answered.end(self.fold.metadata(), self.fold.files))
        return messages

    def _new_files(self) -> list[dict[str, Json]]:
        """Return new files made by nodes. The end user's files, and remote ones, are known to the client."""
        new, self._files = self.fold.files[self._files :], len(self.fold.files)
        made = [file for file in new if file.get("transfer_method") == "tool_file"]
        return [
            self.answered.event(
                "message_file",
                id=str(file.get("related_id") or ""),
                type=file["type"],
                belongs_to="assistant",
                url=file["url"],
            )
            for file in made
        ]


def events_of(identity: RunIdentity, began: RunStarted) -> "TurnEvents | AppEvents":
    """Return the encoder of a run's turn, by the type of its app."""
    assert began.turn is not None
    if began.turn.mode not in BASIC_MODES:
        return TurnEvents(identity, began)
    # Rarely needed: few apps have no workflow.
    from jikko.dify.app_events import AppEvents

    return AppEvents(identity, began)


def answer_body(record: RunRecord, fold: TurnFold) -> Struct:
    """Make the blocking answer of a succeeded or stopped run."""
    return AnsweredMessage.of_run(record, fold).answer(_kind(fold.turn.mode), fold.text, fold.metadata())


def replied_body(message: Message, mode: str, task_id: str) -> Struct:
    """Make the answer to a question without a run."""
    answered, answer = AnsweredMessage.of_message(message, mode, task_id), message.answer
    return answered.answer(_kind(mode), answer.text, answer.metadata)


def _kind(mode: str) -> type[Struct]:
    return AppAnswer if mode in BASIC_MODES else ChatAnswer


def replied_messages(message: Message, mode: str, task_id: str) -> list[dict[str, Json]]:
    """Make the stream of a question without a run."""
    answered, answer = AnsweredMessage.of_message(message, mode, task_id), message.answer
    return [answered.piece(answer.text, ()), answered.end(answer.metadata, [])]


def paused_turn_body(record: RunRecord, fold: TurnFold, forms: list[FormRequested]) -> ChatPaused:
    """Make the blocking answer of a paused run."""
    metadata, run_id = fold.metadata(is_whole=False), record.identity.run_id
    status, elapsed, tokens, steps, at = totals(record)
    data = PausedTurn(
        fold.turn.message_id,
        "advanced-chat",
        fold.turn.conversation_id,
        fold.turn.message_id,
        run_id,
        fold.text,
        _answer_metadata(metadata),
        at,
        [form.node_id for form in forms],
        [pause_reason(form) for form in forms],
        status,
        elapsed,
        tokens,
        steps,
    )
    answered = AnsweredMessage.of_run(record, fold)
    return answered.answer(ChatPaused, fold.text, metadata, workflow_run_id=run_id, data=data)
