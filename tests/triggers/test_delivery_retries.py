"""Retries of deliveries: their timing, and dead deliveries."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from jikko.apps.publishing import AppCatalog
from jikko.errors import Conflict
from jikko.ids import new_id
from jikko.ports.stores.trigger_store import Delivery
from jikko.record import RunIdentity, RunRecord
from jikko.repositories.app_store import App
from jikko.repositories.delivery_store import DeliveryStore
from jikko.repositories.trigger_store import TriggerStore
from jikko.triggers.deliveries import Deliveries, DeliveryRetries, DeliveryView, decide
from jikko.triggers.receiving import Arrival, Webhooks
from jikko.triggers.triggers import Triggers
from jikko.triggers.webhook_call import WebhookCall
from jikko.triggers.webhook_options import WebhookOptions
from tests.acceptance.workflows import app as app_file
from tests.acceptance.workflows import end, node, with_environment
from tests.runs.world import World

pytestmark = pytest.mark.anyio

IDENTITY = RunIdentity(run_id=new_id(), task_id="t", app_id="a", workflow_id="w", version="1", end_user_id="e", user="")
DELIVERY = Delivery(id=new_id(), app_id="a", trigger_id="t", received_at=0.0, run_id=IDENTITY.run_id, retries=30)


def ended(status: Any, at: float = 100.0) -> RunRecord:
    return RunRecord(identity=IDENTITY, status=status, created_at=at - 1, finished_at=at)


@pytest.mark.parametrize(("repeated", "least"), [(0, 5.0), (1, 10.0), (4, 80.0), (29, 3600.0)])
def test_each_retry_waits_twice_as_long_up_to_an_hour(repeated: int, least: float) -> None:
    wait = decide(DELIVERY, ended("failed"), repeated, 100.0)

    assert wait.look_at is not None
    assert least <= wait.look_at - 100.0 <= 1.2 * least
    assert not wait.retry
    assert decide(DELIVERY, ended("failed"), repeated, wait.look_at).retry


@pytest.mark.parametrize("status", ["succeeded", "partial-succeeded", "stopped"])
def test_what_succeeded_or_was_stopped_by_hand_is_looked_at_no_more(status: str) -> None:
    assert decide(DELIVERY, ended(status), 0, 200.0).look_at is None


def test_a_long_run_is_looked_at_less_and_less_often() -> None:
    record = RunRecord(identity=IDENTITY, created_at=0.0)
    waits = []
    for now in (1.0, 100.0, 100_000.0):
        look_at = decide(DELIVERY, record, 0, now).look_at
        assert look_at is not None
        waits.append(look_at - now)

    assert waits == [1.0, 10.0, 300.0]


def test_a_dead_delivery_is_looked_at_every_ten_minutes_at_first() -> None:
    assert decide(DELIVERY, ended("failed"), 30, 200.0).look_at == 800.0


class Scene:
    """An app with a webhook, whose deliveries are retried twice."""

    def __init__(self, world: World, app: App, retries: int, **limits: int) -> None:
        self.world, self.app = world, app
        self.process = process = world.process(None, None, None, **limits)
        self.store = DeliveryStore(world.database)
        options = {f"{app.name}/hook": WebhookOptions(retries=retries)}
        self.triggers = Triggers(TriggerStore(world.database), world.app_store, process.runs, options)
        self.apps = apps = AppCatalog(world.app_store, world.classes, lambda: world.now)
        self.webhooks = Webhooks(
            self.triggers,
            options,
            process.starts,
            self.store,
            world.app_store,
            process.workflows,
            world.files,
            lambda: world.now,
        )
        self.deliveries = Deliveries(self.store, world.store, process.retries, apps)
        self.retries = DeliveryRetries(
            self.store, self.deliveries, process.retries, apps, self.triggers, lambda: world.now
        )

    async def call(self) -> None:
        """A call comes, and its run ends."""
        await self.world.ended(await self.start())

    async def start(self) -> str:
        """A call comes. Returns its run."""
        [trigger] = await self.triggers.of(self.app)
        webhook = await self.webhooks.at(trigger.address)
        call = WebhookCall(method="POST", headers={}, query={}, body={})
        started = await self.webhooks.start(webhook, call, Arrival(method="POST", size=0))
        await started.run.committed(1)
        return started.run.record.identity.run_id

    async def pass_by(self, seconds: float) -> DeliveryView:
        """The leader looks until so much later, at whatever is due; runs that it starts end."""
        until = self.world.now + seconds
        while (next_at := await self.store.next_look()) is not None and next_at <= until:
            self.world.now = max(self.world.now, next_at)
            await self.retries.look()
            for run_id in (await self.view()).runs:
                await self.world.ended(run_id)
        self.world.now = until
        return await self.view()

    async def view(self) -> DeliveryView:
        [trigger] = await self.triggers.of(self.app)
        [view] = await self.deliveries.listed([trigger])
        return view


async def scene(world: World, retries: int = 2, **limits: int) -> Scene:
    nodes = [
        node("hook", "trigger-webhook", method="post"),
        node("before", "code", value=1),
        node("work", "code", value=2),
        end(out="work.value"),
    ]
    text = with_environment(app_file("受信 📮", nodes, "hook>before>work>end"), limit=("number", 1))
    return Scene(world, (await world.apps.publish(text.encode(), source="受信")).app, retries, **limits)


async def test_a_failed_run_is_repeated_from_the_node_that_failed_until_it_succeeds(world: World) -> None:
    made = await scene(world)
    world.script.failing = {"work"}
    await made.call()
    assert (await made.view()).state == "failed"
    assert len((await made.pass_by(4.0)).runs) == 1

    world.script.failing = set()
    view = await made.pass_by(10.0)

    assert (view.state, len(view.runs)) == ("done", 2)
    assert (world.script.ran["before"], world.script.ran["work"]) == (1, 2)
    assert await made.store.next_look() is None


async def test_what_fails_to_the_last_is_dead_until_somebody_repeats_or_discards_it(world: World) -> None:
    made = await scene(world)
    world.script.failing = {"work"}
    await made.call()

    view = await made.pass_by(3600.0)
    assert (view.state, len(view.runs), await made.store.dead()) == ("dead", 3, 1)
    run = await made.deliveries.replay(view.delivery.id)
    await world.ended(run.record.identity.run_id)
    view = await made.pass_by(3600.0)
    assert (view.state, len(view.runs), await made.store.dead()) == ("dead", 4, 1)

    world.script.failing = set()
    run = await made.deliveries.replay(view.delivery.id)
    await world.ended(run.record.identity.run_id)
    view = await made.pass_by(3600.0)
    assert (view.state, await made.store.dead(), await made.store.next_look()) == ("done", 0, None)


async def test_a_dead_delivery_is_set_aside(world: World) -> None:
    made = await scene(world, retries=1)
    world.script.failing = {"work"}
    await made.call()
    view = await made.pass_by(3600.0)

    discarded = await made.deliveries.discard(view.delivery.id)

    assert (discarded.state, await made.store.dead(), await made.store.next_look()) == ("discarded", 0, None)


class ReplayedMeanwhile(DeliveryStore):
    """Somebody replays the delivery just before it is set aside."""

    deliveries: Deliveries
    replays = 0

    async def discard(self, delivery_id: str, run_ids: Sequence[str], at: float) -> bool:
        if not self.replays:
            self.replays += 1
            await (await self.deliveries.replay(delivery_id)).committed()
        return await super().discard(delivery_id, run_ids, at)


async def test_a_delivery_that_is_replayed_meanwhile_is_not_set_aside_with_what_its_new_run_brings(
    world: World,
) -> None:
    made = await scene(world)
    world.script.failing = {"work"}
    await made.call()
    store = ReplayedMeanwhile(world.database)
    store.deliveries = made.deliveries
    racing = Deliveries(store, world.store, made.process.retries, made.apps)
    world.script.held = {"work"}

    with pytest.raises(Conflict, match=r"is (waiting|running) and cannot be discarded"):
        await racing.discard((await made.view()).delivery.id)

    world.script.release("work")
    await world.ended((await made.view()).runs[-1])
    assert (await made.view()).state == "failed"
    assert await made.store.next_look() is not None


async def test_without_retries_a_failed_delivery_is_not_looked_at(world: World) -> None:
    made = await scene(world, retries=0)
    world.script.failing = {"work"}
    await made.call()

    assert ((await made.view()).state, await made.store.next_look()) == ("failed", None)


async def test_a_leader_that_dies_behind_the_start_of_a_retry_leaves_no_second_one(world: World) -> None:
    made = await scene(world)
    world.script.failing = {"work"}
    await made.call()
    before = replace((await made.view()).delivery)
    await made.pass_by(7.0)
    assert len((await made.view()).runs) == 2

    # As if it had not noted when to look next.
    await made.store.looked(before.id, world.now, None)
    await made.retries.look()

    assert len((await made.view()).runs) == 2


async def test_a_retry_that_finds_no_place_is_tried_again(world: World) -> None:
    made = await scene(world, at_once=1, max_per_app=1, queued_per_app=1)
    world.script.failing = {"work"}
    await made.call()
    world.script.held = {"work"}
    running, waiting = [await made.start() for _ in range(2)]
    first = (await made.deliveries.listed(await made.triggers.of(made.app)))[-1].delivery.id
    world.now += 7.0
    await made.retries.look()
    assert len((await made.deliveries.find(first)).runs) == 1

    world.script.release("work")
    for run_id in (running, waiting):
        await world.ended(run_id)
    world.now += 6.0
    await made.retries.look()

    assert len((await made.deliveries.find(first)).runs) == 2


async def test_a_delivery_whose_webhook_is_off_is_repeated_once_it_is_on_again(world: World) -> None:
    made = await scene(world)
    world.script.failing = {"work"}
    await made.call()
    world.script.failing = set()
    [trigger] = await made.triggers.of(made.app)
    await made.triggers.enable(trigger, False)
    assert len((await made.pass_by(600.0)).runs) == 1

    await made.triggers.enable(trigger, True)
    view = await made.pass_by(120.0)

    assert (view.state, len(view.runs)) == ("done", 2)


async def full(world: World) -> tuple[Scene, list[str]]:
    """Four deliveries whose runs failed, of an app that takes no more runs, and the runs that it has."""
    made = await scene(world, at_once=1, max_per_app=1, queued_per_app=1)
    world.script.failing = {"work"}
    for _ in range(4):
        await made.call()
    world.script.held = {"work"}
    held = [await made.start() for _ in range(2)]
    return made, held


async def test_while_an_app_is_full_the_retries_of_its_deliveries_are_tried_less_and_less_often(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    made, held = await full(world)

    until = world.now + 1200.0
    while (next_at := await made.store.next_look()) is not None and next_at <= until:
        world.now = max(world.now, next_at)
        await made.retries.look()

    assert 4 <= sum("cannot be retried now" in each.getMessage() for each in caplog.records) <= 4 * 12
    world.script.release("work")
    for run_id in held:
        await world.ended(run_id)


async def test_of_the_deliveries_of_a_full_app_that_are_due_together_one_is_tried(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    made, held = await full(world)

    world.now += 10.0
    await made.retries.look()

    assert sum("cannot be retried now" in each.getMessage() for each in caplog.records) == 1
    assert (await made.store.next_look() or 0.0) > world.now
    world.script.release("work")
    for run_id in held:
        await world.ended(run_id)


async def test_what_an_environment_value_keeps_from_being_repeated_for_an_hour_is_dead(world: World) -> None:
    made = await scene(world)
    world.script.failing = {"work"}
    await made.call()
    await world.app_store.set_environment(made.app.id, {"limit": "多い"})

    assert ((await made.pass_by(1800.0)).state, await made.store.dead()) == ("failed", 0)
    assert ((await made.pass_by(3600.0)).state, await made.store.dead()) == ("dead", 1)


async def test_a_replay_by_hand_counts_as_a_retry(world: World) -> None:
    made = await scene(world)
    world.script.failing = {"work"}
    await made.call()
    run = await made.deliveries.replay((await made.view()).delivery.id)
    await world.ended(run.record.identity.run_id)

    view = await made.pass_by(3600.0)

    assert (view.state, len(view.runs)) == ("dead", 3)
