"""Who uses an app."""

from typing import Protocol

import msgspec


class EndUser(msgspec.Struct, frozen=True, kw_only=True):
    """One user of one app, as the callers of the API tell them apart."""

    id: str
    app_id: str
    user: str
    """The ``user`` of the requests."""
    created_at: float
    """When the first run began or the first file came of those that are kept; seconds since the Unix epoch."""


class EndUserStore(Protocol):
    """End users. What an implementation must do is in ``tests/contract/test_end_user_store.py``.

    A user who starts a run is known by the run; one who only uploads files has to be added. One of whom neither a run
    nor a file is left is not found.
    """

    async def add(self, app_id: str, end_user_id: str, user: str) -> None:
        """Keep an end user's name. Durable when it returns; nothing happens if it is known.

        Raises:
            StoreUnavailable: It could not be written.
        """
        ...

    async def remove(self, app_id: str, end_user_id: str) -> None:
        """Forget an end user's name. Durable when it returns.

        Only if no run, conversation and file of the end user is left, and no other process uses the store: it may
        remember the name.
        """
        ...

    async def has(self, app_id: str, end_user_id: str) -> bool:
        """Whether an end user's name is kept, be nothing else known."""
        ...

    async def find(self, app_id: str, end_user_id: str) -> EndUser | None:
        """An end user of the app. ``end_user_id`` in any case."""
        ...
