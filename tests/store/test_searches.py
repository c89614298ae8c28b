"""Searches in PostgreSQL, which may look at very many rows, keep nothing else waiting."""

import asyncio

import pytest

from jikko.errors import StoreUnavailable
from jikko.store.postgres import database as module
from jikko.store.postgres.database import IF_IT_CAN, RETRIEVALS, Postgres
from tests.effort import PATIENCE

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.postgres]

ENDLESS = "SELECT pg_sleep(3600)"
RUNNING = f"""
SELECT count(*) FROM pg_stat_activity
WHERE query = '{ENDLESS}' AND state = 'active' AND datname = current_database()
"""


async def until_there_run(database: Postgres, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        running = -1
        while running != count:
            running = await database.value(RUNNING)


async def test_many_searches_leave_the_connections_of_all_else_free(
    database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches = [asyncio.ensure_future(database.search(ENDLESS)) for _ in range(10)]
    await until_there_run(database, 2)

    # As many as there are connections for what is no search.
    assert await asyncio.gather(*(database.value("SELECT 1") for _ in range(6))) == [1] * 6
    assert await database.value(RUNNING) == 2
    assert database.connections()["used"] == 2
    monkeypatch.setattr(module, "_MAX_SECONDS", 0.01)
    with pytest.raises(StoreUnavailable, match="Too many searches at once"):
        await database.search("SELECT 1")
    monkeypatch.undo()

    # What nobody waits for is given up by the server, too.
    for search in searches:
        search.cancel()
    await asyncio.gather(*searches, return_exceptions=True)
    await until_there_run(database, 0)


async def test_the_server_ends_a_search_whose_time_is_up(database: Postgres) -> None:
    [[limit, looks]] = await database.search(
        "SELECT current_setting('statement_timeout'), current_setting('client_connection_check_interval')"
    )
    assert (limit, looks) == ("70s", "5s")
    assert await database.value("SELECT current_setting('statement_timeout')") == "0"


async def test_where_searches_are_the_work_more_of_them_go_on_at_once(database: Postgres) -> None:
    datasets = Postgres(database._url, searches=RETRIEVALS)
    searches = [asyncio.ensure_future(datasets.search(ENDLESS)) for _ in range(RETRIEVALS + 1)]
    await until_there_run(database, RETRIEVALS)
    for search in searches:
        search.cancel()
    await asyncio.gather(*searches, return_exceptions=True)
    await datasets.close()


async def test_a_server_that_cannot_do_something_is_searched_all_the_same(
    database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One on Windows refuses to look whether its client is there."""
    refused = IF_IT_CAN.format("client_connection_check_interval", "none")
    monkeypatch.setattr(module, "_SEARCHING", f"{refused} {IF_IT_CAN.format('statement_timeout', '7s')}")
    assert [tuple(row) for row in await database.search("SELECT current_setting('statement_timeout')")] == [("7s",)]
