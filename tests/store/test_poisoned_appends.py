"""An append that the database does not take, however often it is offered."""

from random import Random

import pytest
from msgspec.structs import replace

from jikko.errors import LogUnwritable
from jikko.ports.stores.run_store import CallbackRequest
from jikko.store.postgres.runs.run_store import PostgresRunStore
from tests.contract.runs import Draft, started
from tests.store.postgres_server import new_database

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.postgres]


async def test_it_fails_for_good_and_those_of_its_turn_are_written(request: pytest.FixtureRequest) -> None:
    random = Random(1)
    # Longer than an index takes, packed or not.
    host = "".join(chr(random.randrange(0x4E00, 0x9FFF)) for _ in range(1900))
    async with new_database(request) as database:
        store = PostgresRunStore(database)
        good, bad, many = Draft(), Draft(), Draft()
        poisoned = replace(bad.whole(), projections=(CallbackRequest(url=f"http://{host}"),), mark=7)
        many.record.total_tokens = 1 << 64

        other, *written = store.append(good.step(started())), store.append(poisoned), store.append(many.step(started()))
        await other
        for each in written:
            with pytest.raises(LogUnwritable, match=r"The database rejects the run's events: \w+Error\.") as refused:
                await each
            assert host not in str(refused.value)

        assert await store.record(good.id) is not None
        assert await store.record(bad.id) is None
        await store.close()
