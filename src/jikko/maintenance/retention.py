"""Removing what is old enough: runs with their logs, and files that no run uses any more; moving runs to the archive;
and removing all that an end user has."""

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
"""Runs or files that are removed in one transaction, so that no other write waits for long."""
_CONVERSATIONS = 20
"""Conversations that are removed in one transaction: each may have many messages."""
_PAUSE = 0.01
"""Seconds between batches, in which others may write."""
_LOOK_EVERY = 600.0
"""Seconds between looks for what is old enough."""
_DAY = 86_400.0


class Pruned(Struct, frozen=True):
    """How many were removed."""

    runs: int
    files: int


class Retention:
    """Removes old conversations, runs and files in small batches, while others read and write."""

    def __init__(
        self,
        store: RunStore,
        files: OldFiles,
        clock: Clock = time.time,
        *,
        conversations: ConversationStore | None = None,
        deliveries: "Callable[[], DeliveryStore] | None" = None,
        audit: "Callable[[], AuditStore] | None" = None,
        tokens: "Callable[[], ConsoleStore] | None" = None,
        batch: int = BATCH,
    ) -> None:
        """Args:
        conversations: Whose files stay, and which may be removed too.
        deliveries: Opens those of webhooks, which go once their run is gone.
        audit: Opens the entries, of which those of starts go.
        tokens: Opens those of the console, for ``watch_tokens``.
        """
        self._audit = audit
        self._tokens = tokens
        self._store = store
        self._conversations = conversations
        self._deliveries = deliveries
        self._files = files
        self._clock = clock
        self._batch = batch

    async def prunable(self, before: float, *, app_id: str | None = None) -> int:
        """How many runs ``prune`` would remove."""
        return await self._store.prunable(before, app_id=app_id)

    async def prune(
        self, before: float, *, app_id: str | None = None, progress: Callable[[int], None] | None = None
    ) -> Pruned:
        """Remove runs that finished before a time, and files that were neither stored nor used since.

        Content that belongs to no file any more goes too, once it is an hour old.

        Open and paused runs stay, and runs whose call-back is still tried; so does every file that a remaining run may
        speak of, or that is in a conversation. May be broken off at any time; what was removed until then is gone.

        Args:
            app_id: Only runs of this app; files stay then, until they are removed without it.
            progress: Called with the number of runs after each batch.
        """
        runs = await in_batches(
            lambda: self._store.prune(before, limit=self._batch, app_id=app_id), self._batch, progress
        )
        if app_id is not None:
            return Pruned(runs, 0)
        if self._deliveries is not None:
            await in_batches(partial(self._deliveries().prune, before, limit=self._batch), self._batch)
        if self._audit is not None:
            await in_batches(partial(self._audit().prune_starts, before, limit=self._batch), self._batch)
        kept: Kept | None = None

        async def expire() -> int:
            nonlocal kept
            if kept is None:
                kept = await self._files_of_lasting_runs(before)
            return await self._files.expire(before, limit=self._batch, keep=kept)

        files = await in_batches(expire, self._batch)
        swept = await self._files.sweep()
        while swept:
            await asyncio.sleep(_PAUSE)
            swept = await self._files.sweep(swept)
        return Pruned(runs, files)

    async def prune_conversations(self, before: float) -> int:
        """Remove conversations that were last updated before a time, with messages and variables. Returns how many.

        Their runs and files stay until they are old enough themselves.
        """
        conversations = self._conversations
        if conversations is None:
            return 0
        return await in_batches(lambda: conversations.prune(before, limit=_CONVERSATIONS), _CONVERSATIONS)

    async def watch(self, days: float, conversation_days: float = 0) -> None:
        """Remove what is too old, again and again, until cancelled.

        Args:
            days: After how many days runs and files are removed; 0: never.
            conversation_days: Likewise conversations.
        """
        while True:
            try:
                # First, so that what they alone keep can go with them.
                if conversation_days:
                    count = await self.prune_conversations(self._clock() - conversation_days * _DAY)
                    if count:
                        log.info("%d conversations were older than %g days", count, conversation_days)
                pruned = await self.prune(self._clock() - days * _DAY) if days else Pruned(0, 0)
                if pruned.runs or pruned.files:
                    log.info("%d runs and %d files were older than %g days", pruned.runs, pruned.files, days)
            except JikkoError as error:
                log.error("what is old cannot be removed, trying again later: %s", error)
            await asyncio.sleep(_LOOK_EVERY)

    async def watch_tokens(self) -> None:
        """Remove tokens that have expired, again and again, until cancelled.

        No later, and not only once they are asked for: to a server of a version that knows no expiry, after a rollback,
        they would be valid.
        """
        while self._tokens is not None:
            await asyncio.sleep(_LOOK_EVERY)  # first, so that no start waits for it
            try:
                if count := await self._tokens().forget_expired(self._clock()):
                    log.info("%d tokens of the console had expired", count)
            except JikkoError as error:
                log.error("tokens that have expired cannot be removed, trying again later: %s", error)

    async def _files_of_lasting_runs(self, before: float) -> Kept:
        """Those in conversations, and in the logs of runs that began before a time and are still there.

        A run that began later used its files later too, and that is known of the files. What a damaged log spoke of
        is not known: only files of the run's own user can have been among it, and all of them stay.
        """
        ids: set[str] = set() if self._conversations is None else await self._conversations.files()
        owners: set[tuple[str, str]] = set()
        for run_id in await self._store.created_before(before):
            try:
                ids |= possible_file_ids(await self._store.events(run_id))
            except LogDamaged as error:
                log.warning("all files of the user of run %s stay: %s", run_id, error)
                if (record := await self._store.record(run_id)) is not None:
                    owners.add((record.identity.app_id, record.identity.end_user_id))
        return Kept(ids, owners)


