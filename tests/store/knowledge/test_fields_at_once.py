"""Metadata fields in PostgreSQL while another server changes them, or their dataset."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from jikko.ids import new_id
from jikko.ports.stores.knowledge_records import MetadataField, Tag
from jikko.store.postgres.database import Connection, Postgres
from jikko.store.postgres.knowledge.postgres_knowledge import PostgresKnowledge
from tests.contract.knowledge.records import dataset_in, put
from tests.store.postgres_server import new_database

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.postgres]

_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Postgres]:
    async with new_database(request) as database:
        yield database


@pytest.mark.parametrize("how", ["renamed", "deleted"])
async def test_a_field_that_is_changed_before_its_use_is_committed_is_changed_there_too(
    how: str, database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = await PostgresKnowledge(database).made()
    dataset = await dataset_in(stores)
    document = await put(stores, dataset)
    field = MetadataField(id=new_id(), dataset_id=dataset.id, name="年 📅", type="number")
    assert await stores.documents.add_field(field)
    is_written, may_commit = asyncio.Event(), asyncio.Event()
    transact = database.transact

    async def held(work: Callable[[Connection], Awaitable[Any]]) -> Any:
        async def work_and_wait(connection: Connection) -> Any:
            result = await work(connection)
            is_written.set()
            await may_commit.wait()
            return result

        monkeypatch.undo()
        return await transact(work_and_wait)

    monkeypatch.setattr(database, "transact", held)
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(
            stores.documents.set_metadata(dataset.id, document.id, {field.name: 2021}, [field.id], partial=True)
        )
        await is_written.wait()
        if how == "renamed":
            tasks.create_task(stores.documents.rename_field(dataset.id, field.id, "jaar"))
        else:
            tasks.create_task(stores.documents.delete_field(dataset.id, field.id))
        while not await database.value(_WAITING):  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.01)
        may_commit.set()

    changed = await stores.documents.document(dataset.id, document.id)
    assert changed is not None
    assert changed.metadata == ({"jaar": 2021} if how == "renamed" else {})
    assert await database.value("SELECT count(*) FROM knowledge.field_use") == (1 if how == "renamed" else 0)


async def test_who_waits_for_one_dataset_holds_up_no_names_of_others(database: Postgres) -> None:
    stores = await PostgresKnowledge(database).made()
    slow, other = await dataset_in(stores, "遅い 🐢"), await dataset_in(stores, "other")
    field = MetadataField(id=new_id(), dataset_id=slow.id, name="年 📅", type="number")
    is_held, may_end = asyncio.Event(), asyncio.Event()

    async def hold(connection: Connection) -> None:
        await connection.fetch("SELECT 1 FROM knowledge.dataset WHERE name = '遅い 🐢' FOR UPDATE")
        is_held.set()
        await may_end.wait()

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(database.transact(hold))
        await is_held.wait()
        waiting = [
            tasks.create_task(stores.documents.add_field(field)),
            tasks.create_task(stores.datasets.change_dataset(slow.id, lambda each: replace(each, name="slow"))),
        ]
        while await database.value(_WAITING) < len(waiting):  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.01)
        assert await stores.datasets.add_tag(Tag(id=new_id(), name="急ぎ", created_at=1.0))
        assert await stores.documents.add_field(replace(field, id=new_id(), dataset_id=other.id))
        await dataset_in(stores, "another")
        may_end.set()

    assert waiting[0].result() is True
    assert [field.name for field, _ in await stores.documents.fields(slow.id)] == ["年 📅"]
