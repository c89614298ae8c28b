"""Files that a retry takes over from another run."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from jikko.apps.end_users import end_user
from jikko.files.memory_blobs import MemoryBlobs
from jikko.files.store import Files
from jikko.ids import new_id
from jikko.ports.stores.file_index import StoredFile
from jikko.repositories.app_store import App
from tests.runs.test_retry import failed
from tests.runs.world import World, end_of

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("world", ["memory", "disk"], indirect=True)]


async def test_files_that_are_taken_over_are_in_use_again(world: World) -> None:
    app, process = await world.chain(), world.process()
    given, made, other = [await stored(world, app, "anna") for _ in range(3)]
    theirs = await stored(world, app, "bob")
    world.script.values = {"a": {"related_id": made}}
    first = await failed(world, process, app, "b", q=f"http://jikko/files/{given}/file-preview?{theirs}")
    world.now += 90 * 86_400

    run = await process.retries.retry(app, first.identity.run_id)

    await end_of(run)
    assert await world.files.expire(world.now - 30 * 86_400) == 2
    left = [await world.file_index.find(file_id) is not None for file_id in (given, made, other, theirs)]
    assert left == [True, True, False, False]


async def test_others_have_their_turn_while_very_many_ids_are_looked_at(world: World) -> None:
    turns, turn_of_use = 0, []

    class Watched(Files):
        """Notes in which turn of the event loop each file is used."""

        async def use(self, file_id: str, *, app_id: str, end_user_id: str) -> StoredFile | None:
            turn_of_use.append(turns)
            return await super().use(file_id, app_id=app_id, end_user_id=end_user_id)

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    world.files = Watched(world.file_index, MemoryBlobs(), world.signer, clock=lambda: world.now)
    app, process = await world.chain(), world.process()
    first = await failed(world, process, app, "b", q=" ".join(new_id() for _ in range(1000)))

    other = asyncio.create_task(take_turns())
    run = await process.retries.retry(app, first.identity.run_id)
    other.cancel()

    await end_of(run)
    assert len(turn_of_use) >= 1000
    assert turn_of_use[-1] - turn_of_use[0] > 10


async def stored(world: World, app: App, user: str) -> str:
    """The id of a file that a user of an app uploaded."""

    async def content() -> AsyncIterator[bytes]:
        yield b"hello"

    end_user_id = end_user(app.id, user)
    file = await world.files.save(
        content(), app_id=app.id, end_user_id=end_user_id, name="a.txt", mime_type="text/plain"
    )
    return file.id
