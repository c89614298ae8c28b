"""Dify's stream messages for apps without a workflow.

Their clients do not know runs or nodes: they get the text, the agent's thoughts, and the end.

Source: docs/dify-behaviour.md, “Messages of apps without a workflow”.
"""

from collections.abc import Callable, Sequence
from typing import Final

from jikko.dify.turn_events import AnsweredMessage, MessageEvents
from jikko.errors import JikkoError
from jikko.events import AgentLogged, Event, RunFinished, RunStarted, TextChunk, TextReplaced
from jikko.ports.stores.messages import Message, Thought
from jikko.record import RunRecord
from jikko.runs.turn_fold import file_id
from jikko.values import Json

_OF_MODELS: Final = (
    "InvokeRateLimitError",
    "InvokeConnectionError",
    "InvokeServerUnavailableError",
    "InvokeAuthorizationError",
    "InvokeBadRequestError",
)


class AppEvents(MessageEvents):
    """Stream messages of one turn, in order. See ``TurnEvents``."""

    def broken(self, error: JikkoError) -> dict[str, Json]:
        """Return an error that ends the stream but not the run."""
        return _error(self.answered, error.code, error.status, str(error))

    def of(self, record: RunRecord, event: Event) -> list[dict[str, Json]]:
        """Fold the next event, and return its messages."""
        self.fold.apply(event)
        answered = self.answered
        is_agent = answered.mode == "agent-chat"
        match event:
            case TextChunk(text=text) if is_agent:
                return [answered.event("agent_message", id=answered.id, answer=text)]
            case TextChunk(text=text):
                return [answered.piece(text, None)]
            case TextReplaced(text=text):
                return [self._replaced(text)]
            case AgentLogged() if is_agent:
                return self._thought(event)
            case RunFinished(status="failed"):
                return [_failed(answered, self.fold.failed_by, event.error or "")]
            case RunFinished():
                files = ended_files(answered.id, self.fold.asked_files, self.fold.files)
                return [answered.end(self.fold.metadata(), files)]
            case _:
                return []

    def _thought(self, event: AgentLogged) -> list[dict[str, Json]]:
        thought = self.fold.thoughts.get(event.entry_id)
        if thought is None:
            return []
        answered, message_id = self.answered, self.answered.id
        new, first = self.fold.files[self._files :], self._files
        self._files = len(self.fold.files)
        if event.data.get("is_told") is False:
            return []
        files = [
            answered.event(
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
        return [*files, answered.event("agent_thought", id=thought.id, **shown)]


def _failed(answered: AnsweredMessage, kind: str, error: str) -> dict[str, Json]:
    """Make the last message of a failed answer. ``kind``: See ``failure_of``."""
    return _error(answered, *failure_of(kind), error)


def _error(answered: AnsweredMessage, code: str, status: int, message: str) -> dict[str, Json]:
    shown = answered.event("error", code=code, status=status, message=message)
    del shown["task_id"]
    return shown


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


def app_replied_messages(message: Message, mode: str, task_id: str) -> list[Json]:
    """Make the stream of a question without a run: its text by characters, and the end."""
    answered, answer = AnsweredMessage.of_message(message, mode, task_id), message.answer
    if answer.status == "error":
        return [_failed(answered, "InvalidParam", answer.error or "")]
    files = ended_files(message.id, message.files, [])
    return [*(answered.piece(piece, None) for piece in answer.text), answered.end(answer.metadata, files)]
