"""Access to the console as stored: tokens, sessions and tickets. Of each only a SHA-256."""

from typing import Final, Literal, TypeAlias

import msgspec

Role: TypeAlias = Literal["operator", "viewer"]
"""``operator``: may do all. ``viewer``: reads, and sees no keys, tokens and sources."""
Scope: TypeAlias = Literal[
    "apps:read",
    "apps:write",
    "audit:read",
    "keys:write",
    "knowledge:read",
    "knowledge:write",
    "runs:read",
    "runs:write",
    "system:read",
    "system:write",
    "tokens:write",
]
"""A group of operations. Who may write may read the same."""
SCOPES: Final[dict[Role, frozenset[Scope]]] = {
    "operator": frozenset(
        ("apps:write", "audit:read", "keys:write", "knowledge:write", "runs:write", "system:write", "tokens:write")
    ),
    "viewer": frozenset(("apps:read", "knowledge:read", "runs:read", "system:read")),
}
"""Those of a role."""


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
    scopes: list[Scope] | None = None
    """``None``: those of its role."""
    expires_at: float | None = None
    """``None``: never."""


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
    scopes: list[Scope] | None = None
    """Those of its token; ``None``: those of its role."""
    expires_at: float | None = None
    """When its token expires."""


class ConsoleTicket(msgspec.Struct, frozen=True, kw_only=True):
    """What a link has that opens the console once."""

    digest: bytes
    role: Role
    expires_at: float
