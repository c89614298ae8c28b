"""Contract of ``Cluster`` without faults. With faults: ``tests/runs/test_several_processes.py``."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec
import pytest

from jikko.cluster.alone import Alone
from jikko.cluster.cluster_messages import Assembled, Channel, Serving
from jikko.cluster.hub import Hub
from jikko.cluster.workers import WorkerCluster
from jikko.events import FormClosed
from jikko.ports.cluster import (
    Answer,
    Cluster,
    Command,
    EventsAppended,
    JobDue,
    OrphanedRuns,
    RunChanged,
    StartWasRefused,
    StopRun,
    SubmitForm,
    WaitForEvents,
    server_of,
)
from tests.cluster.fake import FakeNetwork
from tests.cluster.nats_group import NATS, NatsGroup
from tests.cluster.nats_server import NatsServer
from tests.cluster.recorder import Recorder
from tests.runs.world import until

pytestmark = pytest.mark.anyio

PER_MINUTE = 3
STOP = StopRun(run_id="r", error="stopped by 田中")


class Group(Protocol):
    """Processes of one cluster."""

    async def start(self) -> tuple[Cluster, Recorder]:
        """One more, that serves."""
        ...

    async def kill(self, cluster: Cluster) -> None:
        """It ends without a word."""
        ...

    async def close(self) -> None: ...


class AloneGroup:
    """The one process."""

    def __init__(self) -> None:
        self._clusters: list[Alone] = []

    async def start(self) -> tuple[Cluster, Recorder]:
        cluster, member = Alone(), Recorder()
        self._clusters.append(cluster)
        await cluster.join(member)
        return cluster, member

    async def kill(self, cluster: Cluster) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        for cluster in self._clusters:
            await cluster.close()


class WorkersGroup:
    """Workers and their supervisor's hub, in one process."""

    def __init__(self) -> None:
        self.hub = Hub(2, PER_MINUTE)
        self._processes: dict[str, tuple[Channel, Channel, asyncio.Task[None]]] = {}
        self._clusters: list[WorkerCluster] = []
        self._count = 0

    async def start(self, *, patience: float = 10.0) -> tuple[Cluster, Recorder]:
        name = f"s/{self._count}"
        self._count += 1
        ours, theirs = socket.socketpair()
        its, hubs = await Channel.open(theirs), await Channel.open(ours)
        self.hub.connect(name, hubs)
        self._processes[name] = its, hubs, asyncio.get_running_loop().create_task(self._listen(name, hubs))
        cluster, member = WorkerCluster(name, its, its.messages(), patience=patience), Recorder()
        self._clusters.append(cluster)
        its.send(Assembled(lines=[]))
        await cluster.join(member)
        its.send(Serving())
        await until(lambda: name in self.hub.serving)
        return cluster, member

    async def lose(self, cluster: Cluster) -> None:
        """A worker loses its supervisor."""
        self._processes[cluster.name][1].close()

    async def kill(self, cluster: Cluster) -> None:
        its, hubs, listening = self._processes.pop(cluster.name)
        await cluster.close()
        its.close()
        await listening
        hubs.close()
        self.hub.disconnect(cluster.name)

    async def close(self) -> None:
        for cluster in self._clusters:
            if cluster.name in self._processes:
                await self.kill(cluster)

    async def _listen(self, name: str, channel: Channel) -> None:
        async for message in channel.messages():
            self.hub.on_message(name, message)


class FakeGroup:
    """Members of a network without faults."""

    def __init__(self) -> None:
        self.network = FakeNetwork()

    async def start(self) -> tuple[Cluster, Recorder]:
        cluster, member = self.network.cluster(), Recorder()
        await cluster.join(member)
        await asyncio.sleep(0)
        return cluster, member

    async def kill(self, cluster: Cluster) -> None:
        fake = self.network.clusters[cluster.name]
        fake.kill()
        self.network.is_missed(cluster.name)

    async def close(self) -> None:
        for cluster in self.network.clusters.values():
            await cluster.close()


ONE_MACHINE: dict[str, Callable[[], Group]] = {
    "alone": AloneGroup,
    "workers": WorkersGroup,
    "fake": FakeGroup,
}


