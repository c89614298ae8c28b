"""The keys of links that several servers share."""

import asyncio
from collections.abc import Sequence

from jikko.assemble.postgres.database_reading import with_database
from jikko.concurrency.shutdown import Shutdown
from jikko.files.signing_keys import SigningKeys
from jikko.settings import Settings
from jikko.store.postgres import sharing
from jikko.store.postgres.database import Postgres


def watch_keys(database: Postgres, keys: SigningKeys, stack: Shutdown) -> None:
    """Have the keys be those of the database whenever these change."""

    def become(read: Sequence[bytes]) -> None:
        if read:
            keys.become(SigningKeys(*read))

    watching = asyncio.get_running_loop().create_task(sharing.watch(database, become))

    async def end() -> None:
        watching.cancel()
        await asyncio.wait([watching])

    stack.step("the keys of links", end)


def change_keys(settings: Settings, *, forget: bool) -> int:
    """Have several servers sign with a new key, or accept none but the newest. Blocks, for both, until all have heard.
    Returns how many older keys are accepted, or are gone.
    Raises ``StoreUnavailable``: the database cannot be used, or no server has started yet."""

    async def change(database: Postgres) -> int:
        if forget:
            count = await sharing.forget_older(database)
        else:
            new = await sharing.add_key(database)
            # First all accept it, then it signs: so none meets a link that it does not know.
            await asyncio.sleep(2 * sharing.POLL_SECONDS)
            count = await sharing.make_newest(database, new)
        await asyncio.sleep(2 * sharing.POLL_SECONDS)
        return count

    return with_database(settings, change)
