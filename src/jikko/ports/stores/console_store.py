"""Where it is kept who may enter the console: tokens, sessions and tickets. Of each only a SHA-256."""

from typing import Literal, Protocol, TypeAlias

import msgspec

Role: TypeAlias = Literal["operator", "viewer"]
"""``operator``: may do all. ``viewer``: reads, and sees no keys, tokens and sources."""


class ConsoleToken(msgspec.Struct, frozen=True, kw_only=True):
    """What opens the console for good. The token itself is not kept."""

    id: str
    name: str
    role: Role
    digest: bytes
    hint: str
    """Its first characters, to tell tokens apart."""
    created_at: float
    """Seconds since the Unix epoch; so everywhere here."""
    used_at: float | None = None
    """To the minute; ``None``: never."""


class ConsoleSession(msgspec.Struct, frozen=True, kw_only=True):
    """A browser that has signed in."""

    digest: bytes
    """Of its cookie."""
    source: str
    """What it signed in with: the id of a token, or another text for what is none."""
    name: str
    role: Role
    created_at: float
    used_at: float
    """When it was used last, to the minute."""


class ConsoleTicket(msgspec.Struct, frozen=True, kw_only=True):
    """What a link has that opens the console once."""

    digest: bytes
    role: Role
    expires_at: float


class ConsoleStore(Protocol):
    """Tokens, sessions and tickets. All writes are durable when they return."""

    async def add_token(self, token: ConsoleToken) -> None: ...

    async def tokens(self) -> list[ConsoleToken]:
        """All tokens, oldest first."""
        ...

    async def token_of(self, digest: bytes) -> ConsoleToken | None: ...

    async def delete_token(self, token_id: str) -> bool:
        """Remove a token, and the sessions that it began. Returns whether there was one."""
        ...

    async def note_use(self, token_id: str, at: float) -> None:
        """Keep when a token was used last."""
        ...

    async def add_session(self, session: ConsoleSession, *, oldest: float) -> None:
        """Keep a session, and forget those that began before ``oldest``."""
        ...

    async def session(self, digest: bytes) -> ConsoleSession | None: ...

    async def touch_session(self, digest: bytes, at: float) -> None:
        """Keep when a session was used last."""
        ...

    async def delete_session(self, digest: bytes) -> bool: ...

    async def add_ticket(self, ticket: ConsoleTicket, *, now: float) -> None:
        """Keep a ticket, and forget those whose time is up."""
        ...

    async def take_ticket(self, digest: bytes, *, now: float) -> ConsoleTicket | None:
        """A ticket whose time is not up. It is gone then: of two who take it one gets it."""
        ...
