"""Search for open runs of dead processes."""

import asyncio

from jikko.maintenance.record_watch import Orphans
from jikko.ports.cluster import OrphanedRuns
from tests.cluster.fake import FakeCluster, FakeNetwork
from tests.contract.runs import Draft, started
from tests.store.in_memory import RunsInMemory
from tests.virtual_time import run


class Offers(FakeCluster):
    """Takes note of what is offered, and when."""

    def offer(self, orphans: OrphanedRuns) -> None:
        self.offered.append((orphans.holder, asyncio.get_running_loop().time()))

    offered: list[tuple[str, float]]


def offers(seconds: float, *holders: str, joins: str = "") -> list[tuple[str, float]]:
    """What is offered in a while, of runs that name these holders. One may join after 45 s."""

    async def watch() -> list[tuple[str, float]]:
        network, store = FakeNetwork(), RunsInMemory()
        cluster = Offers(network, "s/1")
        cluster.offered = []
        for holder in holders:
            draft = Draft()
            draft.record.holder = holder
            await store.append(draft.step(started()))
        watching = asyncio.create_task(Orphans(store, cluster).watch())
        await asyncio.sleep(45)
        network.believed += [joins] if joins else []
        await asyncio.sleep(seconds - 45)
        watching.cancel()
        return cluster.offered

    return run(watch())


def test_runs_of_a_holder_that_is_no_member_twice_in_a_row_are_offered() -> None:
    assert offers(61, "gone/1", "gone/2") == [("gone/1", 60.0), ("gone/2", 60.0)]


def test_runs_of_members_and_of_one_that_has_just_come_are_not() -> None:
    assert offers(600, "s/1", "new/1", joins="new/1") == []


def test_what_nobody_takes_over_is_offered_again_and_again_and_more_rarely() -> None:
    assert [at for _, at in offers(2000, "gone/1")] == [60.0, 120.0, 240.0, 480.0, 960.0, 1440.0, 1920.0]
