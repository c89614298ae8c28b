"""Idempotency keys that several processes claim at once, on one database of PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from jikko.errors import KeyTaken
from jikko.ports.stores.run_store import Append, KeyClaim, new_mark
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.runs.appends import begin_with_keys
from jikko.store.postgres.runs.key_claims import order_of_locks
from jikko.store.postgres.runs.run_rows import RunWrite, write_of
from jikko.store.postgres.runs.run_store import PostgresRunStore
from tests.contract.runs import APP, Draft, finished, started
from tests.store.postgres_server import new_database

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.postgres]

PROCESSES = 3
KEYS = 40


@pytest.fixture
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[list[PostgresRunStore]]:
    async with new_database(request) as database:
        others = [Postgres(database._url) for _ in range(PROCESSES)]
        made = [PostgresRunStore(other) for other in others]
        yield made
        for store in made:
            await store.close()
        for other in others:
            await other.close()


def claiming(key: str, at: float, lifetime: float = 100.0) -> Append:
    """A run that ends at once, under a key."""
    claim = KeyClaim(key=key, fingerprint=b"same", at=at, lifetime=lifetime)
    return msgspec.structs.replace(Draft().step(started(), finished()), projections=[claim])


async def winners(stores: list[PostgresRunStore], keys: list[str], at: float) -> dict[str, set[str]]:
    """The runs that have come of claims of all processes at once, by key."""

    async def claimed(store: PostgresRunStore, key: str) -> tuple[str, str]:
        append = claiming(key, at)
        try:
            await store.append(append)
        except KeyTaken as taken:
            return key, taken.run_id
        return key, append.run_id

    # Each in another order: no two wait for each other.
    orders = [keys, keys[::-1], keys[len(keys) // 2 :] + keys[: len(keys) // 2]]
    found = await asyncio.gather(
        *(claimed(store, key) for store, order in zip(stores, orders, strict=True) for key in order)
    )
    return {key: {run for other, run in found if other == key} for key in keys}


async def test_of_claims_at_once_one_has_the_key_and_the_others_are_told_whose_it_is(
    stores: list[PostgresRunStore],
) -> None:
    keys = [f"良い 🙂 {number}" for number in range(KEYS)]

    runs = await winners(stores, keys, at=1.0)

    assert {key: len(found) for key, found in runs.items()} == dict.fromkeys(keys, 1)
    for key, [run] in runs.items():
        assert await stores[0].claimed(APP, key, now=2.0) == (run, b"same")


async def test_so_it_is_with_keys_whose_time_is_over(stores: list[PostgresRunStore]) -> None:
    keys = [str(number) for number in range(KEYS)]
    before = await winners(stores, keys, at=1.0)

    runs = await winners(stores, keys, at=1000.0)

    assert {key: len(found) for key, found in runs.items()} == dict.fromkeys(keys, 1)
    assert all(before[key].isdisjoint(runs[key]) for key in keys)


async def test_many_of_one_process_share_a_few_statements_and_so_they_do_when_they_are_offered_again(
    stores: list[PostgresRunStore],
) -> None:
    """A batch whose statements are as many as its appends is not done before the next connection is lost."""
    store, statements = stores[0], list[str]()
    connection = await store._writer._connected()
    connection.add_query_logger(lambda query: statements.append(query.query))
    appends = [msgspec.structs.replace(claiming(str(number), at=1.0), mark=new_mark()) for number in range(KEYS)]

    await asyncio.gather(*map(store.append, appends))
    first = len(statements)
    await asyncio.gather(*map(store.append, appends))

    assert first < 10
    assert len(statements) - first < 15
    for number, append in enumerate(appends):
        assert await store.claimed(APP, str(number), now=2.0) == (append.run_id, b"same")


async def test_one_whose_key_is_another_runs_keeps_the_others_of_its_batch_from_nothing(
    stores: list[PostgresRunStore],
) -> None:
    """Those with keys that are theirs, are new, were forgotten, or come twice in the batch."""
    owner, late = claiming("taken", at=900.0, lifetime=1000.0), claiming("late", at=1.0)
    await asyncio.gather(*map(stores[0].append, [owner, late]))
    names = ["new", "taken", "late", "new", "other"]
    appends = [claiming(name, at=1000.0) for name in names]

    came = await asyncio.gather(*map(stores[0].append, appends), return_exceptions=True)

    refused = {number: error.run_id for number, error in enumerate(came) if isinstance(error, KeyTaken)}
    assert refused == {1: owner.run_id, 3: appends[0].run_id}
    assert [error for error in came if error is not None and not isinstance(error, KeyTaken)] == []
    runs = [await stores[0].record(append.run_id) for append in appends]
    assert [number for number, record in enumerate(runs) if record is None] == [1, 3]
    for name, run in {"taken": owner, "new": appends[0], "late": appends[2], "other": appends[4]}.items():
        assert await stores[0].claimed(APP, name, now=1001.0) == (run.run_id, b"same")


async def test_keys_of_starts_are_locked_in_one_order_in_whichever_they_are_given(
    request: pytest.FixtureRequest,
) -> None:
    def starting(key: str) -> tuple[RunWrite, KeyClaim]:
        claim = KeyClaim(key=key, fingerprint=b"", at=1.0, lifetime=100.0)
        return write_of(msgspec.structs.replace(Draft().step(started()), projections=[claim]), b"[]"), claim

    keys = ["b", "A", "é", "a", "良", "🙂", "Ä"]
    async with new_database(request) as database:
        connection = await database.connect()
        try:
            assert len(await begin_with_keys(connection, list(map(starting, keys)))) == len(keys)
            rows = await connection.fetch("SELECT key FROM idempotency_keys ORDER BY ctid")
        finally:
            await connection.close()

    assert [row[0] for row in rows] == sorted(keys)


async def test_one_key_of_two_apps_is_locked_in_one_order() -> None:
    write = write_of(claiming("same", at=1.0), b"[]")
    one, other = (msgspec.structs.replace(write, app_id=app) for app in (b"a", b"b"))

    assert sorted([one, other], key=order_of_locks) == sorted([other, one], key=order_of_locks)
