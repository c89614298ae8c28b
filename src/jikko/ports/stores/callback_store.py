"""Where call-backs are kept until they are delivered, and the secrets that they are signed with."""

from typing import Literal, Protocol, TypeAlias
from urllib.parse import urlsplit

import msgspec

CallbackState: TypeAlias = Literal["pending", "delivered", "failed"]


class Callback(msgspec.Struct, frozen=True, kw_only=True):
    """A run's end, to be reported to an address. There is one per run at most; it goes when the run is removed."""

    run_id: str
    app_id: str
    url: str
    created_at: float
    """When the run was accepted, in seconds since the Unix epoch."""
    state: CallbackState = "pending"
    """``failed``: given up."""
    attempts: int = 0
    first_at: float | None = None
    """The first attempt since it was made, or resent."""
    next_at: float = 0.0
    """It is not tried before."""
    finished_at: float | None = None
    """When it was delivered or given up."""
    error: str | None = None
    """What was wrong with the last attempt."""

    @property
    def receiver(self) -> str:
        """Whom it goes to; see ``receiver_of``."""
        return receiver_of(self.url)


def receiver_of(url: str) -> str:
    """Host and port of an address, as far as it names them, in lower case."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()


class CallbackStore(Protocol):
    """Call-backs. They are made by ``RunStore.append``, in the transaction that creates their run.

    What an implementation must do is in ``tests/contract/test_callback_store.py``.
    """

    async def due(self, now: float, *, each: int = 100, limit: int = 100) -> list[Callback]:
        """Pending ones whose run has ended and that may be tried now, the longest overdue first.

        Args:
            each: How many of one receiver at most: the longest overdue of its.
        """
        ...

    async def next_due(self, after: float) -> float | None:
        """When, behind a moment, the next pending one whose run has ended may be tried; ``None`` if there is none."""
        ...

    async def pending(self) -> tuple[int, float | None]:
        """How many are pending whose run has ended, and the first attempt of that which was tried first."""
        ...

    async def save(self, callback: Callback) -> None:
        """Keep what became of an attempt. One whose run was removed is not kept. Durable when this returns.

        An attempt that failed changes nothing of a call-back that was delivered meanwhile: of two processes that try,
        one may have stood still for long. One without ``first_at``, which is to be delivered again, does.
        """
        ...

    async def find(self, run_id: str) -> Callback | None:
        """The call-back of a run. ``run_id`` in any case."""
        ...

    async def undelivered(
        self, *, app_id: str | None = None, after: Callback | None = None, limit: int = 1000
    ) -> list[Callback]:
        """Some of those that are pending or given up and whose run has ended, oldest first.

        Args:
            after: Begin behind this one, whatever has become of it.
        """
        ...

    async def secret(self, app_id: str, new: str) -> str:
        """The secret of an app; it becomes ``new`` if it has none. Durable when this returns."""
        ...

    async def set_secret(self, app_id: str, new: str) -> None:
        """Replace the secret of an app. Durable when this returns."""
        ...
