"""In-memory ``Cluster`` with late, repeated and lost messages, and members that die or freeze."""

import asyncio
import contextlib
from collections.abc import Collection, Coroutine
from dataclasses import dataclass, field
from random import Random
from typing import Any

from jikko.cluster.membership import MAX_OFFERS_OF_AN_APP
from jikko.concurrency.rate_limit import RequestRates
from jikko.ports.cluster import Answer, Command, Hint, Member, OrphanedRuns, WaitForEvents, WaitingRun

_PULL_SECONDS = 0.05
"""Interval at which members with free capacity look for waiting runs."""
_ANSWER_SECONDS = 5.0
"""Timeout after which a run that a member has not taken in is offered again."""


@dataclass(kw_only=True)
class Faults:
    """Faults of the network; none by default."""

    delay: float = 0.0
    """Longest delay of a message, in seconds."""
    loss: float = 0.0
    """Share of lost messages."""
    repeat: float = 0.0
    """Share of repeated messages."""


class FakeNetwork:
    """All members of a cluster. Their views of each other lag behind reality."""

    def __init__(self, random: Random | None = None, faults: Faults | None = None) -> None:
        self.random = random or Random(0)
        self.faults = faults or Faults()
        self.rates = RequestRates(timer=lambda: asyncio.get_running_loop().time())
        self.clusters: dict[str, FakeCluster] = {}
        self.believed: list[str] = []
        """Names of members believed to be alive, oldest first."""
        self.waiting: list[WaitingRun] = []
        """Runs offered to all."""
        self.being_taken: list[tuple[str, WaitingRun]] = []
        """Runs that a process was given, or is about to be given."""
        self._leader: str | None = None
        self._count = 0

    def cluster(self) -> "FakeCluster":
        """Return the cluster for another process."""
        cluster = FakeCluster(self, f"fake/{self._count}")
        self._count += 1
        self.clusters[cluster.name] = cluster
        return cluster

    def joined(self, name: str) -> None:
        """Add or restore a process."""
        if name not in self.believed:
            self.believed.append(name)
        self._choose_leader()

    def is_missed(self, name: str) -> None:
        """Consider a process dead, rightly or not: its runs go to another."""
        if name in self.believed:
            self.believed.remove(name)
            self.clusters[name].stop_leading()
            if self._leader == name:
                self._leader = None
            self._choose_leader()
            self.offer(OrphanedRuns(holder=name))

    def offer(self, orphans: OrphanedRuns) -> None:
        """Offer orphaned runs to some member."""
        if self.believed:
            chosen = self.clusters[self.random.choice(self.believed)]
            self.post(chosen, lambda: chosen.take_over(orphans))

    def post(self, to: "FakeCluster", deliver: Any) -> None:
        """Send a message."""
        if self.random.random() < self.faults.loss:
            return
        for _ in range(2 if self.random.random() < self.faults.repeat else 1):
            delay = self.random.uniform(0, self.faults.delay)
            asyncio.get_running_loop().call_later(delay, to.receive, deliver)

    def _choose_leader(self) -> None:
        if self._leader is None and self.believed:
            self._leader = self.believed[0]
            self.clusters[self._leader].lead()


class FakeWaitingRuns:
    """Runs waiting at members, as visible to all."""

    def __init__(self, network: FakeNetwork) -> None:
        self._network = network

    async def offer(self, run: WaitingRun) -> bool:
        network = self._network
        await asyncio.sleep(network.random.uniform(0, network.faults.delay))
        offered = [*network.waiting, *(run for _, run in network.being_taken)]
        if sum(other.app_id == run.app_id for other in offered) >= MAX_OFFERS_OF_AN_APP:
            return False
        network.waiting.append(run)
        return True

    async def withdraw(self, run_id: str) -> None:
        network = self._network
        network.waiting = [run for run in network.waiting if run.run_id != run_id]
        network.being_taken = [(name, run) for name, run in network.being_taken if run.run_id != run_id]


