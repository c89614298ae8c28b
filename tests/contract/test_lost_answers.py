"""Contract of ``RunStore`` for writes retried after a lost acknowledgement."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from itertools import chain, cycle, repeat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jikko.errors import KeyTaken, LogConflict, StoreUnavailable
from jikko.events import RunFinished, RunRecovered
from jikko.ports.stores.run_store import Append, KeyClaim, LogQuery, StartOptions, new_mark
from jikko.record import folded
from jikko.runs.run_log import RunLog
from jikko.store.postgres.runs.run_store import PostgresRunStore
from jikko.store.sqlite import Database, SqliteRunStore
from tests.contract.runs import APP, Draft, finished, node, paused, started
from tests.effort import PATIENCE
from tests.runs.forgetful_store import ForgetfulStore
from tests.store.postgres_server import POSTGRES, new_database

pytestmark = pytest.mark.anyio

CLAIM = KeyClaim(key="鍵🔑", fingerprint=b"\x01", at=1000.0)


@pytest.fixture(params=["sqlite", POSTGRES])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    """A store."""
    store: Any
    async with AsyncExitStack() as stack:
        if request.param == "postgres":
            store = PostgresRunStore(await stack.enter_async_context(new_database(request)))
        else:
            store = SqliteRunStore(Database.open(tmp_path / "jikko.db"))
        yield store
        await store.close()


def marked(append: Append, options: StartOptions | None = None) -> Append:
    """The append, as it can be offered again."""
    return msgspec.structs.replace(append, mark=new_mark(), projections=() if options is None else options.projections)


@pytest.mark.parametrize(
    "last",
    [
        pytest.param([lambda run: run.step(started())], id="that creates the run"),
        pytest.param([lambda run: run.whole()], id="that is all of the run"),
        pytest.param([lambda run: run.step(started()), lambda run: run.step(*node())], id="of events"),
        pytest.param([lambda run: run.step(started()), lambda run: run.step(paused())], id="that pauses the run"),
        pytest.param([lambda run: run.step(started()), lambda run: run.step(finished())], id="that ends the run"),
    ],
)
async def test_the_same_append_offered_again_is_done(kept: Any, last: list[Callable[[Draft], Append]]) -> None:
    store, run = ForgetfulStore(kept, chain([False] * (len(last) - 1), [True], repeat(False))), Draft()
    *before, append = [marked(step(run)) for step in last]
    for each in before:
        await store.append(each)
    with pytest.raises(StoreUnavailable):
        await store.append(append)

    for _ in range(2):
        await store.append(append)

    assert await kept.record(run.id) == run.record
    assert await kept.events(run.id) == run.events
    assert (await kept.list_runs(LogQuery(app_id=APP))).total == 1


async def test_another_append_is_refused_though_it_says_the_same_at_the_same_place(kept: Any) -> None:
    run = Draft()
    await kept.append(marked(run.step(started())))
    append = run.step(RunRecovered(at=1001.0, epoch=2))
    await kept.append(marked(append))

    for other in (marked(append), append):
        with pytest.raises(LogConflict, match="has 2 events, not 1"):
            await kept.append(other)
    assert await kept.events(run.id) == run.events


async def test_appends_without_a_mark_are_never_the_same(kept: Any) -> None:
    append = Draft().whole()
    await kept.append(append)

    with pytest.raises(LogConflict):
        await kept.append(append)


async def test_an_append_that_others_followed_is_not_known_again(kept: Any) -> None:
    run = Draft()
    first = marked(run.step(started()))
    await kept.append(first)
    await kept.append(marked(run.step(*node())))

    with pytest.raises(LogConflict, match="has 3 events, not 0"):
        await kept.append(first)


async def test_a_run_is_accepted_once_with_its_key_and_its_callback(kept: Any) -> None:
    run, other = Draft(), Draft()
    options = StartOptions(claim=CLAIM, callback_url="http://x/")
    append = marked(run.step(started()), options)

    for _ in range(2):
        await kept.append(append)
    with pytest.raises(KeyTaken) as taken:
        await kept.append(marked(other.step(started()), options))

    assert taken.value.run_id == run.id
    assert await kept.claimed(APP, CLAIM.key, now=1001.0) == (run.id, CLAIM.fingerprint)
    assert await kept.record(other.id) is None


async def test_a_run_whose_every_other_answer_is_lost_is_written_once_and_whole(kept: Any) -> None:
    store, run = ForgetfulStore(kept, cycle([True, False])), Draft()
    live = RunLog(store, run.record, options=StartOptions(claim=CLAIM))
    live.on_lost = lambda: pytest.fail("the run was taken for another's")

    async with asyncio.timeout(PATIENCE):
        live.append([started(text="本" * 1000)])
        live.append(node(index=1))  # come while it is not known whether the first was written
        await live.committed()
        live.append([*node(index=2), finished()])
        last = await live.ended()

    assert isinstance(last, RunFinished)
    log = await kept.events(run.id)
    assert log == list(live.events)
    assert await kept.record(run.id) == live.record == folded(live.record.identity, log)
    assert [len(append.events) for append in store.offered] == [1, 1, 2, 2, 3, 3]
