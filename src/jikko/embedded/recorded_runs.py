"""Sources of the recorded runs of a replay: the record of a data folder with its archive, or an export."""

import math
from collections.abc import AsyncIterator, Iterator, Sequence
from heapq import heappush, heappushpop
from pathlib import Path

from jikko.apps.versions import Workflow
from jikko.assemble.assembly import Assembly
from jikko.errors import InvalidDocument, InvalidParam, LogDamaged, NotFound
from jikko.maintenance.transfer import MAX_LINE, BadLine, read_run
from jikko.ports.stores.run_store import LogQuery
from jikko.proving.recording import Recording
from jikko.record import RunIdentity, RunRecord
from jikko.repositories.app_store import App
from jikko.runs.reading.short_ids import run_of

_PAGE = 500


class RecordedRuns:
    """The runs of one app in a data folder, newest first."""

    def __init__(self, assembly: Assembly, app: App) -> None:
        self._assembly = assembly
        self.app = app
        self._versions: dict[str, Workflow | None] = {}
        self.unread: list[str] = []
        """Parts of the archive that cannot be read."""

    async def named(self, ids: Sequence[str]) -> AsyncIterator[RunIdentity]:
        """Those of these ids, or beginnings of ids.

        Raises:
            NotFound: One of them is not there.
            InvalidParam: One is of another app.
        """
        for given in ids:
            record = await run_of(self._assembly.store, given)
            if record.identity.app_id != self.app.id:
                raise InvalidParam(f"run {record.identity.run_id} is of another app than the first")
            yield record.identity

    async def newest(self, most: int, since: float) -> AsyncIterator[RunIdentity]:
        """The newest that have ended, those of the archive last. Each is given once, also while runs begin or end.
        ``since``: only those that were created then or later, in seconds since the Unix epoch."""
        page, given = 0, set[str]()
        while len(given) < most:
            page += 1
            query = LogQuery(app_id=self.app.id, page=page, limit=_PAGE, created_after=since or None)
            found: list[RunRecord] = (await self._assembly.store.list_runs(query)).records
            new = [each.identity for each in found if not each.is_open and each.identity.run_id not in given]
            for identity in new[: most - len(given)]:
                given.add(identity.run_id)
                yield identity
            if len(found) < _PAGE:
                break
        left = most - len(given)
        if not left or await self._assembly.store.archived_until() is None:
            return
        archived = self._assembly.store.archived(
            app_id=self.app.id, since=since, until=math.inf, on_damaged=lambda error: self.unread.append(str(error))
        )
        newest: list[tuple[float, str, RunIdentity]] = []
        async for record, _ in archived:
            if (run_id := record.identity.run_id) not in given:
                given.add(run_id)
                one = record.created_at, run_id, record.identity
                (heappushpop if len(newest) == left else heappush)(newest, one)
        for _, _, identity in sorted(newest, key=lambda one: one[:2], reverse=True):
            yield identity

    async def version_of(self, identity: RunIdentity) -> Workflow | None:
        """The version that a run was of; ``None`` if it is not there, or cannot be run any more."""
        id_ = identity.workflow_id
        if id_ not in self._versions:
            try:
                self._versions[id_] = await self._assembly.workflows.get(self.app, id_)
            except (NotFound, InvalidDocument):
                self._versions[id_] = None
        return self._versions[id_]

    async def recording(self, identity: RunIdentity) -> Recording:
        """The run, without events if its log cannot be read."""
        try:
            return Recording(identity, await self._assembly.store.events(identity.run_id))
        except LogDamaged:
            return Recording(identity, [])


def exported(path: Path, app_id: str | None) -> Iterator[Recording | BadLine]:
    """The runs of a file that `jikko runs export` wrote, and what of it is none. ``app_id``: only those of that app."""
    with path.open("rb") as source:
        for number, line in enumerate(iter(lambda: source.readline(MAX_LINE + 1), b""), 1):
            try:
                read = read_run(number, line)
            except BadLine as error:
                yield error
            else:
                if app_id in (None, read.record.identity.app_id):
                    yield Recording(read.record.identity, read.events)