@dataclass(eq=False)
class FakeCluster:
    """Cluster of one process."""

    _network: FakeNetwork
    name: str
    patience: float = 10.0
    is_dead: bool = False
    is_frozen: bool = False
    _member: Member | None = None
    _inbox: list[Any] = field(default_factory=list)
    _leading: asyncio.Task[None] | None = None
    _has_left: bool = False
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def members(self) -> Collection[str]:
        return {*self._network.believed, self.name}

    def is_late(self, name: str) -> bool:
        return name not in self.members()

    def diagnose(self) -> str:
        return ""

    async def join(self, member: Member) -> None:
        self._member = member
        if not self._network.believed:
            self.take_over(OrphanedRuns())
        self._network.joined(self.name)
        self._start(member.offer_waiting(FakeWaitingRuns(self._network)))
        self._start(self._pull(member))

    async def attend(self) -> None:
        self._network.joined(self.name)

    def leave(self) -> None:
        self._has_left = True
        self.stop_leading()

    async def close(self) -> None:
        self.leave()
        self.is_dead = True
        if self.name in self._network.believed:
            self._network.believed.remove(self.name)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def request(self, holder: str, command: Command) -> Answer:
        to = self._network.clusters.get(holder)
        if to is None or to is self or holder not in self._network.believed:
            await asyncio.sleep(0)
            return None
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        async def handle() -> None:
            answer = None
            with contextlib.suppress(Exception):
                answer = None if to._member is None else await to._member.handle_command(command)

            def respond() -> None:
                if not future.done():
                    future.set_result(answer)

            self._network.post(self, respond)

        self._network.post(to, lambda: to._start(handle()))
        try:
            async with asyncio.timeout(command.seconds + 1 if isinstance(command, WaitForEvents) else self.patience):
                return await future
        except TimeoutError:
            return None

    def offer(self, orphans: OrphanedRuns) -> None:
        self._network.offer(orphans)

    async def count(self, key: bytes, per_minute: int) -> int:
        return self._network.rates.count(key, per_minute)

    def hint(self, hint: Hint) -> None:
        for other in self._network.clusters.values():
            self._network.post(other, lambda other=other: other._member and other._member.on_hint(hint))

    # Faults of the network.

    def receive(self, deliver: Any) -> None:
        """Receive a message."""
        if self.is_frozen:
            self._inbox.append(deliver)
        elif not self.is_dead and self._member is not None:
            deliver()

    def kill(self) -> None:
        """End at once; the others do not know yet."""
        self.is_dead = True
        self.stop_leading()
        for task in self._tasks:
            task.cancel()
        network = self._network
        network.waiting += [run for name, run in network.being_taken if name == self.name]
        network.being_taken = [(name, run) for name, run in network.being_taken if name != self.name]

    def freeze(self) -> None:
        self.is_frozen = True

    def thaw(self) -> None:
        """Resume as if nothing had happened."""
        self.is_frozen = False
        inbox, self._inbox = self._inbox, []
        for deliver in inbox:
            self.receive(deliver)

    def take_over(self, orphans: OrphanedRuns) -> None:
        """See ``Member.take_over``."""
        if not self._has_left:
            self._start(self._take_over(orphans))

    def lead(self) -> None:
        """See ``Member.lead``."""
        if self._member is not None and not self._has_left and self._leading is None:
            self._leading = asyncio.get_running_loop().create_task(self._member.lead())

    def stop_leading(self) -> None:
        """Lose the lead to a decision of the network."""
        if self._leading is not None:
            self._leading.cancel()
            self._leading = None

    async def _pull(self, member: Member) -> None:
        network = self._network
        while not self._has_left:
            await member.room()
            elsewhere = [run for run in network.waiting if run.holder != self.name]
            if elsewhere and not self.is_frozen:
                run = elsewhere[0]
                network.waiting.remove(run)
                network.being_taken.append((self.name, run))
                asyncio.get_running_loop().call_later(_ANSWER_SECONDS, self._give_back, run)
                network.post(self, lambda run=run: self._start(self._take(member, run)))
            await asyncio.sleep(_PULL_SECONDS)

    async def _take(self, member: Member, run: WaitingRun) -> None:
        if not await member.take_waiting(run):
            self._give_back(run)
        elif (self.name, run) in self._network.being_taken:
            self._network.being_taken.remove((self.name, run))

    def _give_back(self, run: WaitingRun) -> None:
        if (self.name, run) in self._network.being_taken:
            self._network.being_taken.remove((self.name, run))
            self._network.waiting.append(run)

    async def _take_over(self, orphans: OrphanedRuns) -> None:
        assert self._member is not None
        await (await self._member.take_over(orphans)).durable()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
