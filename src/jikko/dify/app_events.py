"""Dify's stream messages for apps without a workflow.

Their clients do not know runs or nodes: they get the text, the agent's thoughts, and the end.

Source: docs/dify-behaviour.md, “Messages of apps without a workflow”.
"""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import UNSET, Struct, UnsetType

from jikko.dify.turn_events import AnswerMetadata, MessageEvents, answer_metadata
from jikko.errors import JikkoError
from jikko.events import AgentLogged, Event, RunFinished, RunStarted, TextChunk, TextReplaced
from jikko.ports.stores.messages import Message, MessageMetadata, Thought
from jikko.record import RunIdentity, RunRecord
from jikko.runs.turn_fold import TurnFold, file_id
from jikko.values import Json

_HIDDEN: Final = "completion"
"""Mode of apps whose messages do not name a conversation."""
_OF_MODELS: Final = (
    "InvokeRateLimitError",
    "InvokeConnectionError",
    "InvokeServerUnavailableError",
    "InvokeAuthorizationError",
    "InvokeBadRequestError",
)


class AppAnswer(Struct, kw_only=True):
    """Complete answer."""

    event: str = "message"
    task_id: str
    id: str
    message_id: str
    conversation_id: str | UnsetType
    mode: str
    answer: str
    metadata: AnswerMetadata
    created_at: int


class _Head(Struct, frozen=True):
    """Identity of the answered message."""

    mode: str
    conversation_id: str
    message_id: str
    created_at: int
    task_id: str

    def of(self, event: str, **own: Json) -> dict[str, Json]:
        """Make a stream message: the common fields, and its own."""
        return {
            "event": event,
            **({} if self.mode == _HIDDEN else {"conversation_id": self.conversation_id}),
            "message_id": self.message_id,
            "created_at": self.created_at,
            **({} if event == "error" else {"task_id": self.task_id}),
            **own,
        }

    def failed(self, kind: str, error: str) -> dict[str, Json]:
        """Make the last message of a failed answer. ``kind``: See ``failure_of``."""
        code, status = failure_of(kind)
        return self.of("error", code=code, status=status, message=error)

    def ended(self, metadata: MessageMetadata, asked: list[Json], made: list[Json]) -> dict[str, Json]:
        """Make the end of a complete answer, with the files of question and answer."""
        files = ended_files(self.message_id, asked, made)
        return self.of("message_end", id=self.message_id, metadata=answer_metadata(metadata), files=files)

    def piece(self, text: str) -> dict[str, Json]:
        """Make a chunk of a model's answer, or a whole answer without a model."""
        return self.of("message", id=self.message_id, answer=text, from_variable_selector=None)

    def answer(self, text: str, metadata: MessageMetadata) -> AppAnswer:
        return AppAnswer(
            task_id=self.task_id,
            id=self.message_id,
            message_id=self.message_id,
            conversation_id=UNSET if self.mode == _HIDDEN else self.conversation_id,
            mode=self.mode,
            answer=text,
            metadata=answer_metadata(metadata),
            created_at=self.created_at,
        )


def _head_of(message: Message, mode: str, task_id: str) -> _Head:
    return _Head(mode, message.conversation_id, message.id, int(message.created_at), task_id)


class AppEvents(MessageEvents):
    """Stream messages of one turn, in order. See ``TurnEvents``."""

    def __init__(self, identity: RunIdentity, began: RunStarted) -> None:
        super().__init__(identity, began)
        turn = self.fold.turn
        self._head = _Head(turn.mode, turn.conversation_id, turn.message_id, int(began.at), identity.task_id)
        self._is_agent = turn.mode == "agent-chat"

    def replaced(self) -> dict[str, Json]:
        """Return the answer so far, for a client that joins late."""
        return self._replaced(self.fold.text)

    def broken(self, error: JikkoError) -> dict[str, Json]:
        """Return an error that ends the stream but not the run."""
        return self._head.of("error", code=error.code, status=error.status, message=str(error))

    def spoken(self, audio: str) -> dict[str, Json]:
        """Return a chunk of the answer's audio, in base64; an empty one marks its end."""
        return self._head.of("tts_message" if audio else "tts_message_end", audio=audio)

    def of(self, record: RunRecord, event: Event) -> list[dict[str, Json]]:
        """Fold the next event, and return its messages."""
        self.fold.apply(event)
        head = self._head
        match event:
            case TextChunk(text=text) if self._is_agent:
                return [head.of("agent_message", id=head.message_id, answer=text)]
            case TextChunk(text=text):
                return [head.piece(text)]
            case TextReplaced(text=text):
                return [self._replaced(text)]
            case AgentLogged() if self._is_agent:
                return self._thought(event)
            case RunFinished(status="failed"):
                return [head.failed(self.fold.failed_by, event.error or "")]
            case RunFinished():
                return [head.ended(self.fold.metadata(), self.fold.asked_files, self.fold.files)]
            case _:
                return []

    def _replaced(self, text: str) -> dict[str, Json]:
        return self._head.of("message_replace", answer=text, reason="")

    def _thought(self, event: AgentLogged) -> list[dict[str, Json]]:
        thought = self.fold.thoughts.get(event.entry_id)
        if thought is None:
            return []
        head, message_id = self._head, self._head.message_id
        new, first = self.fold.files[self._files :], self._files
        self._files = len(self.fold.files)
        if event.data.get("is_told") is False:
            return []
        files = [
            head.of(
                "message_file",
                id=file_id(message_id, "assistant", first + position),
                type=str(file.get("type")),
                url=str(file.get("url")),
                belongs_to="assistant",
            )
            for position, file in enumerate(new)
        ]
        shown = thought_fields(message_id, thought, self.fold.files)
        shown["message_files"] = shown.pop("files")
        return [*files, head.of("agent_thought", id=thought.id, **shown)]


