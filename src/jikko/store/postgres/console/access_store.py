"""Who may enter the console, in PostgreSQL. Nothing is remembered between calls: any process may change it."""

from typing import Final

from jikko.ports.stores.console_store import ConsoleSession, ConsoleTicket, ConsoleToken
from jikko.store.identifiers import id_text
from jikko.store.postgres.columns import id_column, text
from jikko.store.postgres.database import Connection, Postgres, Row

_TOKEN_COLUMNS: Final = "token_id, name, role, digest, hint, created_at, used_at"
_ADD_TOKEN: Final = f"INSERT INTO console_tokens ({_TOKEN_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)"
_TOKENS: Final = f"SELECT {_TOKEN_COLUMNS} FROM console_tokens ORDER BY created_at, key"
_TOKEN_OF: Final = f"SELECT {_TOKEN_COLUMNS} FROM console_tokens WHERE digest = $1"
_DELETE_TOKEN: Final = "DELETE FROM console_tokens WHERE token_id = $1 RETURNING 1"
_END_SESSIONS: Final = "DELETE FROM console_sessions WHERE source = $1"
_NOTE_USE: Final = "UPDATE console_tokens SET used_at = $2 WHERE token_id = $1"

_SESSION_COLUMNS: Final = "digest, source, name, role, created_at, used_at"
_ADD_SESSION: Final = f"INSERT INTO console_sessions ({_SESSION_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)"
_SESSION: Final = f"SELECT {_SESSION_COLUMNS} FROM console_sessions WHERE digest = $1"
_FORGET_SESSIONS: Final = "DELETE FROM console_sessions WHERE created_at < $1"
_TOUCH_SESSION: Final = "UPDATE console_sessions SET used_at = $2 WHERE digest = $1"
_DELETE_SESSION: Final = "DELETE FROM console_sessions WHERE digest = $1"

_ADD_TICKET: Final = "INSERT INTO console_tickets (digest, role, expires_at) VALUES ($1, $2, $3)"
_FORGET_TICKETS: Final = "DELETE FROM console_tickets WHERE expires_at <= $1"
_TAKE_TICKET: Final = "DELETE FROM console_tickets WHERE digest = $1 RETURNING digest, role, expires_at"


class PostgresConsoleStore:
    """A ``ConsoleStore`` in PostgreSQL. The database is closed by its opener."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    async def add_token(self, token: ConsoleToken) -> None:
        values = (text(token.name), token.role, token.digest, token.hint, token.created_at, token.used_at)
        await self._database.execute(_ADD_TOKEN, id_column(token.id), *values)

    async def tokens(self) -> list[ConsoleToken]:
        return [_token(row) for row in await self._database.fetch(_TOKENS)]

    async def token_of(self, digest: bytes) -> ConsoleToken | None:
        row = await self._database.row(_TOKEN_OF, digest)
        return None if row is None else _token(row)

    async def delete_token(self, token_id: str) -> bool:
        async def delete(connection: Connection) -> bool:
            await connection.execute(_END_SESSIONS, text(token_id))
            return await connection.fetchval(_DELETE_TOKEN, id_column(token_id)) is not None

        return await self._database.transact(delete)

    async def note_use(self, token_id: str, at: float) -> None:
        await self._database.execute(_NOTE_USE, id_column(token_id), at)

    async def add_session(self, session: ConsoleSession, *, oldest: float) -> None:
        who = (text(session.source), text(session.name), session.role)

        async def add(connection: Connection) -> None:
            await connection.execute(_FORGET_SESSIONS, oldest)
            await connection.execute(_ADD_SESSION, session.digest, *who, session.created_at, session.used_at)

        await self._database.transact(add)

    async def session(self, digest: bytes) -> ConsoleSession | None:
        row = await self._database.row(_SESSION, digest)
        if row is None:
            return None
        return ConsoleSession(digest=row[0], source=row[1], name=row[2], role=row[3], created_at=row[4], used_at=row[5])

    async def touch_session(self, digest: bytes, at: float) -> None:
        await self._database.execute(_TOUCH_SESSION, digest, at)

    async def delete_session(self, digest: bytes) -> bool:
        return await self._database.execute(_DELETE_SESSION, digest) > 0

    async def add_ticket(self, ticket: ConsoleTicket, *, now: float) -> None:
        async def add(connection: Connection) -> None:
            await connection.execute(_FORGET_TICKETS, now)
            await connection.execute(_ADD_TICKET, ticket.digest, ticket.role, ticket.expires_at)

        await self._database.transact(add)

    async def take_ticket(self, digest: bytes, *, now: float) -> ConsoleTicket | None:
        row = await self._database.row(_TAKE_TICKET, digest)
        if row is None or row[2] <= now:
            return None
        return ConsoleTicket(digest=row[0], role=row[1], expires_at=row[2])


def _token(row: Row) -> ConsoleToken:
    return ConsoleToken(
        id=id_text(row[0]), name=row[1], role=row[2], digest=row[3], hint=row[4], created_at=row[5], used_at=row[6]
    )
