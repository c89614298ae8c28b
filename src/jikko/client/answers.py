"""Answers that clients get: runs, answers of chats, and events."""

import json
from collections.abc import Mapping
from typing import Any, Self

from msgspec import Struct

from jikko.errors import JikkoError


class ServiceError(JikkoError):
    """A server that a client asked refused, or did not answer."""

    def __init__(self, message: str, status: int, code: str = "failed") -> None:
        """Args:
        status: Of HTTP; 0 if there was no answer.
        code: The server's word for it; ``no_server``: none answers; ``not_service``: it answers, and has no such API;
            ``not_jikko``: it is not Jikko's.
        """
        self.status = status
        self.code = code
        super().__init__(message)

    @property
    def is_passing(self) -> bool:
        """Whether the same request may be answered later."""
        return self.status in (0, 408, 429, 502, 503, 504) and self.code != "not_service"


class RunUnsuccessful(JikkoError):
    """A run ended otherwise than well, and its caller counts on it."""

    code = "run_unsuccessful"

    def __init__(self, run_id: str, run_status: str, error: str) -> None:
        self.run_id = run_id
        self.run_status = run_status
        super().__init__(f"run {run_id} {run_status}" + (f": {error}" if error else ""))


class RunEvent(Struct, frozen=True):
    """Something that happens in a run."""

    kind: str
    """``node_finished``, ``text_chunk``, …; the names of a log are in docs/event-log.md, those of other streams are
    Dify's."""
    data: Mapping[str, Any]
    """The event as its source has it."""
    id: int | None = None
    """Its position in the log of the run, from 0; ``None`` in streams that cannot be resumed."""


class FlowRun(Struct, frozen=True, kw_only=True):
    """A run as it ended, paused, or was accepted."""

    id: str
    status: str
    """``running``, ``succeeded``, ``partial-succeeded``, ``failed``, ``stopped`` or ``paused``."""
    outputs: Mapping[str, Any] = {}
    error: str = ""
    answer: str | None = None
    """Of a chat."""
    tokens: int = 0
    steps: int = 0
    """Executions of nodes."""
    seconds: float = 0.0
    path: tuple[str, ...] = ()
    """Titles of the nodes in the order in which they started; of runs in this process."""
    events: tuple[RunEvent, ...] = ()
    """The log; of runs in this process."""

    @property
    def succeeded(self) -> bool:
        """Whether it ended well, or so in part."""
        return self.status in ("succeeded", "partial-succeeded")

    def checked(self) -> Self:
        """The run itself. Raises ``RunUnsuccessful``: it has not succeeded."""
        if not self.succeeded:
            raise RunUnsuccessful(self.id, self.status, self.error)
        return self


class ChatReply(Struct, frozen=True, kw_only=True):
    """An answer of a chat app."""

    answer: str
    conversation_id: str
    """For the next question."""
    message_id: str
    run_id: str = ""
    """The id of the task, of an app without a workflow."""
    metadata: Mapping[str, Any] = {}
    """``usage``, ``retriever_resources``."""


def run_of(body: Mapping[str, Any]) -> FlowRun:
    """A run, of the answer to its start, or of its details."""
    data = body.get("data")
    found: Mapping[str, Any] = data if isinstance(data, Mapping) else body
    outputs = found.get("outputs")
    if isinstance(outputs, str):
        # Dify's details have them as text.
        outputs = json.loads(outputs or "{}")
    return FlowRun(
        id=str(body.get("workflow_run_id") or found.get("id") or ""),
        status=str(found.get("status") or ""),
        outputs=outputs or {},
        error=str(found.get("error") or ""),
        tokens=int(found.get("total_tokens") or 0),
        steps=int(found.get("total_steps") or 0),
        seconds=float(found.get("elapsed_time") or 0.0),
    )


def reply_of(body: Mapping[str, Any]) -> ChatReply:
    """An answer, of the body that has it."""
    return ChatReply(
        answer=str(body.get("answer") or ""),
        conversation_id=str(body.get("conversation_id") or ""),
        message_id=str(body.get("message_id") or ""),
        run_id=str(body.get("workflow_run_id") or body.get("task_id") or ""),
        metadata=body.get("metadata") or {},
    )