def ended_messages(record: RunRecord, log: Sequence[Event], fresh: Callable[[Json], Json]) -> list[Json]:
    """Return the end of a finished turn for a late client: the whole answer and the end, or the error.
    ``log``: Complete. ``fresh``: Renews file URLs in a value."""
    *before, end = log
    began = log[0]
    assert isinstance(began, RunStarted)
    answer = AppEvents(record.identity, began)
    for event in before:
        answer.note(event)
    for files in (answer.fold.asked_files, answer.fold.files):
        files[:] = [fresh(file) for file in files]
    last = answer.of(record, end)
    return last if any(message["event"] == "error" for message in last) else [answer.replaced(), *last]


def failure_of(kind: str) -> tuple[str, int]:
    """Return an error's code and status, by the failed node's ``error_type``."""
    if kind in _OF_MODELS:
        return "completion_request_error", 400
    if kind == "ModelNotExistError":
        return "provider_not_initialize", 400
    if kind:
        return "invalid_param", 400
    return "internal_server_error", 500


def thought_fields(message_id: str, thought: Thought, files: list[Json]) -> dict[str, Json]:
    """Return the fields of an agent's round. ``files``: All files of the answer."""
    own = [each.get("related_id") for each in thought.files]
    return {
        "position": thought.position,
        "thought": thought.thought,
        "observation": thought.observation,
        "tool": thought.tool,
        "tool_labels": thought.tool_labels,
        "tool_input": thought.tool_input,
        "files": [
            file_id(message_id, "assistant", position)
            for position, file in enumerate(files)
            if file.get("related_id") in own
        ],
    }


def ended_files(message_id: str, asked: list[Json], made: list[Json]) -> list[dict[str, Json]] | None:
    """Return a message's files for its end; ``None`` without files."""
    sent = [_ended(file_id(message_id, "user", at), file) for at, file in enumerate(asked)]
    return [
        *sent,
        *(_ended(file_id(message_id, "assistant", at), file, is_made=True) for at, file in enumerate(made)),
    ] or None


def _ended(own_id: str, file: Json, *, is_made: bool = False) -> dict[str, Json]:
    is_elsewhere = file.get("transfer_method") == "remote_url"
    is_bare = is_made or is_elsewhere
    return {
        "related_id": own_id,
        "extension": "" if is_elsewhere else file.get("extension"),
        "filename": f"{file.get('related_id')}{file.get('extension') or ''}" if is_made else file.get("filename"),
        "size": 0 if is_bare else file.get("size"),
        "mime_type": "application/octet-stream" if is_bare else file.get("mime_type"),
        "transfer_method": "tool_file" if is_made else file.get("transfer_method"),
        "type": file.get("type"),
        "url": file.get("url"),
        "upload_file_id": file.get("related_id") or own_id,
        "remote_url": file.get("remote_url") or "",
    }


def app_answer_body(record: RunRecord, fold: TurnFold) -> AppAnswer:
    """Make the blocking answer of a succeeded or stopped run."""
    turn = fold.turn
    head = _Head(turn.mode, turn.conversation_id, turn.message_id, int(record.created_at), record.identity.task_id)
    return head.answer(fold.text, fold.metadata())


def app_replied_body(message: Message, mode: str, task_id: str) -> AppAnswer:
    """Make the answer to a question without a run."""
    return _head_of(message, mode, task_id).answer(message.answer.text, message.answer.metadata)


def app_replied_messages(message: Message, mode: str, task_id: str) -> list[Json]:
    """Make the stream of a question without a run: its text by characters, and the end."""
    head, answer = _head_of(message, mode, task_id), message.answer
    if answer.status == "error":
        return [head.failed("InvalidParam", answer.error or "")]
    return [*map(head.piece, answer.text), head.ended(answer.metadata, message.files, [])]
