"""Questions of one turn of the event loop are asked in one query, over connections that are kept."""

import asyncio
from typing import Any

import pytest

from jikko.errors import StoreUnavailable
from jikko.store.postgres.runs.query_batcher import QueryBatcher
from tests.effort import PATIENCE

pytestmark = pytest.mark.anyio


class FakeConnection:
    """Answers each question with its double."""

    def __init__(self, database: "FakeDatabase") -> None:
        self._database = database
        self.is_lost = self.is_terminated = self.is_ended = False

    async def fetch(self, statement: str, *values: Any) -> list[tuple[int, int]]:
        self._database.under_way += 1
        self._database.most = max(self._database.most, self._database.under_way)
        try:
            await asyncio.sleep(0)
            if self.is_lost or self._database.fails:
                self.is_lost = True
                raise ConnectionResetError
        finally:
            self._database.under_way -= 1
        self._database.asked.append((statement, values))
        if statement == "one":
            return [(1, 2 * values[0])]
        return [(number, 2 * value) for number, value in enumerate(values[0], 1) if value >= 0]

    def is_closed(self) -> bool:
        return self.is_lost

    def terminate(self) -> None:
        self.is_terminated = True

    async def close(self, **_: Any) -> None:
        self.is_ended = True


class FakeDatabase:
    def __init__(self) -> None:
        self.connections: list[FakeConnection] = []
        self.asked: list[tuple[str, Any]] = []
        self.under_way = self.most = 0
        self.fails = False

    async def connect(self, *, by_key: bool) -> FakeConnection:
        assert by_key
        self.connections.append(FakeConnection(self))
        return self.connections[-1]


@pytest.fixture
def database() -> FakeDatabase:
    return FakeDatabase()


@pytest.fixture
def together(database: FakeDatabase) -> QueryBatcher:
    fake: Any = database
    return QueryBatcher(fake, "many", one="one")


async def rows(together: QueryBatcher, *questions: int) -> list[Any]:
    return list(await asyncio.gather(*(together.ask(question) for question in questions)))


async def test_one_question_is_asked_alone_and_its_connection_is_kept(
    database: FakeDatabase, together: QueryBatcher
) -> None:
    for question in (3, 4, 5):
        assert await rows(together, question) == [(1, 2 * question)]

    assert database.asked == [("one", (3,)), ("one", (4,)), ("one", (5,))]
    [connection] = database.connections
    await together.close()
    assert (connection.is_ended, connection.is_terminated) == (True, False)


async def test_questions_of_one_turn_are_one_query_and_each_gets_its_row(
    database: FakeDatabase, together: QueryBatcher
) -> None:
    assert await rows(together, 3, -1, 5) == [(1, 6), None, (3, 10)]
    assert [statement for statement, _ in database.asked] == ["many"]


@pytest.mark.parametrize(("count", "queries"), [(256, [256]), (257, [1, 256]), (600, [88, 256, 256])])
async def test_a_query_has_256_questions_at_most(
    database: FakeDatabase, together: QueryBatcher, count: int, queries: list[int]
) -> None:
    found = await rows(together, *range(count))

    assert [row[1] for row in found] == [2 * number for number in range(count)]
    sizes = [1 if statement == "one" else len(values[0]) for statement, values in database.asked]
    assert sorted(sizes) == queries
    assert database.most <= 2


async def test_a_question_that_is_asked_as_the_last_queries_end_waits_for_no_other(together: QueryBatcher) -> None:
    async def twice(question: int) -> list[Any]:
        return [await together.ask(question), await together.ask(question)]

    asking = [asyncio.create_task(twice(question)) for question in range(256)]
    await asyncio.sleep(0)
    last = together.ask(256)  # a second query, which ends in the same turn

    async with asyncio.timeout(PATIENCE):
        found = await asyncio.gather(*asking)

    assert [[row[1] for row in rows] for rows in found] == [[2 * question] * 2 for question in range(256)]
    assert await last == (1, 512)


async def test_a_kept_connection_that_was_lost_is_replaced_unseen(
    database: FakeDatabase, together: QueryBatcher
) -> None:
    await rows(together, 1)
    database.connections[0].is_lost = True

    assert await rows(together, 2) == [(1, 4)]
    assert [connection.is_terminated for connection in database.connections] == [True, False]


async def test_a_database_that_is_away_is_told_to_all_who_ask_and_asked_again_later(
    database: FakeDatabase, together: QueryBatcher
) -> None:
    database.fails = True
    failures = await asyncio.gather(*(together.ask(number) for number in range(3)), return_exceptions=True)
    assert [type(failure) for failure in failures] == [StoreUnavailable] * 3

    database.fails = False
    assert await rows(together, 2) == [(1, 4)]
