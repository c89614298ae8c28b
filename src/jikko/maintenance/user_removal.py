"""Removing an end user with all data."""

from msgspec import Struct

from jikko.apps.end_users import end_user
from jikko.maintenance.retention import BATCH, in_batches
from jikko.ports.files.file_store import OldFiles
from jikko.ports.stores.run_store import RunStore
from jikko.repositories.conversation_store import ConversationStore
from jikko.repositories.end_user_store import EndUserStore


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
