"""Who may enter the console. Nothing is remembered between calls: any process may change it."""

from __future__ import annotations  # operations are functions that are made for each call

from typing import Final

from jikko.ports.stores.console_store import ConsoleSession, ConsoleTicket, ConsoleToken
from jikko.repositories.identifiers import id_text
from jikko.repositories.sql import Count, Operation, Record, Row, Rows, SqlDatabase

_TOKEN_COLUMNS: Final = "token_id, name, role, digest, hint, created_at, used_at"
_ADD_TOKEN: Final = f"""
INSERT INTO console_tokens ({_TOKEN_COLUMNS}) VALUES (:id, :name, :role, :digest, :hint, :created_at, :used_at)
"""
_TOKENS: Final = f"SELECT {_TOKEN_COLUMNS} FROM console_tokens ORDER BY created_at, [sqlite: rowid][postgres: key]"
_TOKEN_OF: Final = f"SELECT {_TOKEN_COLUMNS} FROM console_tokens WHERE digest = :digest"
_DELETE_TOKEN: Final = "DELETE FROM console_tokens WHERE token_id = :id"
_END_SESSIONS: Final = "DELETE FROM console_sessions WHERE source = :id::text"
_NOTE_USE: Final = "UPDATE console_tokens SET used_at = :at WHERE token_id = :id"

_SESSION_COLUMNS: Final = "digest, source, name, role, created_at, used_at"
_ADD_SESSION: Final = f"""
INSERT INTO console_sessions ({_SESSION_COLUMNS}) VALUES (:digest, :source, :name, :role, :created_at, :used_at)
"""
_SESSION: Final = f"SELECT {_SESSION_COLUMNS} FROM console_sessions WHERE digest = :digest"
_FORGET_SESSIONS: Final = "DELETE FROM console_sessions WHERE created_at < :oldest"
_TOUCH_SESSION: Final = "UPDATE console_sessions SET used_at = :at WHERE digest = :digest"
_DELETE_SESSION: Final = "DELETE FROM console_sessions WHERE digest = :digest"

_ADD_TICKET: Final = "INSERT INTO console_tickets (digest, role, expires_at) VALUES (:digest, :role, :expires_at)"
_FORGET_TICKETS: Final = "DELETE FROM console_tickets WHERE expires_at <= :now"
_TAKE_TICKET: Final = "DELETE FROM console_tickets WHERE digest = :digest RETURNING digest, role, expires_at"


class ConsoleStore:
    """Tokens, sessions and tickets. All writes are durable when they return."""

    def __init__(self, database: SqlDatabase) -> None:
        self._sql = database.sql.with_text_ids()

    async def add_token(self, token: ConsoleToken) -> None:
        await self._sql.count(
            _ADD_TOKEN,
            id=token.id,
            name=token.name,
            role=token.role,
            digest=token.digest,
            hint=token.hint,
            created_at=token.created_at,
            used_at=token.used_at,
        )

    async def tokens(self) -> list[ConsoleToken]:
        """All tokens, oldest first."""

        def read() -> Operation[list[ConsoleToken]]:
            return [_token(row) for row in (yield Rows(_TOKENS))]

        return await self._sql.quick(read)

    async def token_of(self, digest: bytes) -> ConsoleToken | None:
        row = await self._sql.row(_TOKEN_OF, digest=digest)
        return None if row is None else _token(row)

    async def delete_token(self, token_id: str) -> bool:
        """Remove a token, and the sessions that it began. Returns whether there was one."""

        def delete() -> Operation[bool]:
            yield Count(_END_SESSIONS, id=token_id)
            return bool((yield Count(_DELETE_TOKEN, id=token_id)))

        return await self._sql.write(delete)

    async def note_use(self, token_id: str, at: float) -> None:
        """Keep when a token was used last."""
        await self._sql.count(_NOTE_USE, id=token_id, at=at)

    async def add_session(self, session: ConsoleSession, *, oldest: float) -> None:
        """Keep a session, and forget those that began before ``oldest``."""

        def add() -> Operation[None]:
            yield Count(_FORGET_SESSIONS, oldest=oldest)
            yield Count(
                _ADD_SESSION,
                digest=session.digest,
                source=session.source,
                name=session.name,
                role=session.role,
                created_at=session.created_at,
                used_at=session.used_at,
            )

        await self._sql.write(add)

    async def session(self, digest: bytes) -> ConsoleSession | None:
        row = await self._sql.row(_SESSION, digest=digest)
        if row is None:
            return None
        return ConsoleSession(digest=row[0], source=row[1], name=row[2], role=row[3], created_at=row[4], used_at=row[5])

    async def touch_session(self, digest: bytes, at: float) -> None:
        """Keep when a session was used last."""
        await self._sql.count(_TOUCH_SESSION, digest=digest, at=at)

    async def delete_session(self, digest: bytes) -> bool:
        return await self._sql.count(_DELETE_SESSION, digest=digest) > 0

    async def add_ticket(self, ticket: ConsoleTicket, *, now: float) -> None:
        """Keep a ticket, and forget those whose time is up."""

        def add() -> Operation[None]:
            yield Count(_FORGET_TICKETS, now=now)
            yield Count(_ADD_TICKET, digest=ticket.digest, role=ticket.role, expires_at=ticket.expires_at)

        await self._sql.write(add)

    async def take_ticket(self, digest: bytes, *, now: float) -> ConsoleTicket | None:
        """A ticket whose time is not up. It is gone then: of two who take it one gets it."""

        def take() -> Operation[Record | None]:
            return (yield Row(_TAKE_TICKET, digest=digest))

        row = await self._sql.write(take)
        if row is None or row[2] <= now:
            return None
        return ConsoleTicket(digest=row[0], role=row[1], expires_at=row[2])


def _token(row: Record) -> ConsoleToken:
    return ConsoleToken(
        id=id_text(row[0]), name=row[1], role=row[2], digest=row[3], hint=row[4], created_at=row[5], used_at=row[6]
    )