@asynccontextmanager
async def of_kind(request: pytest.FixtureRequest) -> AsyncIterator[Group]:
    """Processes of a cluster of the kind that a fixture's parameter names."""
    if request.param in ONE_MACHINE:
        made = ONE_MACHINE[request.param]()
    else:
        server: NatsServer = request.getfixturevalue("nats_server")
        made = NatsGroup(server.url, per_minute=PER_MINUTE)
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture(params=[*ONE_MACHINE])
async def on_one_machine(request: pytest.FixtureRequest) -> AsyncIterator[Group]:
    """Of any kind whose first process has the runs of all earlier ones."""
    async with of_kind(request) as made:
        yield made


@pytest.fixture(params=[*ONE_MACHINE, NATS])
async def group(request: pytest.FixtureRequest) -> AsyncIterator[Group]:
    """Of any kind."""
    async with of_kind(request) as made:
        yield made


@pytest.fixture(params=["workers", "fake", NATS])
async def several(request: pytest.FixtureRequest) -> AsyncIterator[Group]:
    """Of a kind that has several processes."""
    async with of_kind(request) as made:
        yield made


async def test_a_process_is_a_member_under_a_name_that_tells_its_server(group: Group) -> None:
    cluster, _ = await group.start()

    assert list(cluster.members()) == [cluster.name]
    assert server_of(cluster.name) == cluster.name.rpartition("/")[0] != ""


async def test_what_earlier_servers_left_is_taken_over_before_it_has_joined(on_one_machine: Group) -> None:
    _, member = await on_one_machine.start()
    await until(lambda: member.taken != [])

    assert {orphans.holder for orphans in member.taken} == {""}


async def test_one_that_serves_leads_until_it_leaves(group: Group) -> None:
    cluster, member = await group.start()
    await until(lambda: member.is_leading)

    cluster.leave()

    await until(lambda: not member.is_leading)


async def test_hints_come_to_the_sender_too(group: Group) -> None:
    cluster, member = await group.start()

    cluster.hint(RunChanged("r"))
    cluster.hint(JobDue(job="forms", at=1.5))

    await until(lambda: member.hints == [RunChanged("r"), JobDue(job="forms", at=1.5)])


async def test_runs_that_are_offered_are_taken_over(group: Group) -> None:
    cluster, member = await group.start()

    cluster.offer(OrphanedRuns(holder="gone/7"))

    await until(lambda: OrphanedRuns(holder="gone/7") in member.taken)


@pytest.mark.parametrize("holder", ["", "nobody/1", "itself"])
async def test_there_is_nobody_of_an_unknown_name_and_nobody_else_of_ones_own(group: Group, holder: str) -> None:
    cluster, member = await group.start()

    assert await cluster.request(cluster.name if holder == "itself" else holder, STOP) is None
    assert member.commands == []


async def test_requests_of_a_key_are_counted_by_the_key(group: Group) -> None:
    cluster, _ = await group.start()

    waits = [await cluster.count(key, PER_MINUTE) for key in (b"\x00\xffone", b"two") for _ in range(PER_MINUTE + 1)]

    assert [wait > 0 for wait in waits] == [*[False] * PER_MINUTE, True] * 2
    assert max(waits) <= 60


async def test_each_rate_is_counted_by_itself(group: Group) -> None:
    cluster, _ = await group.start()

    waits = {rate: [await cluster.count(b"key", rate) > 0 for _ in range(5)] for rate in (PER_MINUTE, 2, 4, 0)}

    assert waits == {rate: [rate > 0 and place >= rate for place in range(5)] for rate in waits}


