"""NATS connection that silently drops everything sent, and the reaction of the cluster's members."""

import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.cluster.nats_group import SECONDS, NatsGroup
from tests.cluster.nats_server import NatsServer
from tests.cluster.recorder import Recorder
from tests.faults.proxy import Proxy
from tests.runs.world import until

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.nats]


@pytest.fixture
def proxy(nats_server: NatsServer) -> Iterator[Proxy]:
    with Proxy(socket.AF_INET, ("127.0.0.1", nats_server.port)) as made:
        yield made


@pytest.fixture
async def groups(nats_server: NatsServer, proxy: Proxy) -> AsyncIterator[tuple[NatsGroup, NatsGroup]]:
    """A group whose members have a connection that may swallow, and one of the same cluster whose members have not."""
    silenced, others = NatsGroup(f"nats://127.0.0.1:{proxy.port}"), NatsGroup(nats_server.url)
    others.names = silenced.names
    yield silenced, others
    proxy.mend()
    await others.close()
    await silenced.close()


async def test_a_heartbeat_that_does_not_come_is_noticed_before_its_member_counts_as_gone(
    groups: tuple[NatsGroup, NatsGroup], proxy: Proxy
) -> None:
    (silenced, _), (other, _) = [await group.start(seconds=4 * SECONDS) for group in groups]
    await until(lambda: silenced.name in other.members() and other.name in silenced.members())
    assert not silenced.is_late(other.name)
    assert not other.is_late(silenced.name)

    proxy.stall()

    await until(lambda: other.is_late(silenced.name) and silenced.is_late(other.name))
    assert silenced.name in other.members()
    assert not other.is_late(other.name)


async def test_one_that_hears_nobody_for_a_life_says_so_until_it_does(
    groups: tuple[NatsGroup, NatsGroup], proxy: Proxy
) -> None:
    (silenced, _), (other, _) = [await group.start() for group in groups]
    await until(lambda: other.name in silenced.members())
    await until(lambda: (silenced.diagnose(), other.diagnose()) == ("", ""))

    proxy.stall()

    await until(lambda: silenced.diagnose() == f"NATS was not heard for {SECONDS:g} s")
    await until(lambda: other.diagnose() == "")
    proxy.mend()
    await until(lambda: silenced.diagnose() == "")


class Leader(Recorder):
    """Notes whether another leads when it begins to."""

    def __init__(self) -> None:
        super().__init__()
        self.other: Recorder | None = None
        self.led_beside: list[bool] = []

    async def lead(self) -> None:
        if self.other is not None:
            self.led_beside.append(self.other.is_leading)
        await super().lead()


async def test_a_leader_that_nats_does_not_answer_ends_its_work_before_another_leads(
    groups: tuple[NatsGroup, NatsGroup], proxy: Proxy
) -> None:
    _, first = await groups[0].start()
    await until(lambda: first.is_leading)
    second = Leader()
    second.other = first
    await groups[1].start(member=second)

    proxy.stall()
    await until(lambda: second.is_leading)

    assert second.led_beside == [False]
    assert not first.is_leading


async def test_all_parts_of_the_runs_of_one_that_is_gone_are_taken_over(nats_server: NatsServer) -> None:
    group = NatsGroup(nats_server.url)
    (dying, _), *others = [await group.start() for _ in range(4)]
    await until(lambda: all(len(cluster.members()) == 4 for cluster, _ in others))

    await group.kill(dying)

    await until(lambda: {taken.share for _, member in others for taken in member.taken} == {0, 1, 2})
    assert {(taken.holder, taken.of) for _, member in others for taken in member.taken} == {(dying.name, 3)}
    await group.close()
