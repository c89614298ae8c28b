"""Contract of ``TriggerStore``."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from jikko.ids import new_id
from jikko.ports.stores.trigger_store import Trigger, TriggerKind
from jikko.repositories.app_store import AppStore
from jikko.repositories.trigger_store import TriggerStore
from jikko.store.postgres.app_store import PostgresAppStore
from jikko.store.sqlite import Database
from tests.store.postgres_server import POSTGRES, new_database

from .test_app_store import a_version, an_app

pytestmark = pytest.mark.anyio


@dataclass
class Stores:
    apps: AppStore
    triggers: TriggerStore


@pytest.fixture(params=["sqlite", POSTGRES])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    if request.param == "postgres":
        async with new_database(request) as postgres:
            yield Stores(PostgresAppStore(postgres), TriggerStore(postgres))
        return
    database = Database.open(tmp_path / "jikko.db")
    yield Stores(AppStore(database), TriggerStore(database))
    database.close()


def a_trigger(app_id: str, node: str, kind: TriggerKind = "webhook", at: float = 1.0) -> Trigger:
    address = new_id()[-24:] if kind == "webhook" else ""
    return Trigger(id=new_id(), app_id=app_id, node_id=node, kind=kind, address=address, created_at=at)


async def test_triggers_come_with_a_version_and_go_with_the_app(stores: Stores) -> None:
    app = an_app()
    hook, clock = a_trigger(app.id, "フック 🙂"), a_trigger(app.id, "clock", "schedule")
    await stores.apps.publish(app, a_version(), [hook, clock])

    assert await stores.triggers.of_app(app.id) == [hook, clock]
    assert await stores.triggers.all() == [hook, clock]
    assert await stores.triggers.all("schedule") == [clock]
    assert await stores.triggers.find(hook.id.upper()) == hook
    assert await stores.triggers.at(hook.address) == hook
    assert await stores.triggers.at("") is None

    assert await stores.apps.delete_app(app.id, at=2.0)
    assert await stores.triggers.all() == []
    assert await stores.triggers.at(hook.address) is None


async def test_a_node_keeps_its_trigger_but_for_what_it_is(stores: Stores) -> None:
    app = an_app()
    hook = a_trigger(app.id, "t")
    await stores.apps.publish(app, a_version(), [hook])
    assert await stores.triggers.enable(hook.id, False)

    await stores.apps.keep_triggers([a_trigger(app.id, "t", at=5.0)])
    assert await stores.triggers.all() == [replace(hook, enabled=False)]

    await stores.apps.publish(app, a_version(), [a_trigger(app.id, "t", "schedule")])
    assert await stores.triggers.all() == [replace(hook, enabled=False, kind="schedule")]


async def test_a_trigger_is_switched_on_and_off(stores: Stores) -> None:
    app = an_app()
    hook = a_trigger(app.id, "t")
    await stores.apps.publish(app, a_version(), [hook])

    assert await stores.triggers.enable(hook.id, False)
    assert not (await stores.triggers.all())[0].enabled
    assert await stores.triggers.enable(hook.id, True)
    assert (await stores.triggers.all())[0].enabled
    assert not await stores.triggers.enable(new_id(), True)