async def test_one_that_closes_is_told_nothing_more(group: Group) -> None:
    cluster, member = await group.start()
    await until(lambda: member.is_leading)

    await cluster.close()
    await cluster.close()

    await until(lambda: not member.is_leading)
    cluster.hint(RunChanged("r"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert member.hints == []


# Several -------------------------------------------------------------------------------------------------------------


async def test_all_know_each_other(several: Group) -> None:
    pairs = [await several.start() for _ in range(3)]

    names = {cluster.name for cluster, _ in pairs}
    for cluster, _ in pairs:
        await until(lambda cluster=cluster: set(cluster.members()) == names)  # type: ignore[misc]


@pytest.mark.parametrize("rate", [PER_MINUTE, 4])
async def test_requests_are_counted_for_all_together(several: Group, rate: int) -> None:
    clusters = [(await several.start())[0] for _ in range(2)]

    waits = [await clusters[place % 2].count(b"key", rate) > 0 for place in range(rate + 2)]

    assert waits == [*[False] * rate, True, True]


async def test_hints_come_to_all(several: Group) -> None:
    pairs = [await several.start() for _ in range(3)]

    pairs[0][0].hint(RunChanged("r"))
    pairs[0][0].hint(StartWasRefused("s"))

    for _, member in pairs:
        await until(lambda member=member: member.hints == [RunChanged("r"), StartWasRefused("s")])  # type: ignore[misc]


def form(text: str) -> FormClosed:
    return FormClosed(
        at=1.0,
        execution_id="x",
        node_id="n",
        title="t",
        form_id="f",
        action_id="yes",
        rendered_content=text,
        data={"comment": text},
        expiration_time=2,
    )


COMMANDS = {
    "stop": STOP,
    "form": SubmitForm(run_id="r", closed=form("良い 🙂 \ue000\n\u2028")),
    "large form": SubmitForm(run_id="r", closed=form("x" * 1_000_000)),
    "wait": WaitForEvents(run_id="r", count=7, seconds=30.0),
}


ANSWERS: tuple[Answer, ...] = (
    True,
    False,
    None,
    EventsAppended(msgspec.Raw('[{"event":"of a newer version","text":"良い 🙂 \ue000 \u2028"}]'.encode())),
    EventsAppended(msgspec.Raw(b'["%s"]' % (b"x" * 250_000))),
)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
async def test_the_holder_is_asked_as_it_was_said_and_its_answer_comes_back(several: Group, command: Command) -> None:
    (asking, _), (holder, member) = await several.start(), await several.start()
    answers: list[Answer] = []
    for member.answer in ANSWERS:
        answers.append(await asking.request(holder.name, command))

    assert answers == list(ANSWERS)
    assert member.commands == [command] * len(ANSWERS)


async def test_answers_come_in_any_order(several: Group) -> None:
    (asking, _), (slow, held), (quick, _) = [await several.start() for _ in range(3)]
    held.holds.clear()
    first = asyncio.ensure_future(asking.request(slow.name, STOP))
    await until(lambda: held.commands == [STOP])

    assert await asking.request(quick.name, STOP) is True
    assert not first.done()

    held.holds.set()
    assert await first is True


async def test_one_that_fails_has_not_done_it(several: Group) -> None:
    (asking, _), (holder, member) = await several.start(), await several.start()

    async def fail(command: Command) -> bool | None:
        raise RuntimeError("broken")

    member.handle_command = fail  # type: ignore[method-assign]
    assert await asking.request(holder.name, STOP) is None


async def test_one_that_dies_leaves_its_runs_its_role_and_no_answers(several: Group) -> None:
    (dying, held), (other, member) = await several.start(), await several.start()
    await until(lambda: held.is_leading)
    held.holds.clear()
    asking = asyncio.ensure_future(other.request(dying.name, STOP))
    await until(lambda: held.commands == [STOP])
    if isinstance(several, FakeGroup):
        asking.cancel()  # a fake is slow to notice

    await several.kill(dying)

    if not isinstance(several, FakeGroup):
        assert await asking is None
    await until(lambda: list(other.members()) == [other.name])
    await until(lambda: dying.name in {orphans.holder for orphans in member.taken})
    await until(lambda: member.is_leading)
    assert await other.request(dying.name, STOP) is None


async def test_one_that_leaves_is_still_asked(several: Group) -> None:
    (asking, _), (leaving, member) = await several.start(), await several.start()

    leaving.leave()

    assert await asking.request(leaving.name, STOP) is True
    assert member.commands == [STOP]
