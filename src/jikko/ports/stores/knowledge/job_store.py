"""Where the work of indexing stands. All of it is written in transactions with what it is about.

A job belongs to one version of its document. What a worker writes is refused once the document has a newer job, is
gone, or the job has another worker: it then stops.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from jikko.ports.stores.knowledge.records import ChildChunk, Document, IndexEntry, Job, Segment


class Task(NamedTuple):
    """A text that is to be embedded or have its keywords found."""

    segment: Segment
    child: ChildChunk | None


class JobStore(Protocol):
    """Keeps jobs. ``tests/contract/knowledge`` says what it must do."""

    async def claim(self, worker: str, now: float, lease: float) -> Job | None:
        """Take the job that is due for the longest, and that no living worker has, for ``lease`` seconds.

        Of several datasets each gets its turn.
        """
        ...

    async def release(self, workers: str, but: str) -> None:
        """Let the jobs of workers whose names begin so, all of which are gone but one, be taken over at once."""
        ...

    async def next_due(self) -> float | None:
        """When the next job is due, or the lease of one runs out."""
        ...

    async def job(self, document_id: str) -> Job | None: ...

    async def renew(self, job: Job, until: float) -> bool:
        """Keep a job for longer. Returns whether it is still this worker's to do; so do all that follow."""
        ...

    async def note(self, job: Job, change: Callable[[Document], Document]) -> bool:
        """Change the document."""
        ...

    async def write_segments(
        self,
        job: Job,
        segments: Sequence[Segment],
        children: Sequence[ChildChunk],
        change: Callable[[Document], Document],
    ) -> bool:
        """Write all segments of a version, which no reader sees yet, in place of those that an earlier try wrote.

        The job goes on to ``embed``.
        """
        ...

    async def to_embed(self, job: Job, limit: int) -> list[Task]:
        """The next texts of the version without a node, in the order of the document."""
        ...

    async def known_vectors(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        """Vectors of the same texts by the same models that are in the store, by digest."""
        ...

    async def write_nodes(
        self, job: Job, nodes: Sequence[IndexEntry], tokens: Sequence[int], keywords: Sequence[Sequence[str] | None]
    ) -> bool:
        """Write nodes of the version, with tokens and keywords of their segments. Sets ``attempts`` back to 0."""
        ...

    async def publish(self, job: Job, change: Callable[[Document], Document]) -> bool:
        """Let all readers see the version, in one transaction.

        Its segments become completed and enabled, rows of earlier versions become garbage, and the job is done.
        """
        ...

    async def postpone(self, job: Job, due_at: float, change: Callable[[Document], Document]) -> bool:
        """Try again later. Adds 1 to ``attempts``."""
        ...

    async def fail(self, job: Job, change: Callable[[Document], Document]) -> bool:
        """Give it up."""
        ...

    async def reindex(self, document_id: str, now: float) -> bool:
        """Have the nodes of a document made anew, while the old ones are found. Returns whether it is there."""
        ...

    async def sweep(self, limit: int) -> int:
        """Delete at most ``limit`` rows of what is garbage. Returns how many were."""
        ...
