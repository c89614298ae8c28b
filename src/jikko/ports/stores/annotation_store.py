"""Stored annotations: questions with their answers."""

from typing import Literal, NamedTuple, TypeAlias

import msgspec

JobStatus: TypeAlias = Literal["waiting", "processing", "completed", "error"]


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    app_id: str
    question: str
    answer: str
    hits: int = 0
    """Number of replies from it."""
    created_at: float
    """Seconds since the Unix epoch, like all times here."""


class ReplySetting(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of an app's annotation replies."""

    threshold: float
    """Minimum similarity of a question to that of an annotation: 1 for the same, 0 for an unrelated one."""
    provider: str
    model: str
    """Embedding model for questions."""


class ReplyState(NamedTuple):
    """Current state of an app's annotation replies."""

    setting: ReplySetting
    version: int
    """Changes with the annotations, their vectors and the setting."""


class ReplyJob(msgspec.Struct, frozen=True, kw_only=True):
    """A request to switch annotation replies on or off."""

    id: str
    app_id: str
    setting: ReplySetting | None
    """``None``: off."""
    status: JobStatus = "waiting"
    error: str = ""
    created_at: float


class Unindexed(NamedTuple):
    """Annotations of an app without a vector."""

    app_id: str
    setting: ReplySetting
    annotations: list[Annotation]
