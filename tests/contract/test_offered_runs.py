"""Runs that wait at a member are offered to the others, over every ``Cluster`` of several processes."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from jikko.cluster.membership import MAX_OFFERS_OF_AN_APP
from jikko.ports.cluster import WaitingRun
from tests.cluster.nats_group import NATS
from tests.contract.test_cluster import Group, of_kind
from tests.effort import PATIENCE
from tests.runs.world import until

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["workers", "fake", NATS])
async def group(request: pytest.FixtureRequest) -> AsyncIterator[Group]:
    async with of_kind(request) as made:
        yield made


def run(number: int, app: str = "app", epoch: int = 1) -> WaitingRun:
    return WaitingRun(run_id=f"{app}-{number}", app_id=app, holder="gone/0", epoch=epoch)


async def test_what_waits_is_offered_to_one_that_has_room_and_to_no_other(group: Group) -> None:
    (_, waits), (_, full), (_, idle) = [await group.start() for _ in range(3)]
    offers = await waits.offers
    idle.has_room.set()

    assert all([await offers.offer(run(number, app)) for app in ("a.b *>", "日本🙂", "") for number in range(3)])

    await until(lambda: len(idle.waiting) == 9)
    assert idle.waiting == [run(number, app) for app in ("a.b *>", "日本🙂", "") for number in range(3)]
    assert [*waits.waiting, *full.waiting] == []


async def test_of_one_app_only_n_are_offered_until_some_are_taken(group: Group) -> None:
    (_, waits), (_, takes) = [await group.start() for _ in range(2)]
    offers = await waits.offers

    offered = [await offers.offer(run(number)) for number in range(MAX_OFFERS_OF_AN_APP + 2)]
    assert offered == [*[True] * MAX_OFFERS_OF_AN_APP, False, False]
    assert await offers.offer(run(0, "other")), "other apps are not behind it"

    takes.has_room.set()
    await until(lambda: len(takes.waiting) == MAX_OFFERS_OF_AN_APP + 1)
    takes.has_room.clear()

    async with asyncio.timeout(PATIENCE):
        while not await offers.offer(run(MAX_OFFERS_OF_AN_APP)):
            pass  # the last one may not have been acknowledged yet


async def test_what_one_cannot_take_is_offered_again(group: Group) -> None:
    (_, waits), (_, unable), (_, able) = [await group.start() for _ in range(3)]
    unable.takes_waiting = False
    unable.has_room.set()
    await (await waits.offers).offer(run(1))
    await until(lambda: unable.waiting != [])

    unable.has_room.clear()
    able.has_room.set()

    await until(lambda: able.waiting == [run(1)])


async def test_what_one_had_that_is_gone_is_offered_again(group: Group) -> None:
    (_, waits), (dying, dies), (_, other) = [await group.start() for _ in range(3)]
    hangs = asyncio.Event()

    async def take(run: WaitingRun) -> bool:
        dies.waiting.append(run)
        await hangs.wait()
        return True

    dies.take_waiting = take  # type: ignore[method-assign]
    dies.has_room.set()
    await (await waits.offers).offer(run(1))
    await until(lambda: dies.waiting == [run(1)])

    other.has_room.set()
    await group.kill(dying)

    await until(lambda: other.waiting == [run(1)])


async def test_what_was_withdrawn_is_taken_by_nobody_and_makes_room(group: Group) -> None:
    (_, waits), (_, takes) = [await group.start() for _ in range(2)]
    offers = await waits.offers
    for number in range(MAX_OFFERS_OF_AN_APP):
        await offers.offer(run(number))

    for number in range(1, MAX_OFFERS_OF_AN_APP):
        await offers.withdraw(run(number).run_id)
    await offers.withdraw("never offered")

    assert await offers.offer(run(99))
    takes.has_room.set()
    await until(lambda: takes.waiting == [run(0), run(99)])


async def test_one_that_leaves_takes_nothing_more(group: Group) -> None:
    (_, waits), (leaving, member), (_, other) = [await group.start() for _ in range(3)]
    member.has_room.set()
    for _ in range(20):
        await asyncio.sleep(0)

    leaving.leave()
    await leaving.close()
    await (await waits.offers).offer(run(1))
    other.has_room.set()

    await until(lambda: other.waiting == [run(1)])
    assert member.waiting == []
