"""Contract of ``RunStore`` for run details visible to key holders."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from jikko.ids import new_id
from jikko.ports.stores.run_store import RunStore
from jikko.repositories.app_store import ApiKey, App, AppStore, WorkflowVersion
from jikko.store.postgres.app_store import PostgresAppStore
from jikko.store.postgres.runs.run_store import PostgresRunStore
from jikko.store.sqlite import Database, SqliteRunStore
from tests.store.postgres_server import POSTGRES, new_database

from .runs import APP, OTHER_APP, Draft, finished, node, paused, started

pytestmark = pytest.mark.anyio

KEY = hashlib.sha256(b"app-key").digest()
OTHER_KEY = hashlib.sha256(b"app-other").digest()


class Stores(NamedTuple):
    """Two apps with a key each, and the runs."""

    apps: AppStore
    runs: RunStore


@pytest.fixture(params=["sqlite", POSTGRES])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    stack = AsyncExitStack()
    if request.param == "postgres":
        postgres = await stack.enter_async_context(new_database(request))
        stores = Stores(PostgresAppStore(postgres), PostgresRunStore(postgres))
    else:
        database = Database.open(tmp_path / "jikko.db")
        stores = Stores(AppStore(database), SqliteRunStore(database))
    for app_id, key in ((APP, KEY), (OTHER_APP, OTHER_KEY)):
        version = WorkflowVersion(id=new_id(), app_id="", version="1", number=0, source=b"app: {}", created_at=1.0)
        app = App(id=app_id, name=app_id, mode="workflow", created_at=1.0, workflow_id="")
        await stores.apps.publish(app, version)
        await stores.apps.add_key(ApiKey(id=key.hex()[:36], app_id=app_id, digest=key, hint="app-…", created_at=1.0))
    yield stores
    await stores.runs.close()
    await stack.aclose()


async def test_it_is_that_of_the_record_in_every_state(stores: Stores) -> None:
    run = Draft()
    for step in ([started(q="ä")], [*node(index=1, text="b"), paused()], [finished(a="\u2028")]):
        await stores.runs.append(run.step(*step))
        detail = await stores.runs.detail(run.id.upper(), KEY)
        record = await stores.runs.record(run.id)
        assert record is not None
        assert detail == record.detail()


async def test_there_is_none_of_an_unknown_run(stores: Stores) -> None:
    await stores.runs.append(Draft().whole())

    assert await stores.runs.detail(new_id(), KEY) is None
    assert await stores.runs.detail("no id", KEY) is None


async def test_a_key_opens_only_the_runs_of_its_app(stores: Stores) -> None:
    run, theirs = Draft(), Draft(app=OTHER_APP)
    for each in (run, theirs):
        await stores.runs.append(each.whole())

    assert await stores.runs.detail(run.id, OTHER_KEY) is None
    assert await stores.runs.detail(theirs.id, KEY) is None
    assert await stores.runs.detail(run.id, b"unknown") is None
    assert await stores.runs.detail(theirs.id, OTHER_KEY) == theirs.record.detail()


async def test_a_key_that_was_revoked_opens_nothing(stores: Stores) -> None:
    run = Draft()
    await stores.runs.append(run.whole())
    assert await stores.runs.detail(run.id, KEY) is not None

    (key,) = await stores.apps.keys(APP)
    await stores.apps.delete_key(APP, key.id)

    assert await stores.runs.detail(run.id, KEY) is None


async def test_nor_does_the_key_of_an_app_that_was_deleted(stores: Stores) -> None:
    run = Draft()
    await stores.runs.append(run.whole())

    await stores.apps.delete_app(APP, at=2000.0)

    assert await stores.runs.detail(run.id, KEY) is None
