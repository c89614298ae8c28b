"""Stream messages of a chat turn, and their encoding from its run's events.
Source: docs/dify-behaviour.md, “Messages of a chat stream”."""

from typing import TYPE_CHECKING, Literal

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


def _envelope(conversation_id: str, message_id: str, created_at: float, task_id: str) -> dict[str, Json]:
    """Return the common fields of all stream messages: the answered message, and the time of the question."""
    return {
        "conversation_id": conversation_id,
        "message_id": message_id,
        "created_at": int(created_at),
        "task_id": task_id,
    }


def _end(place: dict[str, Json], metadata: MessageMetadata, files: list[Json]) -> dict[str, Json]:
    """Make the end of a complete answer."""
    own = {"id": place["message_id"], "metadata": answer_metadata(metadata), "files": files}
    return {"event": "message_end", **place, **own}


def _piece(place: dict[str, Json], text: str, selector: Selector) -> dict[str, Json]:
    """Make a chunk of the answer."""
    return {
        "event": "message",
        **place,
        "id": place["message_id"],
        "answer": text,
        "from_variable_selector": selector,
    }


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
        self._place = _envelope(turn.conversation_id, turn.message_id, began.at, identity.task_id)

    def run_message(self, name: str, data: MessageData) -> dict[str, Json]:
        """Make a message about the turn's run."""
        return {"event": name, **self._place, "workflow_run_id": self._identity.run_id, "data": data}

    def replaced(self) -> dict[str, Json]:
        """Return the answer so far, for a client that joins late."""
        return self._replaced(self.fold.text, "")

    def spoken(self, audio: str) -> dict[str, Json]:
        """Return a chunk of the answer's audio, MP3 in base64; an empty one marks its end."""
        return {"event": "tts_message" if audio else "tts_message_end", **self._place, "audio": audio}

    def piece(self, event: TextChunk) -> dict[str, Json]:
        return _piece(self._place, event.text, event.selector)

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
                data = {"message_id": self._place["message_id"], **data}
                return [{"event": "reasoning_chunk", **self._place, "data": data}]
        message = event_message(record, event)
        if message is None:
            return []
        messages = [self.run_message(message.event, message.data)]
        if isinstance(event, NodeFinished):
            messages += self._new_files()
        elif isinstance(event, RunFinished) and event.status in _WHOLE:
            messages.insert(0, _end(self._place, self.fold.metadata(), self.fold.files))
        return messages

    def _replaced(self, text: str, reason: str) -> dict[str, Json]:
        return {"event": "message_replace", **self._place, "answer": text, "reason": reason}

    def _new_files(self) -> list[dict[str, Json]]:
        """Return new files made by nodes. The end user's files, and remote ones, are known to the client."""
        new, self._files = self.fold.files[self._files :], len(self.fold.files)
        made = [file for file in new if file.get("transfer_method") == "tool_file"]
        return [
            {
                "event": "message_file",
                **self._place,
                "id": str(file.get("related_id") or ""),
                "type": file["type"],
                "belongs_to": "assistant",
                "url": file["url"],
            }
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


def answer_body(record: RunRecord, fold: TurnFold) -> ChatAnswer:
    """Make the blocking answer of a succeeded or stopped run."""
    turn, task_id = fold.turn, record.identity.task_id
    return _answer(turn.conversation_id, turn.message_id, record.created_at, task_id, fold.text, fold.metadata())


def replied_body(message: Message, task_id: str) -> ChatAnswer:
    """Make the answer to a question without a run."""
    answer = message.answer
    return _answer(message.conversation_id, message.id, message.created_at, task_id, answer.text, answer.metadata)


def _answer(
    conversation_id: str, message_id: str, at: float, task_id: str, text: str, metadata: MessageMetadata
) -> ChatAnswer:
    told = answer_metadata(metadata)
    return ChatAnswer(task_id, message_id, message_id, conversation_id, "advanced-chat", text, told, int(at))


def replied_messages(message: Message, task_id: str) -> list[dict[str, Json]]:
    """Make the stream of a question without a run."""
    place = _envelope(message.conversation_id, message.id, message.created_at, task_id)
    return [_piece(place, message.answer.text, ()), _end(place, message.answer.metadata, [])]


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
