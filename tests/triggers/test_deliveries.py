"""Deliveries: which can be discarded."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from jikko.errors import Conflict
from jikko.ports.stores.delivery_store import Delivery
from jikko.triggers.deliveries import Deliveries

pytestmark = pytest.mark.anyio


class Stored:
    """A delivery and its run, as the stores have them."""

    def __init__(self, status: str) -> None:
        self.run = SimpleNamespace(
            status=status, is_open=status == "paused", created_at=1.0, error=None, identity=SimpleNamespace(run_id="r")
        )

    async def find(self, delivery_id: str) -> Delivery:
        return Delivery(id=delivery_id, app_id="a", trigger_id="t", received_at=1.0, run_id="r")

    async def record(self, run_id: str) -> Any:
        return self.run

    async def retries(self, run_id: str) -> list[Any]:
        return []


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("paused", "is running and cannot be discarded: stop its run first: `jikko runs stop r`."),
        ("succeeded", "is done and cannot be discarded: it did not fail."),
    ],
)
async def test_who_cannot_discard_a_delivery_is_told_what_to_do(status: str, told: str) -> None:
    stores = cast("Any", Stored(status))
    deliveries = Deliveries(stores, stores, stores, stores, lambda: 2.0)

    with pytest.raises(Conflict) as refused:
        await deliveries.discard("d")
    assert str(refused.value) == f"Delivery d {told}"
