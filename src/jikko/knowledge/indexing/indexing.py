"""Background indexing: takes jobs, and runs them stage by stage. All its state is in the store, so a process that dies
loses only its uncommitted batch."""

import asyncio
import logging
from collections import defaultdict
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple

from msgspec.structs import replace

from jikko.concurrency.alarm import Alarm
from jikko.concurrency.background_tasks import end_tasks
from jikko.concurrency.run_in_thread import free_in_slices
from jikko.diagnostics.diagnostic import Phrase
from jikko.errors import JikkoError
from jikko.ids import new_id
from jikko.knowledge.indexing.cutting_stage import Cutter, segments_of
from jikko.knowledge.indexing.nodes import Indexed, Model, by_keywords, digest_of, embedded, node_of, text_of
from jikko.knowledge.texts.rules import CuttingError, rule_of
from jikko.ports.clock import Clock
from jikko.ports.files.documents import DocumentFailure
from jikko.ports.models import ModelFailure
from jikko.ports.other_models import Embedder, EmbeddingRequest
from jikko.ports.stores.knowledge_records import Dataset, Document, IndexEntry, Job, embedder_name
from jikko.repositories.knowledge.jobs import Task
from jikko.repositories.knowledge.knowledge_stores import KnowledgeStores, OpenKnowledge

log = logging.getLogger(__name__)

LEASE = 10.0
"""Seconds after which a silent worker's job is taken over."""
SERVER = "server/"
"""Prefix of server names in jobs."""
_KEYWORD_BATCH = 200
"""Texts per commit of keywords."""
_SWEEP = 500
"""Rows deleted per transaction."""
_RETRY_SECONDS = 1.0
"""Delay after a failure of the store, in seconds."""


class _NotOurs(Exception):
    """Another process owns the job, or its document was changed or deleted."""


