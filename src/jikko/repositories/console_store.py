"""Access to the console: SHA-256 of tokens, sessions and tickets, and pages of all users' conversations. Nothing is
cached: any process may change it."""

from __future__ import annotations  # operations are functions created per call

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from jikko.ids import is_uuid
from jikko.ports.stores.messages import Conversation
from jikko.repositories import OF_APP, row_reader
from jikko.repositories.conversation_store import CONVERSATION, KEY
from jikko.repositories.record_table import RecordTable
from jikko.repositories.shared_sql import Count, Operation, Row, SqlDatabase, written

Role: TypeAlias = Literal["operator", "viewer"]
"""``operator``: full access. ``viewer``: read access, except to keys, tokens and sources."""
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
"""Group of operations. ``write`` includes ``read``."""
SCOPES: Final[dict[Role, frozenset[Scope]]] = {
    "operator": frozenset(
        ("apps:write", "audit:read", "keys:write", "knowledge:write", "runs:write", "system:write", "tokens:write")
    ),
    "viewer": frozenset(("apps:read", "knowledge:read", "runs:read", "system:read")),
}


class ConsoleToken(msgspec.Struct, frozen=True, kw_only=True):
    """Permanent access token of the console. Only its SHA-256 is stored."""

    id: str
    name: str
    role: Role
    digest: bytes
    hint: str
    """First characters, to tell tokens apart."""
    created_at: float
    """Seconds since the Unix epoch, as all times here."""
    used_at: float | None = None
    """Last use, to the minute; ``None`` if never used."""
    scopes: list[Scope] | None = None
    """``None`` for those of its role."""
    expires_at: float | None = None
    """``None`` for never."""


class ConsoleSession(msgspec.Struct, frozen=True, kw_only=True):
    """Signed-in browser."""

    digest: bytes
    """SHA-256 of its cookie."""
    source: str
    """Origin of the sign-in: the id of a token, or another text; for a shared link ``share_source``."""
    name: str
    role: Role
    created_at: float
    used_at: float
    """Last use, to the minute."""
    scopes: list[Scope] | None = None
    """Scopes of its token; ``None`` for those of its role."""
    expires_at: float | None = None
    """Expiry of its token."""


SHARE: Final = "share "
"""Prefix of the sources of shared links."""


def share_source(run_id: str, maker: str = "") -> str:
    """Return the source of a session for one run: the run's id, then the source of its maker's session, or empty."""
    return f"{SHARE}{run_id} {maker}"


class ConsoleTicket(msgspec.Struct, frozen=True, kw_only=True):
    """Single-use ticket of a sign-in link."""

    digest: bytes
    role: Role
    expires_at: float


_TOKENS: Final = RecordTable("console_tokens", ConsoleToken, columns={"id": "token_id"})
_SESSIONS: Final = RecordTable("console_sessions", ConsoleSession)
_TICKETS: Final = RecordTable("console_tickets", ConsoleTicket)
_OF_DIGEST: Final = "WHERE digest = :digest"
_IN_ORDER: Final = "ORDER BY created_at, [sqlite: rowid][postgres: key]"
_HOLD_TOKEN: Final = "SELECT 1 FROM console_tokens WHERE token_id = :id FOR SHARE"
_DELETE_TOKEN: Final = "DELETE FROM console_tokens WHERE token_id = :id"
_END_SESSIONS: Final = "DELETE FROM console_sessions WHERE :id::text IN (source, nullif(substr(source, 44), ''))"
"""Includes links shared with the token: see ``share_source``."""
_NOTE_USE: Final = "UPDATE console_tokens SET used_at = :at WHERE token_id = :id"

_EXPIRED: Final = ("console_sessions", "console_tokens")
_FORGET_EXPIRED: Final = tuple(f"DELETE FROM {table} WHERE expires_at <= :now::float8" for table in _EXPIRED)

_FORGET_SESSIONS: Final = "DELETE FROM console_sessions WHERE created_at < :oldest"
_TOUCH_SESSION: Final = "UPDATE console_sessions SET used_at = :at WHERE digest = :digest"
_OPEN_SESSION: Final = f"{_TOUCH_SESSION} AND used_at = 0"
_SHARES: Final = _SESSIONS.select("WHERE substr(source, 1, 43) = :source ORDER BY created_at, digest")
_DELETE_SESSION: Final = f"DELETE FROM console_sessions {_OF_DIGEST} AND substr(source, 1, 6) <> :kept::text"

_FORGET_TICKETS: Final = "DELETE FROM console_tickets WHERE expires_at <= :now"
_TAKE_TICKET: Final = f"DELETE FROM console_tickets WHERE digest = :digest RETURNING {_TICKETS.columns}"


