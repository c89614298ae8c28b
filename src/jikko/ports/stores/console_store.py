"""Where it is kept who may enter the console: tokens, sessions and tickets. Of each only a SHA-256."""

from typing import Literal, TypeAlias

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