async def in_batches(
    remove: Callable[[], Awaitable[int]], batch: int = BATCH, progress: Callable[[int], None] | None = None
) -> int:
    """Remove until there is less than a batch. ``progress``: called with the number so far after each. Returns it."""
    total = 0
    while True:
        removed = await remove()
        total += removed
        if progress is not None and removed:
            progress(total)
        if removed < batch:
            return total
        await asyncio.sleep(_PAUSE)


class Archiving:
    """Moves runs by the clock."""

    def __init__(self, runs: RunArchiving, clock: Clock, *, days: float) -> None:
        """``days``: after how many days, more than 0."""
        self._runs = runs
        self._clock = clock
        self._days = days

    async def watch(self) -> None:
        """Move what is old enough, again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except JikkoError as error:
                log.error("what is old cannot be moved into the archive, trying again later: %s", error)
            await asyncio.sleep(_LOOK_EVERY)

    async def look(self) -> int:
        """Move what is old enough now. Returns how many runs were moved.
        Raises ``JikkoError``: it cannot be. What was moved until then is in the archive."""
        moved = await self._runs.archive(self._clock() - self._days * _DAY)
        if moved:
            log.info("%d runs were older than %g days, and are in the archive", moved, self._days)
        await self._runs.sweep(self._clock())
        return moved


class Removed(Struct, frozen=True):
    """How many were removed."""

    conversations: int
    runs: int
    files: int

    @property
    def something(self) -> bool:
        return bool(self.conversations or self.runs or self.files)


class UserRemoval:
    """Removes conversations, messages, feedback, variables; runs, logs, call-backs, idempotency keys; and files.

    May be broken off at any time, and done again; what was removed until then is gone.
    """

    def __init__(
        self, conversations: ConversationStore, runs: RunStore, files: OldFiles, end_users: EndUserStore
    ) -> None:
        self._conversations = conversations
        self._runs = runs
        self._files = files
        self._end_users = end_users

    async def open_runs(self, app_id: str, user: str) -> list[str]:
        """The ids of runs that have to be stopped first: those that go on, and those that wait for a form."""
        return await self._runs.open_of_user(app_id, end_user(app_id, user))

    async def remove(self, app_id: str, user: str, *, alone: bool) -> Removed:
        """Remove what there is of an end user. Open runs stay, with what they speak of: see ``open_runs``.

        Args:
            user: As requests name the end user.
            alone: Whether no other process uses the stores. Only then the name goes, too.
        """
        id_ = end_user(app_id, user)
        removed = Removed(
            # First: what runs still tell is dropped then.
            conversations=await self._conversations.delete_all(app_id, id_),
            runs=await in_batches(lambda: self._runs.remove_of_user(app_id, id_, limit=BATCH)),
            files=await in_batches(lambda: self._files.remove_of_user(app_id, id_, limit=BATCH)),
        )
        if alone:
            await self._end_users.remove(app_id, id_)
        return removed
