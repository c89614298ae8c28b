"""Shared databases: the common identity and keys of several servers, and its requirements."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Final

from jikko.errors import InvalidSettings, JikkoError, StoreUnavailable
from jikko.ids import new_id
from jikko.ports.clock import Clock
from jikko.store.postgres.database import Connection, Postgres
from jikko.store.postgres.migrate import SHARED, is_there, refuse_stranger

_MAKE: Final = "INSERT INTO installation (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING"
_READ: Final = "SELECT value FROM installation WHERE name = $1 FOR UPDATE"
_SET: Final = "UPDATE installation SET value = $2 WHERE name = $1"
_OWNER: Final = "data_folder"
_KEYS: Final = "signing_keys"
KEY_BYTES: Final = 32
"""Size of a key of file links."""
_OF_POOLERS: Final = ("pooling mode", "prepared statement")
"""Texts in the errors of poolers that share connections."""
_MAX_AHEAD_SECONDS: Final = 5.0
"""Tolerated clock difference."""


async def share(database: Postgres, folder_id: str, *, owned: bool) -> str:
    """Make the database shared. Returns the common id of its servers. Raises ``InvalidSettings``: it belongs to another
    data folder, whose server would take over others' runs.

    Args:
        folder_id: Id of this server's data folder. If it owned the database so far, the database is now shared.
        owned: Whether this is the data folder's server. A command beside it does not change the owner.
    """
    cluster = new_id().replace("-", "")[-12:]

    async def claim(connection: Connection) -> str:
        await connection.execute(_MAKE, _OWNER, (SHARED + cluster).encode())
        owner = bytes(await connection.fetchval(_READ, _OWNER)).decode()
        refuse_stranger(database, owner, folder_id, shared=True)
        if owner.startswith(SHARED):
            return owner.removeprefix(SHARED)
        if not owned:
            return ""
        await connection.execute(_SET, _OWNER, (SHARED + cluster).encode())
        return cluster

    return await database.transact(claim)


async def shared_keys(database: Postgres, own: Sequence[bytes]) -> list[bytes]:
    """Return the keys that sign file links on all servers, newest first. ``own``: Keys of this data folder, of 32 bytes
    each: become the shared ones if there are none yet. If empty, a new key is made."""

    async def read(connection: Connection) -> bytes:
        await connection.execute(_MAKE, _KEYS, b"".join(own or [secrets.token_bytes(KEY_BYTES)]))
        return bytes(await connection.fetchval(_READ, _KEYS))

    kept = await database.transact(read)
    return _cut(kept)


def _cut(keys: bytes) -> list[bytes]:
    return [keys[begin : begin + KEY_BYTES] for begin in range(0, len(keys), KEY_BYTES)]


async def read_owner(database: Postgres) -> tuple[str, list[bytes]]:
    """Return the owner of a database, a data folder or a group of servers, and its link keys. Read-only. Raises
    ``StoreUnavailable``: not readable, or without tables of Jikko."""
    if not await is_there(database):
        raise StoreUnavailable(f"The database {database.address} has no tables of Jikko.")
    rows = await database.fetch("SELECT name, value FROM installation WHERE name = ANY($1)", [_OWNER, _KEYS])
    found = {row[0]: bytes(row[1]) for row in rows}
    return found.get(_OWNER, b"").decode(), _cut(found.get(_KEYS, b""))


async def require_same_time(database: Postgres, clock: Clock) -> float:
    """Require that this machine's clock matches the database's. Returns the difference in seconds, positive if ahead.
    Raises ``InvalidSettings``: they differ: times of runs, and the order of their ids, would follow several clocks."""
    before = clock()
    there = float(await database.value("SELECT extract(epoch FROM clock_timestamp())::float8"))
    after = clock()
    refuse_other_time(database, before, there, after)
    return (before + after) / 2 - there


def refuse_other_time(database: Postgres, before: float, there: float, after: float) -> None:
    """Compare this machine's clock, before and after a query, with the database's in between. Raises
    ``InvalidSettings``: they differ by more than the query took."""
    ahead = before - there if before > there else min(after - there, 0.0)
    if abs(ahead) > _MAX_AHEAD_SECONDS:
        raise InvalidSettings(
            f"The clock of this machine is {abs(ahead):.0f} seconds {'ahead of' if ahead > 0 else 'behind'} that of "
            f"the database {database.address}. Servers that share a database need one time: set up NTP on all machines."
        )


async def require_own_connections(database: Postgres) -> None:
    """Require session state in connections, which some poolers do not keep. Raises ``InvalidSettings``: it is lost."""
    try:
        async with database.guard():
            kept = await _keeps_its_own(database)
    except StoreUnavailable as error:
        if not any(hint in str(error.__cause__) for hint in _OF_POOLERS):
            raise
        kept = False
    if not kept:
        raise InvalidSettings(
            f"The database {database.address} is behind a pooler that shares connections (PgBouncer with pool_mode = "
            "transaction or statement). Give database_url the address of PostgreSQL itself, or of a pool with "
            "pool_mode = session."
        )


async def _keeps_its_own(database: Postgres) -> bool:
    one = await database.connect(by_key=True)
    try:
        kept = await one.fetchval("SHOW enable_seqscan") == "off"
        first = await one.fetchval("SELECT pg_backend_pid()")
        other = await database.connect(by_key=True)
        try:
            # A transaction pooler reuses the last used connection for the next client.
            async with other.transaction():
                await other.fetchval("SELECT 1")
                return bool(kept and first == await one.fetchval("SELECT pg_backend_pid()"))
        finally:
            await other.close()
    finally:
        await one.close()


log = logging.getLogger(__name__)

POLL_SECONDS: Final = 2.0
"""Seconds between a server's reads of the keys."""


async def add_key(database: Postgres) -> bytes:
    """Add a key that is accepted, but does not sign yet. Returns it. Raises ``StoreUnavailable``: the database is
    unavailable, or no server has started yet."""
    new = secrets.token_bytes(KEY_BYTES)
    await _change(database, lambda keys: [*keys, new])
    return new


async def make_newest(database: Postgres, key: bytes) -> int:
    """Sign with a key. Returns how many others are accepted. Raises ``StoreUnavailable`` like ``add_key``."""
    return len(await _change(database, lambda keys: [key, *(each for each in keys if each != key)])) - 1


async def forget_older(database: Postgres) -> int:
    """Accept only the signing key. Returns how many were removed. Raises ``StoreUnavailable`` like ``add_key``."""
    before = (await read_owner(database))[1]
    return len(before) - len(await _change(database, lambda keys: keys[:1]))


async def watch(database: Postgres, on_keys: Callable[[Sequence[bytes]], None], seconds: float = POLL_SECONDS) -> None:
    """Poll the keys, newest first, and report them, until cancelled."""
    while True:
        await asyncio.sleep(seconds)
        try:
            on_keys((await read_owner(database))[1])
        except JikkoError as error:
            log.debug("the keys of links cannot be read: %s", error)


async def _change(database: Postgres, change: Callable[[list[bytes]], list[bytes]]) -> list[bytes]:
    # Fails for a database without our tables.
    await read_owner(database)

    async def work(connection: Connection) -> list[bytes]:
        kept = await connection.fetchval(_READ, _KEYS)
        if not kept:
            raise StoreUnavailable(f"The database {database.address} has no keys of servers yet: start one first.")
        keys = change(_cut(bytes(kept)))
        await connection.execute(_SET, _KEYS, b"".join(keys))
        return keys

    return await database.transact(work)
