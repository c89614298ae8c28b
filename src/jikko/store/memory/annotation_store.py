"""Annotations in memory: for tests, and as the plainest statement of the contract."""

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from jikko.ports.embeddings import Vector
from jikko.ports.stores.annotation_store import Annotation, Replies, ReplyJob, ReplySetting, Unindexed

_REMEMBERED = 86_400.0


class MemoryAnnotationStore:
    """An ``AnnotationStore`` that forgets everything when the process ends."""

    def __init__(self) -> None:
        self._annotations: dict[str, Annotation] = {}
        """Oldest first."""
        self._vectors: dict[tuple[str, str, str], Vector] = {}
        """By annotation, provider and model."""
        self._settings: dict[str, ReplySetting | None] = {}
        self._versions: dict[str, int] = {}
        self._jobs: dict[str, ReplyJob] = {}

    def _touch(self, app_id: str) -> None:
        self._versions[app_id] = self._versions.get(app_id, 0) + 1

    def _of(self, app_id: str) -> list[Annotation]:
        return [one for one in self._annotations.values() if one.app_id == app_id]

    def _forget_vectors(self, annotation_id: str) -> None:
        self._vectors = {key: vector for key, vector in self._vectors.items() if key[0] != annotation_id}

    async def add(self, annotation: Annotation) -> None:
        self._annotations[annotation.id] = annotation
        self._touch(annotation.app_id)

    async def find(self, app_id: str, annotation_id: str) -> Annotation | None:
        found = self._annotations.get(annotation_id.lower())
        return found if found is not None and found.app_id == app_id else None

    async def change(self, app_id: str, annotation_id: str, question: str, answer: str) -> Annotation | None:
        known = await self.find(app_id, annotation_id)
        if known is None:
            return None
        if known.question != question:
            self._forget_vectors(known.id)
        self._touch(app_id)
        changed = self._annotations[known.id] = replace(known, question=question, answer=answer)
        return changed

    async def delete(self, app_id: str, annotation_id: str) -> bool:
        known = await self.find(app_id, annotation_id)
        if known is None:
            return False
        del self._annotations[known.id]
        self._forget_vectors(known.id)
        self._touch(app_id)
        return True

    async def page(
        self, app_id: str, *, keyword: str = "", page: int = 1, limit: int = 20
    ) -> tuple[list[Annotation], int]:
        wanted = keyword.casefold()
        found = [
            one for one in self._of(app_id) if wanted in one.question.casefold() or wanted in one.answer.casefold()
        ]
        return found[::-1][(page - 1) * limit : page * limit], len(found)

    async def hit(self, app_id: str, annotation_id: str) -> None:
        known = await self.find(app_id, annotation_id)
        if known is not None:
            self._annotations[known.id] = replace(known, hits=known.hits + 1)

    async def replies(self, app_id: str) -> Replies | None:
        setting = self._settings.get(app_id)
        return None if setting is None else Replies(setting, self._versions.get(app_id, 0))

    async def vectors(self, app_id: str) -> list[tuple[str, str, Vector | None]]:
        setting = self._settings.get(app_id)
        if setting is None:
            return []
        return [
            (one.id, one.question, self._vectors.get((one.id, setting.provider, setting.model)))
            for one in self._of(app_id)
        ]

    async def begin(self, job: ReplyJob) -> ReplyJob:
        for known in [one for one in self._jobs.values() if one.app_id == job.app_id and _is_open(one)]:
            if job.setting is not None and known.setting == job.setting:
                return known
            self._jobs[known.id] = replace(known, status="error", error="Another request came before it was done.")
        for known in list(self._jobs.values()):
            if not _is_open(known) and known.created_at < job.created_at - _REMEMBERED:
                del self._jobs[known.id]
        self._jobs[job.id] = job
        if job.setting is None:
            await self.end_job(job.id)
        return job

    async def job(self, app_id: str, job_id: str) -> ReplyJob | None:
        found = self._jobs.get(job_id.lower())
        return found if found is not None and found.app_id == app_id else None

    async def open_job(self) -> ReplyJob | None:
        found = next(filter(_is_open, self._jobs.values()), None)
        if found is not None:
            found = self._jobs[found.id] = replace(found, status="processing")
        return found

    async def end_job(self, job_id: str, error: str = "") -> None:
        known = self._jobs.get(job_id.lower())
        if known is None or not _is_open(known):
            return
        self._jobs[known.id] = replace(known, status="error" if error else "completed", error=error)
        if not error:
            self._settings[known.app_id] = known.setting
            own = {one.id for one in self._of(known.app_id)}
            used = None if known.setting is None else (known.setting.provider, known.setting.model)
            self._vectors = {key: one for key, one in self._vectors.items() if key[0] not in own or key[1:] == used}
            self._touch(known.app_id)

    async def unindexed(self, job: ReplyJob, limit: int) -> list[Annotation]:
        return [] if job.setting is None else self._unindexed(job.app_id, job.setting)[:limit]

    def _unindexed(self, app_id: str, setting: ReplySetting) -> list[Annotation]:
        return [one for one in self._of(app_id) if (one.id, setting.provider, setting.model) not in self._vectors]

    async def next_unindexed(self, limit: int, *, skip: Collection[str] = ()) -> Unindexed | None:
        for app_id, setting in self._settings.items():
            if setting is not None and app_id not in skip and (found := self._unindexed(app_id, setting)):
                return Unindexed(app_id, setting, found[:limit])
        return None

    async def put_vectors(
        self, app_id: str, setting: ReplySetting, vectors: Sequence[tuple[Annotation, Vector]]
    ) -> None:
        for known, vector in vectors:
            now = self._annotations.get(known.id)
            if now is not None and now.question == known.question:
                self._vectors[known.id, setting.provider, setting.model] = vector
        self._touch(app_id)


def _is_open(job: ReplyJob) -> bool:
    return job.status in ("waiting", "processing")
