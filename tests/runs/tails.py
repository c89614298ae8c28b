"""Run of another process and its tail here, in virtual time."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from jikko.cluster.alone import Alone
from jikko.errors import StoreUnavailable
from jikko.events import Event
from jikko.ports.cluster import Answer, Command, WaitForEvents
from jikko.ports.stores.run_store import Change
from jikko.record import RunRecord
from jikko.runs.following.quiet_runs import QuietRuns
from jikko.runs.following.run_tail import RunTail
from tests.contract.runs import Draft, node, started
from tests.store.in_memory import RunsInMemory


class Store(RunsInMemory):
    """Store that records reads of the record, and the positions of event reads."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[float] = []
        self.reads: list[int] = []
        self.asked: list[float] = []
        """Times of requests for changes."""
        self.is_away = False
        self.has_failed_over = False
        """Whether another copy, which has none of the runs, answers."""
        self.meanwhile: list[Event] = []
        """Events of the run between the reads of its record and its events."""
        self.draft = Draft()

    async def record(self, run_id: str, app_id: str | None = None) -> RunRecord | None:
        self.looks.append(asyncio.get_running_loop().time())
        return await super().record(run_id, app_id)

    async def events(self, run_id: str, *, after: int = -1, most: int = 0) -> list[Event]:
        self.reads.append(after)
        if self.meanwhile:
            await self.append(self.draft.step(*self.meanwhile))
            self.meanwhile = []
        return await super().events(run_id, after=after, most=most)

    async def changes(self, known: Mapping[str, int]) -> dict[str, Change]:
        self.asked.append(asyncio.get_running_loop().time())
        if self.is_away:
            raise StoreUnavailable("The database is away.")
        if self.has_failed_over:
            return {run_id: Change(None) for run_id in known}
        return await super().changes(known)


class Holder(Alone):
    """Process that executes the run, as seen from another."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__()
        self.answers = list(answers)
        self.asked: list[WaitForEvents] = []
        self.late: set[str] = set()

    def is_late(self, name: str) -> bool:
        return name in self.late

    async def request(self, holder: str, command: Command) -> Answer:
        assert isinstance(command, WaitForEvents)
        assert holder == "there"
        self.asked.append(command)
        if self.answers:
            return self.answers.pop(0)
        await asyncio.Event().wait()
        raise AssertionError


class Scene:
    """Run elsewhere, and its tail here."""

    def __init__(self, cluster: Alone, *events: Event, is_here: Callable[[], bool] = lambda: False) -> None:
        self.store = Store()
        self.draft = self.store.draft
        self.draft.record.holder = "there"
        self.cluster = cluster
        self.first: Sequence[Event] = events or (started(), *node())
        self.is_here = is_here

    async def tail(self, after: int = -1) -> RunTail:
        await self.grows(*self.first)
        quiet = QuietRuns(self.store, self.cluster.is_late)
        tail = RunTail(self.draft.id, self.store, self.cluster, self.is_here, quiet)
        await tail.look(after)
        return tail

    async def grows(self, *events: Event) -> None:
        await self.store.append(self.draft.step(*events))