class Indexing:
    """Runs jobs concurrently. Several processes may do so with one store."""

    def __init__(
        self,
        knowledge: OpenKnowledge,
        cutter: Cutter,
        embedder: Embedder,
        clock: Clock,
        *,
        workers: int = 2,
        lease: float = LEASE,
        name: str = "",
        alarm: Alarm | None = None,
    ) -> None:
        """``workers``: Concurrent jobs. ``name``: Unique name of this process, for jobs. ``alarm``: Existing alarm;
        otherwise it has its own."""
        self._knowledge = knowledge
        self._cutter = cutter
        self._embedder = embedder
        self._clock = clock
        self._workers = max(1, workers)
        self._lease = lease
        self._name = name or SERVER + new_id()
        self._in_hand: defaultdict[Model, asyncio.Lock] = defaultdict(asyncio.Lock)
        """By model: held while a batch is embedded and written: a process that dies loses one per model."""
        self.alarm = alarm or Alarm(clock)
        """Set it when there is a job."""

    async def lead(self) -> None:
        """As ``watch``, for the only server of the data folder: jobs of earlier ones are taken over at once."""
        if (stores := await self._knowledge.existing()) is not None:
            await stores.jobs.release(SERVER, self._name)
        await self.watch()

    async def watch(self) -> None:
        """Run due jobs and delete garbage, until cancelled."""
        while True:
            stores = await self._knowledge.existing()
            if stores is None:
                await self.alarm.wait(None)
                continue
            await self.catch_up()
            while await stores.jobs.sweep(_SWEEP):
                if (due := await stores.jobs.next_due()) is not None and due <= self._clock():
                    break
            await self.alarm.wait(await stores.jobs.next_due())

    async def clean(self) -> None:
        stores = await self._knowledge.existing()
        while stores is not None and await stores.jobs.sweep(_SWEEP):
            pass

    async def catch_up(self) -> None:
        """Run all due jobs, including those that become due meanwhile."""
        stores = await self._knowledge.made()
        running: set[asyncio.Task[None]] = set()
        try:
            while True:
                while len(running) < self._workers:
                    job = await stores.jobs.claim(self._name, self._clock(), self._lease)
                    if job is None:
                        break
                    running.add(asyncio.create_task(self._perform(stores, job)))
                if not running:
                    return
                _, running = await asyncio.wait(running, timeout=_RETRY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end_tasks(running)

    async def _perform(self, stores: KnowledgeStores, job: Job) -> None:
        """Run one job. Never raises."""
        beating = asyncio.create_task(self._keep(stores, job))
        try:
            await self._stages(stores, job)
        except _NotOurs:
            pass
        except ModelFailure as failure:
            with suppress(JikkoError):
                await self._failed(stores, job, failure)
        except DocumentFailure as failure:
            with suppress(JikkoError):
                await stores.jobs.fail(job, partial(_in_error, failure.phrase, self._clock()))
        except JikkoError as error:
            # The store failed; the job's lease expires, and another process takes it.
            log.error("a document cannot be indexed now, trying again: %s", error)
            await asyncio.sleep(_RETRY_SECONDS)
        except Exception as error:
            log.exception("a document could not be indexed")
            reason = Phrase("indexing.failed", {"error": type(error).__name__})
            with suppress(JikkoError):
                await stores.jobs.fail(job, partial(_in_error, reason, self._clock()))
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def _keep(self, stores: KnowledgeStores, job: Job) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            with suppress(JikkoError):
                if not await stores.jobs.renew(job, self._clock() + self._lease):
                    return

    async def _stages(self, stores: KnowledgeStores, job: Job) -> None:
        dataset, document = await _subject(stores, job)
        if job.stage == "cut":
            await self._cut(stores, job, dataset, document)
            # Its model may have changed meanwhile. A later change makes another job.
            dataset, _ = await _subject(stores, job)
        model = None
        if dataset.technique == "high_quality":
            model = Model(dataset.embedding_provider or "", dataset.embedding_model or "")
        await self._index(stores, job, model)
        made_by = "" if model is None else embedder_name(model.provider, model.model)
        _ours(await stores.jobs.publish(job, partial(_published, job, made_by, self._clock)))

    async def _cut(self, stores: KnowledgeStores, job: Job, dataset: Dataset, document: Document) -> None:
        now = self._clock()
        _ours(
            await stores.jobs.note(
                job, lambda each: replace(each, status="parsing", error=None, error_message=None, started_at=now)
            )
        )
        content = await stores.documents.source(document.id)
        texts = await self._cutter.texts(document, content or b"")
        words, parsed = sum(map(len, texts)), self._clock()

        def as_parsed(each: Document) -> Document:
            return replace(each, status="splitting", words=words, parsed_at=parsed)

        try:
            rule = rule_of(document.rule)
        except CuttingError:
            _ours(await stores.jobs.note(job, as_parsed))
            raise
        found = await self._cutter.cut(document, texts, rule)
        now = self._clock()
        cut = await asyncio.to_thread(segments_of, dataset, document, job, found, now)
        kept = sum(len(each.content) for each in cut.segments)

        def as_split(each: Document) -> Document:
            return replace(as_parsed(each), status="indexing", words=kept, cleaned_at=now, split_at=now)

        is_ours = await stores.jobs.write_segments(job, cut.segments, cut.children, as_split)
        await free_in_slices(found, cut.segments, cut.children)
        _ours(is_ours)

    async def _index(self, stores: KnowledgeStores, job: Job, model: Model | None) -> None:
        """Create the segments' index entries, batch by batch."""
        if model is None:
            while tasks := await stores.jobs.to_embed(job, _KEYWORD_BATCH):
                made = await asyncio.to_thread(by_keywords, tasks)
                _ours(await stores.jobs.write_nodes(job, made.nodes, made.tokens, made.keywords))
            return
        size = self._embedder.batch_size(model.provider, model.model)
        has_more = True
        while has_more:
            # In turns with other documents.
            async with self._in_hand[model]:
                tasks = await stores.jobs.to_embed(job, size)
                if has_more := bool(tasks):
                    made = await self._embed(stores, model, tasks)
                    _ours(await stores.jobs.write_nodes(job, made.nodes, made.tokens, made.keywords))

    async def _embed(self, stores: KnowledgeStores, model: Model, tasks: list[Task]) -> Indexed:
        texts = [text_of(task.segment, task.child) for task in tasks]
        digests = [digest_of(model, text) for text in texts]
        vectors = await stores.jobs.known_vectors(digests)
        missing = {digest: text for digest, text in zip(digests, texts, strict=True) if digest not in vectors}
        found, counts = await embedded(self._embedder, model, list(missing.values()))
        vectors |= dict(zip(missing, found, strict=True))
        tokens = dict(zip(missing, counts, strict=True))
        nodes = await asyncio.to_thread(_nodes, tasks, texts, digests, vectors)
        spent = [
            tokens.get(digest, task.segment.tokens) if task.child is None else task.segment.tokens
            for task, digest in zip(tasks, digests, strict=True)
        ]
        return Indexed(nodes, spent, [None] * len(tasks))

    async def _failed(self, stores: KnowledgeStores, job: Job, failure: ModelFailure) -> None:
        """Handle a model's failure: wait, or give up."""
        own = await stores.jobs.job(job.document_id)
        attempts = 1 if own is None else own.attempts + 1
        found = verdict(failure, attempts)
        if found.is_probed and await self._answers(stores, job):
            # It works, but rejects these texts.
            found = FailureDecision(None)
        now = self._clock()
        if found.wait is None:
            await stores.jobs.fail(job, partial(_in_error, Phrase("indexing.verbatim", {"text": str(failure)}), now))
            return
        params = {"error": str(failure), "attempt": attempts, "seconds": f"{found.wait:.0f}"}
        await stores.jobs.postpone(job, now + found.wait, partial(_explained, Phrase("indexing.waits", params)))

    async def _answers(self, stores: KnowledgeStores, job: Job) -> bool:
        """Return whether the model embeds a harmless text."""
        dataset = await stores.datasets.dataset(job.dataset_id)
        if dataset is None:
            return False
        request = EmbeddingRequest(
            provider=dataset.embedding_provider or "", model=dataset.embedding_model or "", texts=(PROBE,)
        )
        try:
            await self._embedder.embed(request)
        except ModelFailure:
            return False
        return True


def _nodes(tasks: list[Task], texts: list[str], digests: list[bytes], vectors: dict[bytes, bytes]) -> list[IndexEntry]:
    return [
        node_of(task.segment.id, None if task.child is None else task.child.id, text, digest, vectors.get(digest, b""))
        for task, text, digest in zip(tasks, texts, digests, strict=True)
    ]


async def _subject(stores: KnowledgeStores, job: Job) -> tuple[Dataset, Document]:
    dataset = await stores.datasets.dataset(job.dataset_id)
    document = await stores.documents.document(job.dataset_id, job.document_id)
    if dataset is None or document is None:
        raise _NotOurs
    return dataset, document


def _ours(done: bool) -> None:
    if not done:
        raise _NotOurs


def _explained(reason: Phrase, document: Document) -> Document:
    return replace(document, error=reason.text(), error_message=reason.message())


def _in_error(reason: Phrase, now: float, document: Document) -> Document:
    return replace(_explained(reason, document), status="error", stopped_at=now)


def _published(job: Job, made_by: str, clock: Clock, document: Document) -> Document:
    return replace(
        document,
        status="completed",
        error=None,
        error_message=None,
        completed_at=clock(),
        stopped_at=None,
        version=job.segments_version,
        index_version=job.version,
        embedded_by=made_by,
    )


# How long a failing model is waited for: decided without any I/O.

PROBE: Final = "Good morning."
"""A text that every embedding model accepts."""
_PROBED: Final = 3
"""Attempts after which the model is probed with another text."""
_MAX_SECONDS: Final = 60.0
"""Maximum delay between attempts."""
_MAX_ASKED_SECONDS: Final = 3600.0
"""Maximum delay that a provider is granted."""
_PASSING: Final = frozenset({"InvokeRateLimitError", "InvokeConnectionError", "InvokeServerUnavailableError"})
"""Transient kinds of failures."""


class FailureDecision(NamedTuple):
    wait: float | None
    """Delay of the next attempt; ``None``: no further attempt."""
    is_probed: bool = False
    """Whether to probe the model first: if that succeeds, it rejects these texts."""


def verdict(failure: ModelFailure, attempts: int) -> FailureDecision:
    """Decide after ``attempts`` attempts with the same texts.

    An unavailable or overloaded provider is retried without limit. A rejection is not: it would be repeated.
    """
    if failure.kind not in _PASSING:
        return FailureDecision(None)
    wait = min(_MAX_SECONDS, 0.5 * 2.0 ** min(attempts - 1, 10))
    if failure.retry_after is not None:
        wait = max(wait, min(failure.retry_after, _MAX_ASKED_SECONDS))
    return FailureDecision(wait, attempts >= _PROBED)
