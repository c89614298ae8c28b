"""Retention: deletion of old runs with their logs and of unused files, archiving of runs, and deletion of an end user's
data."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from jikko.apps.end_users import end_user
from jikko.errors import JikkoError, LogDamaged
from jikko.inputs.uploads import possible_file_ids
from jikko.ports.clock import Clock
from jikko.ports.files.file_store import OldFiles
from jikko.ports.stores.file_index import Kept
from jikko.ports.stores.run_store import RunArchiving, RunStore
from jikko.repositories.conversation_store import ConversationStore
from jikko.repositories.end_user_store import EndUserStore

if TYPE_CHECKING:
    from jikko.repositories.audit_store import AuditStore
    from jikko.repositories.console_store import ConsoleStore
    from jikko.repositories.delivery_store import DeliveryStore

log = logging.getLogger(__name__)

BATCH = 100
"""Runs or files deleted per transaction, so that other writes never wait long."""
_CONVERSATIONS = 20
"""Conversations deleted per transaction: each may have many messages."""
_PAUSE = 0.01
"""Pause between batches, in seconds, in which others may write."""
_POLL_SECONDS = 600.0
"""Interval of scans, in seconds."""
_DAY = 86_400.0


class Pruned(Struct, frozen=True):
    """Numbers of deleted runs and files."""

    runs: int
    files: int


class Retention(Struct, eq=False):
    """Deletes old conversations, runs and files in small batches, beside other readers and writers."""

    store: RunStore
    files: OldFiles
    clock: Clock = time.time
    conversations: ConversationStore | None = None
    """Keep their files alive, and may be deleted too."""
    deliveries: "Callable[[], DeliveryStore] | None" = None
    """Opens webhook deliveries, which are deleted after their run."""
    audit: "Callable[[], AuditStore] | None" = None
    """Opens the audit, whose entries of starts are deleted."""
    tokens: "Callable[[], ConsoleStore] | None" = None
    """Opens console tokens, for ``watch_tokens``."""
    batch: int = BATCH

    async def prunable(self, before: float, *, app_id: str | None = None) -> int:
        """Return how many runs ``prune`` would delete."""
        return await self.store.prunable(before, app_id=app_id)

    async def prune(
        self, before: float, *, app_id: str | None = None, progress: Callable[[int], None] | None = None
    ) -> Pruned:
        """Delete runs that finished before a time, and files that were neither stored nor used since.

        Contents without a file are deleted, too, once they are an hour old.

        Open and paused runs stay, and runs with pending callbacks; so do files that a remaining run may refer to, or
        that belong to a conversation. May be interrupted at any time; deletions until then are final.

        Args:
            app_id: Only runs of this app; files stay then.
            progress: Called with the number of runs after each batch.
        """
        runs = await in_batches(lambda: self.store.prune(before, limit=self.batch, app_id=app_id), self.batch, progress)
        if app_id is not None:
            return Pruned(runs, 0)
        if self.deliveries is not None:
            await in_batches(partial(self.deliveries().prune, before, limit=self.batch), self.batch)
        if self.audit is not None:
            await in_batches(partial(self.audit().prune_starts, before, limit=self.batch), self.batch)
        kept: Kept | None = None

        async def expire() -> int:
            nonlocal kept
            if kept is None:
                kept = await self._files_of_lasting_runs(before)
            return await self.files.expire(before, limit=self.batch, keep=kept)

        files = await in_batches(expire, self.batch)
        swept = await self.files.sweep()
        while swept:
            await asyncio.sleep(_PAUSE)
            swept = await self.files.sweep(swept)
        return Pruned(runs, files)

    async def prune_conversations(self, before: float) -> int:
        """Delete conversations last updated before a time, with messages and variables. Returns how many.

        Their runs and files stay until they are old enough themselves.
        """
        conversations = self.conversations
        if conversations is None:
            return 0
        return await in_batches(lambda: conversations.prune(before, limit=_CONVERSATIONS), _CONVERSATIONS)

    async def watch(self, days: float, conversation_days: float = 0) -> None:
        """Delete what has expired, periodically, until cancelled.

        Args:
            days: Retention of runs and files; 0: for ever.
            conversation_days: Likewise for conversations.
        """
        while True:
            try:
                # First, so that what they alone keep alive can be deleted, too.
                if conversation_days:
                    count = await self.prune_conversations(self.clock() - conversation_days * _DAY)
                    if count:
                        log.info("%d conversations were older than %g days", count, conversation_days)
                pruned = await self.prune(self.clock() - days * _DAY) if days else Pruned(0, 0)
                if pruned.runs or pruned.files:
                    log.info("%d runs and %d files were older than %g days", pruned.runs, pruned.files, days)
            except JikkoError as error:
                log.error("old runs and files cannot be removed, trying again later: %s", error)
            await asyncio.sleep(_POLL_SECONDS)

    async def watch_tokens(self) -> None:
        """Delete expired tokens periodically, until cancelled.

        Not only when they are used: after a rollback to a version without expiry they would be valid again.
        """
        while self.tokens is not None:
            await asyncio.sleep(_POLL_SECONDS)  # first, so that no start waits for it
            try:
                if count := await self.tokens().forget_expired(self.clock()):
                    log.info("%d tokens of the console had expired", count)
            except JikkoError as error:
                log.error("tokens that have expired cannot be removed, trying again later: %s", error)

    async def _files_of_lasting_runs(self, before: float) -> Kept:
        """Return the files of conversations, and of remaining runs that began before a time.

        Later runs used their files later, which the files record. The references of a damaged log are unknown: they can
        only be files of the run's own user, and all of these stay.
        """
        ids: set[str] = set() if self.conversations is None else await self.conversations.files()
        owners: set[tuple[str, str]] = set()
        for run_id in await self.store.created_before(before):
            try:
                ids |= possible_file_ids(await self.store.events(run_id))
            except LogDamaged as error:
                log.warning("all files of the user of run %s stay: %s", run_id, error)
                if (record := await self.store.record(run_id)) is not None:
                    owners.add((record.identity.app_id, record.identity.end_user_id))
        return Kept(ids, owners)


async def in_batches(
    remove: Callable[[], Awaitable[int]], batch: int = BATCH, progress: Callable[[int], None] | None = None
) -> int:
    """Delete in batches until one is not full. ``progress``: Called with the total after each batch. Returns
    the total."""
    total = 0
    while True:
        removed = await remove()
        total += removed
        if progress is not None and removed:
            progress(total)
        if removed < batch:
            return total
        await asyncio.sleep(_PAUSE)


class Archiving(Struct, eq=False):
    """Archives runs periodically."""

    runs: RunArchiving
    clock: Clock
    days: float
    """Age at which runs are archived, more than 0."""

    async def watch(self) -> None:
        """Archive periodically, until cancelled."""
        while True:
            try:
                await self.look()
            except JikkoError as error:
                log.error("old runs cannot be moved into the archive, trying again later: %s", error)
            await asyncio.sleep(_POLL_SECONDS)

    async def look(self) -> int:
        """Archive now. Returns the number of runs. Raises ``JikkoError`` if it fails; what was moved until then is in
        the archive."""
        moved = await self.runs.archive(self.clock() - self.days * _DAY)
        if moved:
            log.info("%d runs were older than %g days, and are in the archive", moved, self.days)
        await self.runs.sweep(self.clock())
        return moved


class Removed(Struct, frozen=True):
    """Numbers of deleted records."""

    conversations: int
    runs: int
    files: int


class UserRemoval(Struct, eq=False):
    """Deletes an end user's conversations, messages, feedback and variables; runs, logs, callbacks and idempotency
    keys; and files.

    May be interrupted and repeated; deletions until then are final.
    """

    conversations: ConversationStore
    runs: RunStore
    files: OldFiles
    end_users: EndUserStore

    async def open_runs(self, app_id: str, user: str) -> list[str]:
        """Return the ids of runs to be stopped first: running ones, and those that wait for a form."""
        return await self.runs.open_of_user(app_id, end_user(app_id, user))

    async def remove(self, app_id: str, user: str, *, alone: bool) -> Removed:
        """Delete an end user's data. Open runs stay, with what they refer to: see ``open_runs``.

        Args:
            user: End user as named in requests.
            alone: Whether no other process uses the stores. Only then is the name deleted, too.
        """
        id_ = end_user(app_id, user)
        removed = Removed(
            # First: later messages of runs are dropped then.
            conversations=await self.conversations.delete_all(app_id, id_),
            runs=await in_batches(lambda: self.runs.remove_of_user(app_id, id_, limit=BATCH)),
            files=await in_batches(lambda: self.files.remove_of_user(app_id, id_, limit=BATCH)),
        )
        if alone:
            await self.end_users.remove(app_id, id_)
        return removed
