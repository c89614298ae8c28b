"""Carrying ended runs, with their logs, from one database to another: as JSON Lines, one run a line."""

import asyncio
import math
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

from msgspec import Struct, field

from jikko.errors import Conflict, JikkoError, LogConflict, LogDamaged, NotFound, StoreUnavailable
from jikko.maintenance.exported_run import BadLine, read_run, run_line
from jikko.ports.stores.run_store import RunStore
from jikko.record import RunRecord

_MAX_CONCURRENT_RUNS: Final = 64
"""Runs that are being written at one time: they share commits."""


class ImportResult(Struct):
    """What came of an import."""

    added: int = 0
    known: int = 0
    """Runs that were there already."""
    apps: Counter[str] = field(default_factory=Counter)
    """How many runs were read of each app, by its id."""


async def export_lines(
    store: RunStore,
    *,
    app_id: str | None = None,
    since: float = 0.0,
    until: float = math.inf,
    damaged: Callable[[JikkoError], None],
) -> AsyncIterator[bytes]:
    """The ended runs: in the order of their ids, and behind them those of the archive.

    Runs that end or are pruned meanwhile may be among them or not. One that is archived meanwhile may be there twice,
    which is no harm: who imports them leaves the second alone.

    Args:
        app_id: Only runs of this app.
        since: Only runs that were created then or later, in seconds since the Unix epoch.
        until: Only runs that were created before.
        damaged: Called for each run, or object of the archive, that is left out because it cannot be read.
    """
    after = ""
    while records := await store.scan(app_id=app_id, after=after):
        for record in records:
            if record.is_open or not since <= record.created_at < until:
                continue
            try:
                events = await store.events(record.identity.run_id)
            except LogDamaged as error:
                damaged(error)
            else:
                if events:  # not pruned meanwhile
                    yield run_line(record.identity, events)
        after = records[-1].identity.run_id
    async for record, events in store.archived(app_id=app_id, since=since, until=until, on_damaged=damaged):
        yield run_line(record.identity, events)


async def export_named(
    store: RunStore, records: Iterable[RunRecord], *, damaged: Callable[[JikkoError], None]
) -> AsyncIterator[bytes]:
    """Some runs, wherever they are.
    ``damaged``: as of ``export_lines``; called, too, for each run that goes on, or was pruned meanwhile."""
    for record in records:
        run_id = record.identity.run_id
        if record.is_open:
            damaged(Conflict(f"Run {run_id} has not ended."))
            continue
        try:
            events = await store.events(run_id)
        except (LogDamaged, StoreUnavailable) as error:
            damaged(error)
            continue
        if events:
            yield run_line(record.identity, events)
        else:
            damaged(NotFound(f"Run {run_id} was removed just now."))


async def import_lines(store: RunStore, lines: Iterable[bytes], *, app_id: str | None = None) -> ImportResult:
    """Add runs. Those whose ids are known are left as they are, so that an import can be repeated.
    ``app_id``: the app whose runs they become; by default, each stays the run of the app that it was of.
    Raises ``BadLine``: a line cannot be read. Runs of the lines before it were added."""
    imported, archived = ImportResult(), await store.archived_until()
    pending: deque[tuple[int, asyncio.Future[None]]] = deque()
    try:
        for number, text in enumerate(lines, 1):
            if not text.strip():
                continue
            append = read_run(number, text, app_id=app_id)
            imported.apps[append.record.identity.app_id] += 1
            # What is in the archive is there already, though its log could begin once more.
            if archived is not None and append.record.created_at <= archived and await store.log_end(append.run_id):
                imported.known += 1
                continue
            pending.append((number, store.append(append)))
            if len(pending) >= _MAX_CONCURRENT_RUNS:
                await _await_append(*pending.popleft(), imported)
    finally:
        # All of them, so that each is looked at, whatever became of the first.
        await asyncio.gather(*[append for _, append in pending], return_exceptions=True)
        while pending:
            await _await_append(*pending.popleft(), imported)
    return imported


async def _await_append(number: int, append: "asyncio.Future[None]", imported: ImportResult) -> None:
    try:
        await append
    except LogConflict:
        imported.known += 1
    except JikkoError:
        raise
    except Exception as error:
        raise BadLine(number, f"it cannot be kept: {error}") from error
    else:
        imported.added += 1
