"""Where annotations are kept: questions, and the answers that are to be given to them."""

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

import msgspec

from jikko.ports.embeddings import Vector

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


class AnnotationStore(Protocol):
    """Annotations, their vectors, and whether apps answer by them. Ids may be given in any case.

    An app has vectors of one model, and while a job is under way also some of the next one: what is used changes at
    once, when the job is completed. What an implementation must do is in ``tests/contract/test_annotation_store.py``.
    """

    async def add(self, annotation: Annotation) -> None:
        """Keep an annotation. Durable when it returns."""
        ...

    async def find(self, app_id: str, annotation_id: str) -> Annotation | None:
        """An annotation of an app."""
        ...

    async def change(self, app_id: str, annotation_id: str, question: str, answer: str) -> Annotation | None:
        """Give an annotation another question and answer; with another question it has no vector any more.

        Durable when it returns.

        Returns:
            It, as it is now; ``None``: the app has no such one.
        """
        ...

    async def delete(self, app_id: str, annotation_id: str) -> bool:
        """Remove an annotation. Durable when it returns. Returns whether there was one."""
        ...

    async def page(
        self, app_id: str, *, keyword: str = "", page: int = 1, limit: int = 20
    ) -> tuple[list[Annotation], int]:
        """One page of the annotations of an app, newest first, and how many there are.

        Args:
            keyword: Only those in whose question or answer it stands, in upper or lower case.
            page: Counted from 1.
        """
        ...

    async def hit(self, app_id: str, annotation_id: str) -> None:
        """Count that an annotation has answered."""
        ...

    async def replies(self, app_id: str) -> ReplyState | None:
        """How an app answers by its annotations; ``None``: it does not. Asked for with every turn of a chat."""
        ...

    async def vectors(self, app_id: str) -> list[tuple[str, str, Vector | None]]:
        """Id, question and vector of the annotations of an app that answers by them, oldest first.

        ``None``: it has none yet.
        """
        ...

    async def begin(self, job: ReplyJob) -> ReplyJob:
        """Keep a job. One that ends replies is completed at once. Durable when it returns.

        Returns:
            It; or the one that is under way for the app and wants the same. Others of the app that are under way fail.
        """
        ...

    async def job(self, app_id: str, job_id: str) -> ReplyJob | None:
        """A job of an app. Those that have ended are forgotten a day later, with the next job."""
        ...

    async def open_job(self) -> ReplyJob | None:
        """The oldest job that is under way, of any app; it is ``processing`` from now on."""
        ...

    async def end_job(self, job_id: str, error: str = "") -> None:
        """Complete a job, whose setting holds from now on; or let it fail, which changes nothing else.

        Nothing happens if it is not under way any more.
        """
        ...

    async def unindexed(self, job: ReplyJob, limit: int) -> list[Annotation]:
        """Annotations of the app of a job that have no vector of its model, oldest first."""
        ...

    async def next_unindexed(self, limit: int, *, skip: Collection[str] = ()) -> Unindexed | None:
        """Annotations without a vector, of one app that answers by them.

        Args:
            skip: Apps that are not looked at.
        """
        ...

    async def put_vectors(
        self, app_id: str, setting: ReplySetting, vectors: Sequence[tuple[Annotation, Vector]]
    ) -> None:
        """Keep vectors. Those of annotations that are gone, or have another question now, are dropped.

        Durable when it returns.
        """
        ...
