"""Apps by their keys, as a process remembers them, while others change them in the same database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from jikko.ids import new_id
from jikko.repositories.app_store import ApiKey, App, WorkflowVersion
from jikko.store.postgres.app_store import PostgresAppStore
from jikko.store.postgres.database import Postgres
from tests.effort import PATIENCE
from tests.store.postgres_server import PostgresServer

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.postgres]

DIGEST = b"\x00\xff" * 16


class Installation:
    """Two processes on one database, of which the second remembers the app of a key."""

    def __init__(self, database: Postgres, other: Postgres) -> None:
        self.changes, self.remembers = PostgresAppStore(database), PostgresAppStore(other)
        self.database = database
        self.asked = 0
        ask = self.remembers._known._ask

        async def counted(digest: bytes) -> App | None:
            self.asked += 1
            return await ask(digest)

        self.remembers._known._ask = counted

    async def publish(self, name: str = "良い 🙂") -> App:
        app = App(id=new_id(), name=name, mode="workflow", created_at=1.0, workflow_id=new_id())
        version = WorkflowVersion(id=app.workflow_id, app_id=app.id, version="1", number=0, source=b"x", created_at=1.0)
        await self.changes.publish(app, version)
        return app

    async def add_key(self, app: App) -> ApiKey:
        key = ApiKey(id=new_id(), app_id=app.id, digest=DIGEST, hint="app-…", created_at=1.0)
        await self.changes.add_key(key)
        return key

    async def is_known(self) -> None:
        """Until it is remembered."""

        async def without_asking() -> bool:
            before = self.asked
            await self.remembers.app_of_key(DIGEST)
            return self.asked == before

        await until(without_asking)


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            if await is_so():
                return
            await asyncio.sleep(0.01)


@pytest.fixture
async def there(database: Postgres, postgres_server: PostgresServer) -> AsyncIterator[Installation]:
    other = Postgres(database._url)
    yield Installation(database, other)
    await other.close()


async def test_a_key_is_asked_for_once_and_not_at_each_request(there: Installation) -> None:
    app = await there.publish()
    await there.add_key(app)
    await there.is_known()
    asked = there.asked

    for _ in range(100):
        found = await there.remembers.app_of_key(DIGEST)
        assert found is not None
        assert found.id == app.id
    assert there.asked - asked <= 1


@pytest.mark.parametrize("what", ["key removed", "app removed", "version", "environment"])
async def test_what_another_process_changes_is_heard_of_at_once(there: Installation, what: str) -> None:
    app = await there.publish()
    key = await there.add_key(app)
    await there.is_known()

    async def sees_change() -> bool:
        found = await there.remembers.app_of_key(DIGEST)
        if found is None:
            return what in ("key removed", "app removed")
        return found.name == "New" or found.environment != ""

    begun = asyncio.get_running_loop().time()
    match what:
        case "key removed":
            assert await there.changes.delete_key(app.id, key.id)
        case "app removed":
            assert await there.changes.delete_app(app.id, at=2.0)
        case "version":
            made = App(id=app.id, name="New", mode="workflow", created_at=1.0, workflow_id=app.workflow_id)
            assert await there.changes.make_current(made)
        case _:
            assert await there.changes.set_environment(app.id, {"A": "秘密"})
    await until(sees_change)

    assert there.remembers._known._hears
    assert asyncio.get_running_loop().time() - begun < PATIENCE


async def test_what_a_process_changes_itself_is_there_with_its_answer(there: Installation) -> None:
    app = await there.publish()
    key = await there.add_key(app)
    await there.is_known()

    assert await there.remembers.delete_key(app.id, key.id)

    assert await there.remembers.app_of_key(DIGEST) is None


async def test_a_key_that_is_unknown_is_not_remembered_as_such(there: Installation) -> None:
    app = await there.publish()
    assert await there.remembers.app_of_key(DIGEST) is None

    await there.add_key(app)

    assert await there.remembers.app_of_key(DIGEST) is not None


async def test_one_that_hears_nothing_asks_each_time_until_it_hears_again(there: Installation) -> None:
    app = await there.publish()
    key = await there.add_key(app)
    await there.is_known()

    await there.database.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")

    async def is_deaf() -> bool:
        return not there.remembers._known._hears

    await until(is_deaf)
    await there.changes.delete_key(app.id, key.id)
    assert await there.remembers.app_of_key(DIGEST) is None
    await there.add_key(app)
    await there.is_known()


async def test_that_a_key_was_used_is_no_change(there: Installation) -> None:
    await there.add_key(await there.publish())
    await there.is_known()
    changes = there.remembers._known._changes

    await there.changes.note_uses({DIGEST: 5.0})
    # What is heard comes in order.
    await there.publish("Another")

    async def sees_change() -> bool:
        return there.remembers._known._changes > changes

    await until(sees_change)
    # A new app is two changes at most.
    assert there.remembers._known._changes - changes <= 2
