"""Who may enter the console, in SQLite. Nothing is remembered between calls: any process may change it."""

import sqlite3
from functools import partial
from typing import Any, Final

from jikko.ports.stores.console_store import ConsoleSession, ConsoleTicket, ConsoleToken
from jikko.store.identifiers import storable
from jikko.store.sqlite.database import Database

_TOKEN_COLUMNS: Final = "token_id, name, role, digest, hint, created_at, used_at"
_ADD_TOKEN: Final = f"INSERT INTO console_tokens ({_TOKEN_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
_TOKENS: Final = f"SELECT {_TOKEN_COLUMNS} FROM console_tokens ORDER BY created_at, rowid"
_TOKEN_OF: Final = f"SELECT {_TOKEN_COLUMNS} FROM console_tokens WHERE digest = ?"
_DELETE_TOKEN: Final = "DELETE FROM console_tokens WHERE token_id = ?"
_END_SESSIONS: Final = "DELETE FROM console_sessions WHERE source = ?"
_NOTE_USE: Final = "UPDATE console_tokens SET used_at = ? WHERE token_id = ?"

_ADD_SESSION: Final = """
INSERT INTO console_sessions (digest, source, name, role, created_at, used_at) VALUES (?, ?, ?, ?, ?, ?)
"""
_SESSION: Final = "SELECT digest, source, name, role, created_at, used_at FROM console_sessions WHERE digest = ?"
_FORGET_SESSIONS: Final = "DELETE FROM console_sessions WHERE created_at < ?"
_TOUCH_SESSION: Final = "UPDATE console_sessions SET used_at = ? WHERE digest = ?"
_DELETE_SESSION: Final = "DELETE FROM console_sessions WHERE digest = ?"

_ADD_TICKET: Final = "INSERT INTO console_tickets (digest, role, expires_at) VALUES (?, ?, ?)"
_FORGET_TICKETS: Final = "DELETE FROM console_tickets WHERE expires_at <= ?"
_TICKET: Final = "SELECT digest, role, expires_at FROM console_tickets WHERE digest = ? AND expires_at > ?"
_DELETE_TICKET: Final = "DELETE FROM console_tickets WHERE digest = ?"


class SqliteConsoleStore:
    """A ``ConsoleStore`` in a SQLite file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_token(self, token: ConsoleToken) -> None:
        values = (token.id, storable(token.name), token.role, token.digest, token.hint, token.created_at, token.used_at)
        await self._write(_ADD_TOKEN, values)

    async def tokens(self) -> list[ConsoleToken]:
        return [_token(row) for row in self._database.quick(lambda connection: connection.execute(_TOKENS).fetchall())]

    async def token_of(self, digest: bytes) -> ConsoleToken | None:
        row = self._database.quick(lambda connection: connection.execute(_TOKEN_OF, (digest,)).fetchone())
        return None if row is None else _token(row)

    async def delete_token(self, token_id: str) -> bool:
        deleted: int = await self._database.submit(partial(_delete_token, token_id))
        return deleted > 0

    async def note_use(self, token_id: str, at: float) -> None:
        await self._write(_NOTE_USE, (at, token_id))

    async def add_session(self, session: ConsoleSession, *, oldest: float) -> None:
        name = storable(session.name)
        values = (session.digest, session.source, name, session.role, session.created_at, session.used_at)

        def add(connection: sqlite3.Connection) -> None:
            connection.execute(_FORGET_SESSIONS, (oldest,))
            connection.execute(_ADD_SESSION, values)

        await self._database.submit(add)

    async def session(self, digest: bytes) -> ConsoleSession | None:
        row = self._database.quick(lambda connection: connection.execute(_SESSION, (digest,)).fetchone())
        if row is None:
            return None
        return ConsoleSession(digest=row[0], source=row[1], name=row[2], role=row[3], created_at=row[4], used_at=row[5])

    async def touch_session(self, digest: bytes, at: float) -> None:
        await self._write(_TOUCH_SESSION, (at, digest))

    async def delete_session(self, digest: bytes) -> bool:
        return await self._write(_DELETE_SESSION, (digest,)) > 0

    async def add_ticket(self, ticket: ConsoleTicket, *, now: float) -> None:
        def add(connection: sqlite3.Connection) -> None:
            connection.execute(_FORGET_TICKETS, (now,))
            connection.execute(_ADD_TICKET, (ticket.digest, ticket.role, ticket.expires_at))

        await self._database.submit(add)

    async def take_ticket(self, digest: bytes, *, now: float) -> ConsoleTicket | None:
        def take(connection: sqlite3.Connection) -> Any:
            row = connection.execute(_TICKET, (digest, now)).fetchone()
            connection.execute(_DELETE_TICKET, (digest,))
            return row

        row = await self._database.submit(take)
        return None if row is None else ConsoleTicket(digest=row[0], role=row[1], expires_at=row[2])

    async def _write(self, sql: str, values: tuple[Any, ...]) -> int:
        changed: int = await self._database.submit(lambda connection: connection.execute(sql, values).rowcount)
        return changed


def _delete_token(token_id: str, connection: sqlite3.Connection) -> int:
    connection.execute(_END_SESSIONS, (token_id,))
    return connection.execute(_DELETE_TOKEN, (token_id,)).rowcount


def _token(row: tuple[Any, ...]) -> ConsoleToken:
    return ConsoleToken(
        id=row[0], name=row[1], role=row[2], digest=row[3], hint=row[4], created_at=row[5], used_at=row[6]
    )
