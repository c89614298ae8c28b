"""Guarantees specific to workers of one machine: their channels lose nothing while they exist."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from jikko.ports.cluster import OrphanedRuns, RunChanged, StopRun
from tests.cluster.recorder import Recorder
from tests.contract.test_cluster import PER_MINUTE, WorkersGroup
from tests.effort import PATIENCE
from tests.runs.world import until

pytestmark = pytest.mark.anyio

STOP = StopRun(run_id="r", error="stopped")


@pytest.fixture
async def workers() -> AsyncIterator[WorkersGroup]:
    group = WorkersGroup()
    yield group
    await group.close()


async def test_what_one_had_not_taken_over_durably_goes_on_to_another(workers: WorkersGroup) -> None:
    (first, held), (second, member), (third, _) = [await workers.start() for _ in range(3)]
    held.durable.confirmed.clear()
    held.taken.clear()
    member.taken.clear()
    await workers.kill(third)
    await until(lambda: held.taken != [] and member.taken != [])

    await workers.kill(first)

    await until(lambda: {(o.holder, o.share) for o in member.taken} >= {(third.name, 0), (third.name, 1)})
    await until(lambda: first.name in {orphans.holder for orphans in member.taken})
    assert second.name in second.members()


async def taken_from(member: Recorder, holder: str) -> list[OrphanedRuns]:
    """What a member has begun to take over of a holder, once it has."""
    await until(lambda: holder in {orphans.holder for orphans in member.taken})
    return [orphans for orphans in member.taken if orphans.holder == holder]


async def test_what_is_offered_while_its_holder_lives_is_left_to_it(workers: WorkersGroup) -> None:
    (one, member), (other, _) = await workers.start(), await workers.start()
    taken = list(member.taken)

    one.offer(OrphanedRuns(holder=other.name))
    one.offer(OrphanedRuns(holder="gone/1"))

    await until(lambda: OrphanedRuns(holder="gone/1") in member.taken)
    assert [orphans for orphans in member.taken if orphans.holder == other.name] == []
    assert taken == member.taken[: len(taken)]


async def test_one_that_dies_before_runs_are_durably_its_own_leaves_them_to_another(workers: WorkersGroup) -> None:
    (taking, takes), (_, other), (dying, _) = [await workers.start() for _ in range(3)]
    takes.durable.confirmed.clear()
    await workers.kill(dying)
    [begun] = await taken_from(takes, dying.name)
    # Whatever it had to say of them has come by now: channels keep the order.
    await taking.count(b"key", PER_MINUTE)

    await workers.kill(taking)

    await until(lambda: begun in other.taken)


async def test_runs_that_are_being_taken_over_are_offered_to_nobody(workers: WorkersGroup) -> None:
    (_, takes), (_, other), (finds, its), (dying, _) = [await workers.start() for _ in range(4)]
    takes.durable.confirmed.clear()
    await workers.kill(dying)
    await taken_from(takes, dying.name)
    await finds.count(b"key", PER_MINUTE)

    finds.offer(OrphanedRuns(holder=dying.name))
    finds.offer(OrphanedRuns(holder="gone/1"))

    await until(lambda: OrphanedRuns(holder="gone/1") in [*takes.taken, *other.taken, *its.taken])
    assert OrphanedRuns(holder=dying.name) not in [*takes.taken, *other.taken, *its.taken]
    takes.durable.confirmed.set()


async def test_without_a_supervisor_nobody_waits_for_ever_and_requests_are_let_through(workers: WorkersGroup) -> None:
    (one, _), (other, member) = await workers.start(), await workers.start()
    member.holds.clear()
    asking = asyncio.ensure_future(one.request(other.name, STOP))
    await until(lambda: member.commands == [STOP])

    await workers.lose(one)

    async with asyncio.timeout(PATIENCE):
        assert await asking is None
        assert await one.request(other.name, STOP) is None
        assert [await one.count(b"key", PER_MINUTE) for _ in range(PER_MINUTE + 1)] == [0] * (PER_MINUTE + 1)


async def test_one_that_does_not_answer_counts_as_gone_and_its_late_answer_harms_nothing(
    workers: WorkersGroup,
) -> None:
    one, its = await workers.start(patience=0.01)
    (other, member), (patient, _) = await workers.start(), await workers.start()
    member.holds.clear()

    async with asyncio.timeout(PATIENCE):
        assert await one.request(other.name, STOP) is None
        asking = asyncio.ensure_future(patient.request(other.name, STOP))
        await until(lambda: member.commands == [STOP, STOP])
        member.holds.set()
        assert await asking  # behind the late answer
        patient.hint(RunChanged("r"))
        await until(lambda: its.hints == [RunChanged("r")])
