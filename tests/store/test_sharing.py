"""Database shared by several servers: ownership and requirements."""

import re
import time
from collections.abc import AsyncIterator

import pytest

from jikko.errors import InvalidSettings
from jikko.ports.measures import RecordMeasures
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.migrate import belong, migrate
from jikko.store.postgres.postgres_record import PostgresRecord
from jikko.store.postgres.sharing import (
    read_owner,
    refuse_other_time,
    require_own_connections,
    require_same_time,
    share,
    shared_keys,
)
from tests.store.pooler import pooler
from tests.store.postgres_server import PostgresServer

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.postgres]


@pytest.fixture
async def database(postgres_server: PostgresServer) -> AsyncIterator[Postgres]:
    made = Postgres(postgres_server.made())
    await migrate(made)
    yield made
    await made.close()


async def test_servers_of_any_data_folder_share_a_database_under_one_name(database: Postgres) -> None:
    names = {await share(database, folder, owned=True) for folder in ("one", "other", "one")}

    assert len(names) == 1
    assert names != {""}
    with pytest.raises(InvalidSettings, match="set nats_url"):
        await belong(database, "one")


async def test_a_database_of_one_data_folder_is_shared_by_the_server_of_that_one_alone(database: Postgres) -> None:
    await belong(database, "mine")

    assert await share(database, "mine", owned=False) == "", "its server may run, and know of no others"
    with pytest.raises(InvalidSettings, match="belongs to the server of another data folder"):
        await share(database, "other", owned=True)

    name = await share(database, "mine", owned=True)
    assert name == await share(database, "other", owned=True) != ""


async def test_all_sign_with_the_keys_of_the_first(database: Postgres) -> None:
    first = await shared_keys(database, [b"a" * 32, b"b" * 32])

    assert first == await shared_keys(database, [b"c" * 32]) == await shared_keys(database, [])
    assert first == [b"a" * 32, b"b" * 32]


async def test_what_a_database_belongs_to_and_its_keys_are_read_without_changing_them(database: Postgres) -> None:
    before = await read_owner(database)
    name = await share(database, "one", owned=True)
    keys = await shared_keys(database, [b"a" * 32, b"b" * 32])

    assert before == ("", [])
    assert await read_owner(database) == await read_owner(database) == (f"servers/{name}", keys)


async def test_one_without_keys_gets_one(database: Postgres) -> None:
    [made] = await shared_keys(database, [])

    assert len(made) == 32


async def test_one_whose_clock_was_set_accepts_no_more_until_it_is_right(database: Postgres) -> None:
    ahead = [0.0]
    record = PostgresRecord(database, RecordMeasures(), lambda: time.time() + ahead[0])
    await record.try_to_write()
    # What the question takes is not counted as a difference.
    for seconds, how in ((3600.0, r"3[56]\d\d seconds ahead of"), (-60.0, r"[56]\d seconds behind")):
        ahead[0] = seconds
        with pytest.raises(InvalidSettings, match=f"{how} that of the database"):
            await record.try_to_write()
    await PostgresRecord(database, RecordMeasures()).try_to_write()
    ahead[0] = 0.0
    await record.try_to_write()


async def test_servers_stay_ready_when_it_is_the_clock_of_the_database_that_was_set(
    database: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    # As the server sees it, with another clock than the database from its beginning on.
    record = PostgresRecord(database, RecordMeasures(), lambda: time.time() - 60)

    await record.try_to_write()
    await record.try_to_write()

    [said] = caplog.messages
    assert re.search(r"[56]\d seconds behind that of the database", said)


@pytest.mark.parametrize(("before", "after"), [(100.0, 100.0), (100.0, 200.0), (40.0, 100.0), (104.0, 120.0)])
def test_a_question_that_takes_long_says_nothing_of_clocks(before: float, after: float) -> None:
    refuse_other_time(Postgres("postgresql://host/db"), before, 100.0, after)


@pytest.mark.parametrize(("ahead", "how"), [(60.0, r"[56]\d seconds ahead of"), (-3600.0, r"3[56]\d\d seconds behind")])
async def test_a_clock_that_differs_is_refused(database: Postgres, ahead: float, how: str) -> None:
    with pytest.raises(InvalidSettings, match=how):
        await require_same_time(database, lambda: time.time() + ahead)


async def test_a_clock_that_is_a_little_off_will_do(database: Postgres) -> None:
    assert abs(await require_same_time(database, lambda: time.time() + 1) - 1) < 4


async def test_connections_of_one_s_own_will_do(database: Postgres) -> None:
    await require_own_connections(database)


@pytest.mark.parametrize("mode", ["transaction", "statement"])
async def test_a_pooler_that_shares_connections_is_refused(postgres_server: PostgresServer, mode: str) -> None:
    with pooler(postgres_server, mode) as url:
        database = Postgres(url)
        try:
            with pytest.raises(InvalidSettings, match="behind a pooler"):
                await require_own_connections(database)
        finally:
            await database.close()
