"""Annotations as stored: questions, and the answers to be given to them."""

from typing import Literal, NamedTuple, TypeAlias

import msgspec

JobStatus: TypeAlias = Literal["waiting", "processing", "completed", "error"]


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """A question, and the answer that is to be given to it."""

    id: str
    app_id: str
    question: str
    answer: str
    hits: int = 0
    """How often it has answered."""
    created_at: float
    """Seconds since the Unix epoch; so everywhere here."""


class ReplySetting(msgspec.Struct, frozen=True, kw_only=True):
    """That an app answers by its annotations, and how these are found."""

    threshold: float
    """The least likeness of a question to that of an annotation: 1 for the same, 0 for one about something else."""
    provider: str
    model: str
    """What makes vectors of questions."""


class ReplyState(NamedTuple):
    """How an app answers by its annotations now."""

    setting: ReplySetting
    version: int
    """Another one whenever annotations, their vectors or the setting have changed."""


class ReplyJob(msgspec.Struct, frozen=True, kw_only=True):
    """A request to answer by annotations from now on, or no more."""

    id: str
    app_id: str
    setting: ReplySetting | None
    """``None``: no more."""
    status: JobStatus = "waiting"
    error: str = ""
    created_at: float


class Unindexed(NamedTuple):
    """Annotations of one app without a vector."""

    app_id: str
    setting: ReplySetting
    annotations: list[Annotation]
