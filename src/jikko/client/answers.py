"""Answers that clients get: runs, answers of chats, and events."""

import json
from collections.abc import Mapping
from typing import Any, Self

from msgspec import Struct

from jikko.client.client_errors import RunUnsuccessful


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
