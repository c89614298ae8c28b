"""Changing the keys of links that several servers have in their database, and hearing of it."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Final

from jikko.errors import JikkoError, StoreUnavailable
from jikko.store.postgres.database import Connection, Postgres
from jikko.store.postgres.sharing import KEY_BYTES, read_owner

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 2.0
"""Between two looks of a server at the keys."""
_READ: Final = "SELECT value FROM installation WHERE name = 'signing_keys' FOR UPDATE"
_WRITE: Final = "UPDATE installation SET value = $1 WHERE name = 'signing_keys'"


async def add_key(database: Postgres) -> bytes:
    """Have a new key be accepted, which signs nothing yet. Returns it.
    Raises ``StoreUnavailable``: the database cannot be used, or no server has started yet."""
    new = secrets.token_bytes(KEY_BYTES)
    await _change(database, lambda keys: [*keys, new])
    return new


async def make_newest(database: Postgres, key: bytes) -> int:
    """Have a key sign. Returns how many others are accepted. Raises ``StoreUnavailable``: as ``add_key``."""
    return len(await _change(database, lambda keys: [key, *(each for each in keys if each != key)])) - 1


async def forget_older(database: Postgres) -> int:
    """Accept nothing but the key that signs. Returns how many are gone. Raises ``StoreUnavailable``: as ``add_key``."""
    before = (await read_owner(database))[1]
    return len(before) - len(await _change(database, lambda keys: keys[:1]))


async def watch(database: Postgres, on_keys: Callable[[Sequence[bytes]], None], seconds: float = LOOK_SECONDS) -> None:
    """Tell the keys, the newest first, again and again, until cancelled."""
    while True:
        await asyncio.sleep(seconds)
        try:
            on_keys((await read_owner(database))[1])
        except JikkoError as error:
            log.debug("the keys of links cannot be read: %s", error)


async def _change(database: Postgres, change: Callable[[list[bytes]], list[bytes]]) -> list[bytes]:
    # Tells a database that is none of ours.
    await read_owner(database)

    async def work(connection: Connection) -> list[bytes]:
        kept = await connection.fetchval(_READ)
        if not kept:
            raise StoreUnavailable(f"The database {database.address} has no keys of servers yet: start one first.")
        whole = bytes(kept)
        keys = change([whole[begin : begin + KEY_BYTES] for begin in range(0, len(whole), KEY_BYTES)])
        await connection.execute(_WRITE, b"".join(keys))
        return keys

    return await database.transact(work)
