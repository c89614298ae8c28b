"""Two servers pruning one database: each item is removed once, and used ones stay."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

import msgspec
import pytest

from jikko.ports.stores.file_index import Expired, StoredFile
from jikko.ports.stores.run_store import CallbackRequest
from jikko.repositories.file_index import FileIndex
from jikko.store.postgres.conversation_store import PostgresConversationStore
from jikko.store.postgres.database import Connection, Postgres
from jikko.store.postgres.runs.run_store import PostgresRunStore
from tests.contract.conversations import conversation, message
from tests.contract.runs import APP, Draft, paused
from tests.effort import PATIENCE
from tests.maintenance.test_retention import DAY, NOW, Scene
from tests.store.postgres_server import new_database

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.postgres]
T = TypeVar("T")
OLD, RUNS, FILES = 1, 50, 20


class Pair:
    """Two that know nothing of each other, over one database and the same contents of files."""

    def __init__(self, one: Postgres, other: Postgres) -> None:
        self.one, self.other = (Scene(PostgresRunStore(each), FileIndex(each)) for each in (one, other))
        self.other.blobs = self.one.blobs
        self.conversations = [PostgresConversationStore(each) for each in (one, other)]


@pytest.fixture
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Postgres]:
    async with new_database(request) as made:
        yield made


@pytest.fixture
async def pair(database: Postgres) -> AsyncIterator[Pair]:
    other = Postgres(database._url)
    pair = Pair(database, other)
    yield pair
    await pair.one.store.close()
    await pair.other.store.close()
    await other.close()


async def test_each_thing_is_removed_once_and_what_goes_on_stays(pair: Pair) -> None:
    one = pair.one
    for number in range(RUNS):
        await one.run(OLD, end=OLD + number / 100)
    kept = [await one.run(OLD), await one.run(OLD, paused(OLD * DAY)), await one.run(OLD, end=99)]
    waiting = Draft()
    asked = msgspec.structs.replace(waiting.whole(OLD * DAY), projections=[CallbackRequest(url="http://example.test/")])
    await one.store.append(asked)
    files = [await one.file(OLD + number / 100) for number in range(FILES)]
    used, young = await one.file(OLD), await one.file(99)
    held = await one.run(OLD, f={"transfer_method": "local_file", "related_id": used.id})
    alive, asleep = conversation("c1", at=99 * DAY), conversation("c2", at=OLD * DAY)
    for each in (alive, asleep):
        await pair.conversations[0].add_turn(message(f"m of {each.id}", each.id), each)

    pruned = await asyncio.gather(*(scene.prune(50) for scene in (pair.one, pair.other)))
    talks = await asyncio.gather(*(each.prune(50 * DAY) for each in pair.conversations))

    assert sum(each.runs for each in pruned) == RUNS
    assert sum(each.files for each in pruned) == FILES
    assert sum(talks) == 1
    lasting: list[Draft | StoredFile] = [*kept, waiting, held, used, young]
    assert [each for each in lasting if not await one.has(each)] == []
    assert not any([await one.has(file) for file in files])
    assert await pair.conversations[1].conversation(APP, alive.end_user_id, alive.id) is not None


async def beside(database: Postgres, change: str, removal: Awaitable[T]) -> T:
    """Begin to remove while another server is about to change the same row; it has done so in between.

    Returns:
        What the removal returned.
    """
    connection: Connection = await database.connect()
    try:
        async with connection.transaction():
            await connection.execute(change)
            removing = asyncio.ensure_future(removal)
            async with asyncio.timeout(PATIENCE):
                while not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
                    pass
        return await removing
    finally:
        await connection.close()


@pytest.mark.parametrize("change", [f"UPDATE files SET used_at = {NOW}", "DELETE FROM files"])
async def test_a_file_that_was_used_or_removed_meanwhile_is_none_of_those_removed(
    pair: Pair, database: Postgres, change: str
) -> None:
    file = await pair.one.file(OLD)

    assert await beside(database, change, pair.other.index.expire(NOW - DAY)) == Expired(0, [])

    assert await pair.one.has(file) == change.startswith("UPDATE")


async def test_a_conversation_that_goes_on_meanwhile_stays(pair: Pair, database: Postgres) -> None:
    talk = conversation("c1", at=OLD * DAY)
    await pair.conversations[0].add_turn(message("m1", talk.id), talk)

    removal = pair.conversations[1].prune(NOW - DAY)
    assert await beside(database, f"UPDATE conversations SET updated_at = {NOW}", removal) == 0

    assert await pair.conversations[0].conversation(APP, talk.end_user_id, talk.id) is not None
