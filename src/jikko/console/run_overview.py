"""Runs of all apps, with the additional data of their list."""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from msgspec import Struct, field

from jikko.apps.model_needs import needs_of
from jikko.concurrency.run_in_thread import run_in_thread
from jikko.dsl.load import load
from jikko.errors import JikkoError
from jikko.ports.stores.run_pages import RunCounts, RunCursor, RunFilter, RunPages
from jikko.record import RunRecord
from jikko.repositories.app_store import App, AppStore
from jikko.runs.forms import Forms, RunForm
from jikko.values import Moment, Uuid


class VersionModels(Struct, eq=False):
    """Models of versions. Each file is read once: a version never changes."""

    apps: AppStore
    _known: dict[str, frozenset[str]] = field(default_factory=dict)
    """Models by version, without a limit: names are short, and eviction would mean reading files again."""
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def of(self, app_id: str, workflow_id: str) -> Collection[str]:
        """Return the names of a version's models; empty if it was deleted."""
        if workflow_id not in self._known:
            async with self._reading:
                if workflow_id not in self._known:  # unless another request has read it meanwhile
                    version = await self.apps.version(app_id, workflow_id)
                    if version is None:
                        return ()
                    self._known[workflow_id] = await run_in_thread(_models_in, version.source, queue="records")
        return self._known[workflow_id]

    async def versions(self, model: str, app_id: str | None) -> tuple[str, ...]:
        """Return the IDs, in lower case, of versions that call a model. ``app_id``: ``None`` for all apps."""
        ids = [(app, version.lower()) for app, version in await self.apps.version_ids() if app_id in (None, app)]
        return tuple([workflow_id for app, workflow_id in ids if model in await self.of(app, workflow_id)])


def _models_in(text: bytes) -> frozenset[str]:
    document = load(text, source="", runnable=frozenset()).document
    nodes = () if document is None else document.nodes
    return frozenset(need.model for need in needs_of((node.id, node.data) for node in nodes) if need.model)


_CACHE_SIZE: Final = 5_000
"""Cached version numbers, and forms of paused runs."""


class WaitsFor(Struct, frozen=True):
    """Form that a run waits for."""

    form_id: Uuid
    title: str
    expires_at: Moment


class ListedRun(Struct, frozen=True):
    record: RunRecord
    app: App | None
    """``None`` if it was deleted."""
    app_name: str
    version: int
    """Version number within the app; 0 if it was deleted."""
    conversation_id: str | None
    waits_for: Sequence[WaitsFor]


class Listed(Struct, frozen=True):
    """Page of runs."""

    runs: list[ListedRun]
    next: RunCursor | None
    counts: RunCounts


class RunListing:
    def __init__(self, pages: RunPages, apps: AppStore, forms: Forms) -> None:
        self.pages = pages
        self.models = VersionModels(apps)
        self._apps = apps
        self._forms = forms
        self._numbers: OrderedDict[str, int] = OrderedDict()
        """Version numbers by ID: they never change."""
        self._waiting: OrderedDict[tuple[str, float, float | None], Sequence[WaitsFor]] = OrderedDict()
        """Forms by run and pause."""

    async def page(self, wanted: RunFilter, *, behind: RunCursor | None, limit: int) -> Listed:
        """Return a page, newest first, with the counts of the filter."""
        page, counts = await asyncio.gather(
            self.pages.page(wanted, behind=behind, limit=limit), self.pages.counts(wanted)
        )
        return Listed(await self.shown(page.records), page.next, counts)

    async def shown(self, records: Sequence[RunRecord]) -> list[ListedRun]:
        """Return runs with what is shown beside their records."""
        if not records:
            return []
        apps = {app.id: app for app in await self._apps.apps()}
        removed: Mapping[str, str] = {}
        if any(record.identity.app_id not in apps for record in records):
            removed = {app.id: app.name for app in await self._apps.deleted_apps()}
        chats = [
            record.identity.run_id
            for record in records
            if record.identity.app_id not in apps or apps[record.identity.app_id].mode != "workflow"
        ]
        conversations = await self.pages.conversations(chats) if chats else {}
        found = []
        for record in records:
            owner = record.identity
            app = apps.get(owner.app_id)
            name = app.name if app is not None else removed.get(owner.app_id, "")
            number = 0 if app is None else await self.number(app.id, owner.workflow_id)
            waits = await self._waits_for(record)
            found.append(ListedRun(record, app, name, number, conversations.get(owner.run_id), waits))
        return found

    async def names(self) -> Mapping[str, str]:
        """Return the names of all apps by ID, including deleted ones."""
        removed = {app.id: app.name for app in await self._apps.deleted_apps()}
        return removed | {app.id: app.name for app in await self._apps.apps()}

    async def number(self, app_id: str, workflow_id: str) -> int:
        """Return a version's number; 0 if it was deleted."""
        if workflow_id not in self._numbers:
            for version in await self._apps.versions(app_id):
                self._numbers[version.id] = version.number
            while len(self._numbers) > _CACHE_SIZE:
                self._numbers.popitem(last=False)
        return self._numbers.get(workflow_id, 0)

    async def open_forms(self, only: RunRecord | None = None) -> list[tuple[ListedRun, RunForm]]:
        """Return the open forms of a run, or of all apps, newest runs first, from at most 200 runs."""
        waiting = [only] if only else (await self.pages.page(RunFilter(statuses=("paused",)), limit=200)).records
        found: list[tuple[ListedRun, RunForm]] = []
        for run in await self.shown(waiting):
            try:
                found += [(run, form) for form in await self._forms.open_forms(run.record)]
            except JikkoError:
                continue  # damaged log, as its own page reports
        return found

    async def _waits_for(self, record: RunRecord) -> Sequence[WaitsFor]:
        if record.status != "paused":
            return ()
        key = record.identity.run_id, record.elapsed, record.wake_at
        known = self._waiting.get(key)
        if known is None:
            try:
                forms = await self._forms.open_forms(record)
            except JikkoError:
                return ()  # likewise
            known = [
                WaitsFor(form.requested.form_id, form.requested.title, form.requested.expires_at) for form in forms
            ]
            self._waiting[key] = known
            if len(self._waiting) > _CACHE_SIZE:
                self._waiting.popitem(last=False)
        return known
