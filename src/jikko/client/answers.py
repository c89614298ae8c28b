"""Results for clients: runs, answers of chats, and events."""

import json
from collections.abc import Mapping
from typing import Any, Self

from msgspec import Struct

from jikko.errors import JikkoError


class ServiceError(JikkoError):
    """A server refused a client's request, or did not answer."""

    def __init__(self, message: str, status: int, code: str = "failed") -> None:
        """Args:
        status: HTTP status; 0 if there was no answer.
        code: The server's error code; or ``no_server``: no answer; ``not_service``: a server without this API;
            ``not_jikko``: a server other than Jikko.
        """
        self.status = status
        self.code = code
        super().__init__(message)

    @property
    def is_passing(self) -> bool:
        """Whether a retry may succeed."""
        return self.status in (0, 408, 429, 502, 503, 504) and self.code != "not_service"


class RunUnsuccessful(JikkoError):
    """A run did not succeed, and its caller required it."""

    code = "run_unsuccessful"

    def __init__(self, run_id: str, run_status: str, error: str) -> None:
        self.run_id = run_id
        self.run_status = run_status
        super().__init__(f"run {run_id} {run_status}" + (f": {error}" if error else ""))


class RunEvent(Struct, frozen=True):
    """Event of a run."""

    kind: str
    """``node_finished``, ``text_chunk``, …; names of log events are in docs/event-log.md, those of other streams are
    Dify's."""
    data: Mapping[str, Any]
    """The event's fields, as sent."""
    id: int | None = None
    """Position in the run's log, from 0; ``None`` in streams that cannot be resumed."""


class FlowRun(Struct, frozen=True, kw_only=True):
    """A run that has ended, paused, or been accepted."""

    id: str
    status: str
    """``running``, ``succeeded``, ``partial-succeeded``, ``failed``, ``stopped`` or ``paused``."""
    outputs: Mapping[str, Any] = {}
    error: str = ""
    answer: str | None = None
    """Answer of a chat."""
    tokens: int = 0
    steps: int = 0
    """Number of node executions."""
    seconds: float = 0.0
    path: tuple[str, ...] = ()
    """Titles of the nodes in starting order; only for runs in this process."""
    events: tuple[RunEvent, ...] = ()
    """The log; only for runs in this process."""

    @property
    def succeeded(self) -> bool:
        """Whether it succeeded, at least partially."""
        return self.status in ("succeeded", "partial-succeeded")

    def checked(self) -> Self:
        """Return the run itself. Raises ``RunUnsuccessful`` if it did not succeed."""
        if not self.succeeded:
            raise RunUnsuccessful(self.id, self.status, self.error)
        return self


class ChatReply(Struct, frozen=True, kw_only=True):
    """Answer of a chat app."""

    answer: str
    conversation_id: str
    """To be sent with the next question."""
    message_id: str
    run_id: str = ""
    """For apps without a workflow, the id of the task."""
    metadata: Mapping[str, Any] = {}
    """``usage``, ``retriever_resources``."""


def run_of(body: Mapping[str, Any]) -> FlowRun:
    """Parse a run: the answer to its start, or its detail."""
    data = body.get("data")
    found: Mapping[str, Any] = data if isinstance(data, Mapping) else body
    outputs = found.get("outputs")
    if isinstance(outputs, str):
        # A string in Dify's run detail.
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
    """Parse the answer of a chat."""
    return ChatReply(
        answer=str(body.get("answer") or ""),
        conversation_id=str(body.get("conversation_id") or ""),
        message_id=str(body.get("message_id") or ""),
        run_id=str(body.get("workflow_run_id") or body.get("task_id") or ""),
        metadata=body.get("metadata") or {},
    )
