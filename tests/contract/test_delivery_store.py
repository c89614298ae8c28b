"""What every ``DeliveryStore`` does."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from jikko.ids import new_id
from jikko.ports.stores.delivery_store import Delivery, DeliveryStore, Verdict
from jikko.store.repositories.delivery_store import SqlDeliveryStore
from jikko.store.sqlite import Database
from tests.store.postgres_server import POSTGRES, new_database

from .runs import APP, OTHER_APP

pytestmark = pytest.mark.anyio

HOOK, OTHER = APP, OTHER_APP
"""Ids of triggers."""


@pytest.fixture(params=["sqlite", POSTGRES])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DeliveryStore]:
    if request.param == "postgres":
        async with new_database(request) as postgres:
            yield SqlDeliveryStore(postgres)
        return
    database = Database.open(tmp_path / "jikko.db")
    yield SqlDeliveryStore(database)
    database.close()


def a_delivery(at: float, trigger: str = HOOK, verdict: Verdict = "refused") -> Delivery:
    return Delivery(
        id=new_id(),
        app_id=APP,
        trigger_id=trigger,
        received_at=at,
        verdict=verdict,
        reason="理由 🙂",
        sender_id="送信 1",
        method="POST",
        size=3,
    )


async def test_deliveries_of_triggers_are_listed_newest_first(store: DeliveryStore) -> None:
    first, second, third = a_delivery(1.0), a_delivery(2.0, OTHER, "duplicate"), a_delivery(3.0)
    for delivery in (first, second, third):
        await store.add(delivery)

    assert await store.find(first.id.upper()) == first
    assert await store.find(new_id()) is None
    assert await store.newest([HOOK, OTHER]) == [third, second, first]
    assert await store.newest([HOOK], limit=1) == [third]
    assert await store.newest([HOOK, OTHER], before=third) == [second, first]
    assert await store.newest([HOOK, OTHER], since=2.0) == [third, second]
    assert await store.newest([]) == []
    assert (await store.refused(HOOK, since=1.0), await store.refused(OTHER, since=0.0)) == (2, 0)


async def test_a_delivery_is_set_aside(store: DeliveryStore) -> None:
    delivery = a_delivery(1.0)
    await store.add(delivery)

    assert await store.discard(delivery.id, 9.0)
    assert await store.find(delivery.id) == replace(delivery, discarded_at=9.0)
    assert not await store.discard(new_id(), 9.0)


async def test_what_is_old_is_removed_and_refused_ones_earlier(store: DeliveryStore) -> None:
    kept = [a_delivery(5.0), a_delivery(3.0, verdict="duplicate")]
    for delivery in [a_delivery(1.0, verdict="duplicate"), a_delivery(3.0), a_delivery(3.5), *kept]:
        await store.add(delivery)

    assert await store.prune(before=2.0, refused_before=4.0, limit=2) == 2
    assert await store.prune(before=2.0, refused_before=4.0, limit=2) == 1
    assert await store.prune(before=2.0, refused_before=4.0) == 0
    assert sorted(each.id for each in await store.newest([HOOK])) == sorted(each.id for each in kept)