class ConsoleStore:
    """Tokens, sessions and tickets. All writes are durable on return."""

    def __init__(self, database: SqlDatabase) -> None:
        self._sql = database.sql.with_text_ids()

    async def add_token(self, token: ConsoleToken) -> None:
        await self._sql.write(lambda: _TOKENS.add([token]))

    async def tokens(self) -> list[ConsoleToken]:
        """Return all tokens, oldest first."""
        return await self._sql.quick(lambda: _TOKENS.all(_IN_ORDER))

    async def token_of(self, digest: bytes) -> ConsoleToken | None:
        return _TOKENS.found(await self._sql.row(_TOKENS.select(_OF_DIGEST), digest=digest))

    async def has_token(self, token_id: str) -> bool:
        return await self._sql.row(_TOKENS.select("WHERE token_id = :id"), id=token_id) is not None

    @written
    def delete_token(self, token_id: str) -> Operation[bool]:
        """Delete a token with its sessions. Returns whether it existed."""
        existed = yield Count(_DELETE_TOKEN, id=token_id)
        # Afterwards: a session that is being added holds the token.
        yield Count(_END_SESSIONS, id=token_id)
        return bool(existed)

    async def note_use(self, token_id: str, at: float) -> None:
        await self._sql.count(_NOTE_USE, id=token_id, at=at)

    @written
    def forget_expired(self, now: float) -> Operation[int]:
        """Delete expired tokens with their sessions. Returns the number of tokens."""
        removed = 0
        for statement in _FORGET_EXPIRED:
            removed = yield Count(statement, now=now)
        return removed

    @written
    def add_session(self, session: ConsoleSession, *, oldest: float) -> Operation[bool]:
        """Add a session, and delete those begun before ``oldest``. Returns whether it was added: not if its source, or
        the maker in a ``share_source``, is a deleted token."""
        for each in (session.source, session.source[43:]):
            if is_uuid(each) and (yield Row(_HOLD_TOKEN, id=each)) is None:
                return False
        yield Count(_FORGET_SESSIONS, oldest=oldest)
        yield from _SESSIONS.add([session])
        return True

    async def session(self, digest: bytes) -> ConsoleSession | None:
        return _SESSIONS.found(await self._sql.row(_SESSIONS.select(_OF_DIGEST), digest=digest))

    async def touch_session(self, digest: bytes, at: float) -> None:
        await self._sql.count(_TOUCH_SESSION, digest=digest, at=at)

    async def open_session(self, digest: bytes, at: float) -> bool:
        """Record the first use of a session. Returns whether it was the first; atomic."""
        return await self._sql.count(_OPEN_SESSION, digest=digest, at=at) > 0

    async def shares(self, run_id: str) -> list[ConsoleSession]:
        """Return the shared links of a run, oldest first."""
        return _SESSIONS.records(await self._sql.rows(_SHARES, source=share_source(run_id)))

    async def delete_session(self, digest: bytes, *, shared: bool = True) -> bool:
        """Delete a session. ``shared``: Also a shared link. Returns whether it existed."""
        return await self._sql.count(_DELETE_SESSION, digest=digest, kept="" if shared else SHARE) > 0

    @written
    def add_ticket(self, ticket: ConsoleTicket, *, now: float) -> Operation[None]:
        """Add a ticket, and delete expired ones."""
        yield Count(_FORGET_TICKETS, now=now)
        yield from _TICKETS.add([ticket])

    async def take_ticket(self, digest: bytes, *, now: float) -> ConsoleTicket | None:
        """Remove a ticket, and return it unless it has expired. Only one of concurrent callers gets it."""

        def take() -> Operation[ConsoleTicket | None]:
            return _TICKETS.found((yield Row(_TAKE_TICKET, digest=digest)))

        ticket = await self._sql.write(take)
        return None if ticket is None or ticket.expires_at <= now else ticket


_ONE: Final = f"{CONVERSATION} WHERE c.conversation_id = :id"
_NEWEST: Final = "AND (updated_at, key) < (:at, :key) ORDER BY updated_at DESC, key DESC LIMIT :limit"
_LAST_UPDATED_FIRST: Final = "ORDER BY c.updated_at DESC, c.key DESC"
# Everything outside of the page is skipped in the index alone.
_PAGE: Final = f"""
{CONVERSATION} WHERE c.key IN (
  SELECT key FROM conversations INDEXED BY conversations_of_app WHERE {OF_APP} {_NEWEST})
{_LAST_UPDATED_FIRST}
"""
_PAGE_OF_USER: Final = f"""
{CONVERSATION} WHERE c.key IN (
  SELECT key FROM conversations
  WHERE [sqlite: end_user IN (
      SELECT key FROM end_users WHERE app = (SELECT key FROM names WHERE text = :app_id::text) AND session = :user)]
    [postgres: app_id = :app_id AND session = :user] {_NEWEST})
{_LAST_UPDATED_FIRST}
"""
_LAST: Final = (1e15, 0)


class ConversationSlice(Struct, frozen=True):
    """Page of conversations, last updated first."""

    conversations: Sequence[Conversation]
    next: tuple[float, int] | None = None
    """Cursor of the next page: time of update, and a number that breaks ties."""


class ChatPages:
    """Reads the conversations of all users."""

    def __init__(self, database: SqlDatabase) -> None:
        self._sql = database.sql

    async def conversations(
        self, app_id: str, *, user: str | None, behind: tuple[float, int] | None, limit: int
    ) -> ConversationSlice:
        """Return conversations of an app, last updated first. ``user``: Only those of end users of that name."""
        at, key = behind or _LAST
        sql = _PAGE if user is None else _PAGE_OF_USER
        found = await self._sql.rows(sql, app_id=app_id, user=user, at=at, key=key, limit=limit + 1)
        shown = [row_reader.conversation(row) for row in found[:limit]]
        more = len(found) > limit
        return ConversationSlice(shown, (shown[-1].updated_at, found[limit - 1][KEY]) if more else None)

    async def conversation(self, conversation_id: str) -> Conversation | None:
        """Return a conversation of any app and end user. ``conversation_id``: Case-insensitive."""
        row = await self._sql.row(_ONE, id=conversation_id.lower())
        return None if row is None else row_reader.conversation(row)
