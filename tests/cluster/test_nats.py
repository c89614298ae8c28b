"""Guarantees specific to clusters over NATS, with a real server, and with three replicas."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from itertools import count, pairwise

import pytest

from jikko.cluster.nats.link import NatsLink, end
from jikko.cluster.nats.nats_cluster import NatsCluster
from jikko.cluster.nats.queues import OrphanQueue
from jikko.cluster.nats.streams import Names
from jikko.errors import InvalidSettings, ServerStopping, StoreUnavailable
from jikko.ports.cluster import OrphanedRuns, RunChanged, ServerState, StopRun, Takeover, server_of
from tests.cluster.nats_group import SECONDS, NatsGroup
from tests.cluster.nats_server import NatsServer, nats_running, three_running
from tests.cluster.recorder import Recorder
from tests.effort import PATIENCE
from tests.runs.world import until

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.nats]
STOP = StopRun(run_id="r", error="stopped")


@pytest.fixture
async def group(nats_server: NatsServer) -> AsyncIterator[NatsGroup]:
    made = NatsGroup(nats_server.url)
    yield made
    await made.close()


@pytest.fixture(scope="module")
def three() -> Iterator[list[NatsServer]]:
    with three_running() as servers:
        yield servers


async def opened(url: str) -> NatsLink:
    return await NatsLink.open(url, Names(secrets.token_hex(6)), member_seconds=1, per_minute=0, name="test")


async def test_what_a_member_had_not_taken_over_durably_goes_to_another(group: NatsGroup) -> None:
    (first, held), (second, member) = await group.start(), await group.start()
    held.durable.confirmed.clear()
    member.durable.confirmed.clear()
    first.offer(OrphanedRuns(holder="gone/1"))
    await until(lambda: held.taken != [] or member.taken != [])
    new_holder, other = (first, member) if held.taken else (second, held)
    held.durable.confirmed.clear()

    await group.kill(new_holder)

    await until(lambda: OrphanedRuns(holder="gone/1") in other.taken)
    other.durable.confirmed.set()


async def test_the_runs_of_a_command_are_its_own_as_long_as_it_lives(group: NatsGroup) -> None:
    (one, member), (other, its) = await group.start(), await group.start()
    ended, killed = await group.attend(), await group.attend()
    await until(lambda: {ended.name, killed.name} <= {*one.members()} & {*other.members()})

    for cluster in (one, other):
        cluster.offer(OrphanedRuns(holder=ended.name))
    await ended.close()
    await until(lambda: ended.name not in one.members())
    assert ended.name not in {each.holder for each in (*member.taken, *its.taken)}
    await group.kill(killed)

    await until(lambda: any(each.holder == killed.name for each in (*member.taken, *its.taken)))


async def test_runs_of_a_member_that_lives_are_not_offered(group: NatsGroup) -> None:
    (one, member), (other, its) = await group.start(), await group.start()
    await until(lambda: other.name in one.members())

    one.offer(OrphanedRuns(holder=other.name))
    one.offer(OrphanedRuns(holder=""))
    one.offer(OrphanedRuns(holder="gone/1"))

    await until(lambda: OrphanedRuns(holder="gone/1") in [*member.taken, *its.taken])
    assert {orphans.holder for orphans in [*member.taken, *its.taken]} == {"gone/1"}
    link = await NatsLink.open(group.url, group.names, member_seconds=SECONDS, per_minute=0, name="looks")
    async with asyncio.timeout(PATIENCE):
        # What is taken over need not be kept.
        while (await link.stream.stream_info(group.names.stream("QUEUE"))).state.messages:  # noqa: ASYNC110 (NATS says nothing by itself)
            await asyncio.sleep(0.01)
    await link.close()


async def test_runs_are_taken_over_by_one_that_misses_their_member_later_than_the_others(group: NatsGroup) -> None:
    link = await NatsLink.open(group.url, group.names, member_seconds=SECONDS, per_minute=0, name="late")
    member, looks = Recorder(), count()

    def lives(name: str) -> bool:
        # They are half a second apart.
        return next(looks) < SECONDS / 0.5 + 2

    queue = OrphanQueue(link, member.take_over, lives, SECONDS)
    watching = asyncio.create_task(queue.watch())
    try:
        await queue.put([OrphanedRuns(holder="gone/1")], once="gone")

        await until(lambda: member.taken == [OrphanedRuns(holder="gone/1")])
    finally:
        await end([watching])
        await queue.close()
        await link.close()


async def test_runs_that_were_offered_to_a_process_about_to_end_go_to_another_at_once(group: NatsGroup) -> None:
    # NATS itself would offer them again after half of it.
    seconds = 10 * PATIENCE
    link = await NatsLink.open(
        group.url, Names(secrets.token_hex(6)), member_seconds=seconds, per_minute=0, name="both"
    )
    member, refused = Recorder(), asyncio.Event()

    async def refuse(orphans: OrphanedRuns) -> Takeover:
        refused.set()
        raise ServerStopping

    ending = OrphanQueue(link, refuse, lambda name: False, seconds)
    other = OrphanQueue(link, member.take_over, lambda name: False, seconds)
    watching = [asyncio.create_task(ending.watch())]
    try:
        await ending.put([OrphanedRuns(holder="gone/1")], once="gone")
        await refused.wait()
        watching.append(asyncio.create_task(other.watch()))

        await until(lambda: member.taken == [OrphanedRuns(holder="gone/1")])
    finally:
        await end(watching)
        await ending.close()
        await other.close()
        await link.close()


async def test_one_that_ends_leaves_its_runs_and_its_role_at_once(nats_server: NatsServer) -> None:
    group = NatsGroup(nats_server.url, seconds=6000)
    try:
        (leaving, leader), (other, member) = await group.start(), await group.start()
        await until(lambda: leader.is_leading)

        await leaving.close()

        await until(lambda: leaving.name in {orphans.holder for orphans in member.taken})
        await until(lambda: member.is_leading)
        assert list(other.members()) == [other.name]
    finally:
        await group.close()


async def test_clusters_of_two_databases_do_not_hear_each_other(group: NatsGroup, nats_server: NatsServer) -> None:
    second = NatsGroup(nats_server.url)
    try:
        (one, member), (other, its) = await group.start(), await second.start()
        await until(lambda: member.is_leading and its.is_leading)

        other.hint(RunChanged("r"))
        await until(lambda: its.hints == [RunChanged("r")])

        assert (list(one.members()), member.hints) == ([one.name], [])
        assert await one.request(other.name, STOP) is None
    finally:
        await second.close()


async def test_with_nats_away_nobody_is_gone_and_nobody_waits_and_a_store_that_is_lost_is_made_again() -> None:
    with nats_running() as server:
        group = NatsGroup(server.url, per_minute=1)
        try:
            # Who would wait for the answer would wait for longer than the test.
            (one, member), (other, its) = await group.start(patience=600.0), await group.start()
            its.holds.clear()
            asking = asyncio.ensure_future(one.request(other.name, STOP))
            await until(lambda: its.commands == [STOP])

            server.kill()

            async with asyncio.timeout(PATIENCE):
                assert await asking is None
                assert await one.request(other.name, STOP) is None
                assert [await one.count(b"key", rate) for rate in (1, 2) for _ in range(3)] == [0] * 6
                one.hint(RunChanged("here"))
                await until(lambda: member.hints == [RunChanged("here")])
            assert set(one.members()) == {one.name, other.name}

            server.lose_store()
            server.start()
            its.holds.set()

            await answered(one, other)
            await group.kill(other)
            await until(lambda: other.name in {orphans.holder for orphans in member.taken})
            await until(lambda: member.is_leading)
        finally:
            await group.close()


async def test_three_servers_keep_copies_and_one_may_die(three: list[NatsServer]) -> None:
    group = NatsGroup(",".join(server.url for server in three))
    try:
        (one, member), (other, _) = [await started(group) for _ in range(2)]
        link = await NatsLink.open(three[0].url, group.names, member_seconds=1, per_minute=0, name="looks")
        info = await link.stream.stream_info(group.names.stream("QUEUE"))
        await link.close()
        assert info.config.num_replicas == 3
        leader = info.cluster.leader if info.cluster is not None else ""
        await until(lambda: set(one.members()) == {one.name, other.name} == set(other.members()))

        three[int(str(leader)[1:])].kill()

        await answered(one, other)
        await group.kill(other)
        await until(lambda: other.name in {orphans.holder for orphans in member.taken})
        await until(lambda: member.is_leading)
    finally:
        await group.close()


async def answered(asking: NatsCluster, holder: NatsCluster) -> None:
    """Until a member reaches another."""
    while await asking.request(holder.name, STOP) is not True:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def started(group: NatsGroup) -> tuple[NatsCluster, Recorder]:
    """One more, once the servers have found each other."""
    while True:
        try:
            return await group.start()
        except (InvalidSettings, StoreUnavailable):
            await asyncio.sleep(0.1)


async def test_what_is_wrong_with_nats_is_said_without_its_password() -> None:
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1 cannot be reached") as nowhere:
        await opened("nats://jikko:geheim@127.0.0.1:1")
    assert "geheim" not in str(nowhere.value)

    with nats_running("--user", "jikko", "--pass", "right") as server:
        with pytest.raises(StoreUnavailable, match=r"(?i)authorization"):
            await opened(f"nats://jikko:wrong@127.0.0.1:{server.port}")
        link = await opened(f"nats://jikko:right@127.0.0.1:{server.port}")
        await link.close()

    with nats_running(jetstream=False) as server, pytest.raises(InvalidSettings, match="no JetStream"):
        await opened(server.url)
    for wrong in ("", ",", "http://host", "nats://host:port", "nats://"):
        with pytest.raises(InvalidSettings, match="expected nats://HOST"):
            await opened(wrong)


async def test_how_many_members_there_are_is_told_whenever_it_changes(group: NatsGroup) -> None:
    one, _ = await group.start()
    counts: list[int] = []
    one.on_members = counts.append

    second, _ = await group.start()
    await until(lambda: counts[-1:] == [2])
    third, _ = await group.start()
    await until(lambda: counts[-1:] == [3])
    await second.close()
    await until(lambda: counts[-1] == 2)
    await group.kill(third)

    await until(lambda: counts[-1] == 1)
    # One that a busy machine holds up for a second counts as gone meanwhile.
    assert all(before != after for before, after in pairwise([1, *counts]))


async def test_a_difference_of_configuration_is_logged_with_its_name_and_its_end_too(
    group: NatsGroup, caplog: pytest.LogCaptureFixture
) -> None:
    def told(**configuration: str) -> ServerState:
        return ServerState(since=1.0, runs=0, configuration={"version": "1", **configuration})

    one, _ = await group.start(member=Recorder(told=told(providers="a", max_runs="5")))
    second = Recorder(told=told(providers="b", max_runs="5"))
    two, _ = await group.start(member=second)

    await until(lambda: f"server {server_of(two.name)} has other providers than this one" in caplog.text)
    await until(lambda: f"server {server_of(one.name)} has other providers than this one" in caplog.text)
    second.told = told(providers="a", max_runs="5")
    await until(lambda: f"server {server_of(two.name)} has the same configuration as this one again" in caplog.text)
