"""Call-backs as stored until they are delivered, and the secrets that they are signed with."""

from typing import Literal, TypeAlias
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
