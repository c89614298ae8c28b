"""Starts refused, or abandoned by their clients, before anything is durable: their runs never begin."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest

from jikko.concurrency.patience import Patience, patience
from jikko.errors import StartRefused, StoreUnavailable
from jikko.ports.stores.run_store import Append, KeyClaim, StartOptions
from jikko.repositories.app_store import App
from jikko.runs.runs import StartOutcome, StartRequest
from tests.runs.held_store import HeldStore
from tests.runs.world import PATIENCE, Process, World, end_of, until

pytestmark = pytest.mark.anyio


class LossyStore(HeldStore):
    """Loses answers: what was written is said to be in doubt, and so is what was not."""

    def __init__(self) -> None:
        super().__init__()
        self.loses = 0
        """How many answers are lost from now on."""
        self.writes = True
        """Whether what they were about is written."""
        self.lost = 0

    def append(self, batch: Append) -> "asyncio.Future[None]":
        if not self.loses:
            return super().append(batch)
        self.loses -= 1
        self.lost += 1
        if self.writes:
            super().append(batch)
        error = StoreUnavailable("the connection broke")
        error.in_doubt = True
        done = asyncio.get_running_loop().create_future()
        done.set_exception(error)
        return done


@pytest.fixture
def store() -> LossyStore:
    return LossyStore()


@pytest.fixture
async def world(store: LossyStore) -> AsyncIterator[World]:
    world = World(store)
    yield world
    store.release()
    world.script.release(*world.script.held)
    await world.close()


@pytest.fixture
async def app(world: World) -> App:
    return await world.chain()


class Client:
    """One that starts runs, and does not wait for long."""

    def __init__(self, process: Process, app: App) -> None:
        self._process = process
        self._app = app
        self.left = asyncio.Event()

    async def start(self, key: str = "", seconds: float = 0.02) -> StartOutcome:
        """Start a run; what is returned is promised."""
        options = None
        if key:
            options = StartOptions(claim=KeyClaim(key=key, fingerprint=b"same", at=1_800_000_000.0))
        request = StartRequest(inputs={"q": "値 🙂"}, user="anna")
        waiting = Patience(seconds, self._gone, lambda: None)
        token = patience.set(waiting)
        try:
            started = await self._process.starts.start(
                self._app, options, partial(self._process.runs.start, self._app, request)
            )
            await started.run.committed(1)
            return started
        finally:
            waiting.end()
            patience.reset(token)

    async def _gone(self) -> None:
        await self.left.wait()


@pytest.fixture(params=["", "key"], ids=["without a key", "with a key"])
def key(request: pytest.FixtureRequest) -> str:
    """Without, a run begins before it is durable, but for what has effects."""
    found: str = request.param
    return found


async def nothing_is_left(world: World, process: Process, store: HeldStore) -> None:
    """Nothing goes on of a start that was refused just now, and after a while the record has nothing of it."""
    before = world.script.ran.copy()
    store.release()
    world.script.release(*world.script.held)
    await until(lambda: not process.runs.executor.under_way and not process.admission.running)
    async with asyncio.timeout(PATIENCE):
        while await store.scan():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert world.script.ran == before


async def test_a_start_that_waits_for_too_long_is_refused_and_never_written(
    world: World, store: LossyStore, app: App, key: str
) -> None:
    process = world.process()
    world.script.held = {"a"}
    store.hold()

    with pytest.raises(StartRefused):
        await Client(process, app).start(key)
    assert process.runs.executor.under_way == 0

    await nothing_is_left(world, process, store)


async def test_so_is_one_that_was_to_queue(world: World, store: LossyStore, app: App) -> None:
    process = world.process(at_once=1)
    first = await process.start_until(app, "a")
    await first.committed()
    store.hold()

    with pytest.raises(StartRefused):
        await Client(process, app).start()
    assert process.admission.queued() == 0
    store.release()
    world.script.release("a")

    assert (await end_of(first)).status == "succeeded"
    assert world.script.ran["a"] == 1
    assert [record.identity for record in await store.scan()] == [first.record.identity]


async def test_one_whose_write_had_begun_is_ended_and_removed_and_never_begins(
    world: World, store: LossyStore, app: App, key: str
) -> None:
    process = world.process()
    world.script.held = {"a"}
    store.hold(begun=True)

    with pytest.raises(StartRefused):
        await Client(process, app).start(key)

    await nothing_is_left(world, process, store)


@pytest.mark.parametrize("writes", [True, False], ids=["written", "not written"])
@pytest.mark.parametrize("times", [1, 3])
async def test_one_of_which_the_database_does_not_say_whether_it_wrote_it_is_asked_for_until_it_does(
    world: World, store: LossyStore, app: App, times: int, writes: bool
) -> None:
    process = world.process()
    store.loses, store.writes = times, writes

    with pytest.raises(StartRefused):
        await Client(process, app).start("key")

    await until_async(lambda: store.lost == times)
    await nothing_is_left(world, process, store)


async def test_a_refused_start_with_a_key_is_repeated_and_runs_once(world: World, store: LossyStore, app: App) -> None:
    process = world.process()
    client = Client(process, app)
    store.hold(begun=True)
    with pytest.raises(StartRefused):
        await client.start("key")
    # It is in the record, and about to be removed.
    store.release()
    tries = 0
    while True:
        try:
            started = await client.start("key", PATIENCE)
            break
        except StartRefused:
            tries += 1
            await asyncio.sleep(0)

    assert not started.repeated
    assert (await end_of(started.run)).status == "succeeded"
    assert world.script.ran == {"a": 1, "b": 1, "c": 1}
    assert [record.identity for record in await store.scan()] == [started.run.record.identity]
    assert (await client.start("key", PATIENCE)).repeated


async def test_a_start_whose_client_leaves_while_it_waits_never_begins(
    world: World, store: LossyStore, app: App, key: str
) -> None:
    process = world.process()
    client = Client(process, app)
    store.hold()
    starting = asyncio.create_task(client.start(key, seconds=10 * PATIENCE))
    await until(lambda: store.held == 1)
    client.left.set()

    async with asyncio.timeout(PATIENCE):
        with pytest.raises(StartRefused):
            await starting

    await nothing_is_left(world, process, store)


async def test_one_that_became_durable_in_time_is_never_refused(world: World, store: LossyStore, app: App) -> None:
    process = world.process()
    world.script.held = {"b"}

    started = await Client(process, app).start("key", seconds=PATIENCE)
    store.hold()
    world.script.release("b")
    await until(lambda: store.held > 0)
    store.release()

    assert (await end_of(started.run)).status == "succeeded"


async def test_one_that_a_process_could_not_write_until_its_end_does_not_begin_in_the_next(
    world: World, store: LossyStore, app: App
) -> None:
    process = world.process()
    store.hold()
    starting = asyncio.create_task(Client(process, app).start("key", seconds=10 * PATIENCE))
    await until(lambda: store.held == 1)
    closing = asyncio.create_task(process.runs.close(0))
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(StartRefused):
            await starting
        await closing
    store.release()

    assert (await world.process().runs.control.take_over()).count == 0
    assert not world.script.ran


@pytest.mark.parametrize("how", ["in the data folder", "by a message"])
async def test_one_that_was_written_behind_the_death_of_its_process_is_removed_by_who_takes_over(
    world: World, store: LossyStore, app: App, how: str
) -> None:
    process, other = world.process(), world.process()
    world.script.held = {"a"}
    store.hold(begun=True)
    with pytest.raises(StartRefused):
        await Client(process, app).start("key")
    await until(lambda: bool(world.refusals.kept))
    if how == "by a message":
        [run_id] = world.refusals.kept
        world.refusals.kept.clear()
        other.runs.control.start_was_refused(run_id)
    await process.forgets()
    store.release()
    world.script.release("a")
    assert len(await store.scan()) == 1
    before = world.script.ran.copy()

    taken = await other.runs.control.take_over()

    assert (taken.count, other.runs.executor.under_way, await store.scan()) == (0, 0, [])
    assert world.script.ran == before
    started = await Client(other, app).start("key", PATIENCE)
    assert (started.repeated, (await end_of(started.run)).status) == (False, "succeeded")


async def until_async(is_so: Callable[[], Any]) -> None:
    """``until``, for what takes time."""
    async with asyncio.timeout(PATIENCE):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
