"""Cluster member that records its calls."""

import asyncio
from dataclasses import dataclass, field

from jikko.ports.cluster import Answer, Command, Hint, OrphanedRuns, ServerState, WaitingRun, WaitingRuns


@dataclass
class Durable:
    """Runs that count as taken over once the test allows."""

    confirmed: asyncio.Event = field(default_factory=asyncio.Event)
    is_whole: bool = True

    async def durable(self) -> None:
        await self.confirmed.wait()


@dataclass
class Recorder:
    """Recording ``Member``."""

    answer: Answer = True
    commands: list[Command] = field(default_factory=list)
    hints: list[Hint] = field(default_factory=list)
    taken: list[OrphanedRuns] = field(default_factory=list)
    waiting: list[WaitingRun] = field(default_factory=list)
    """Runs offered to it."""
    told: ServerState = field(default_factory=lambda: ServerState(since=0.0, runs=0))
    takes_waiting: bool = True
    has_room: asyncio.Event = field(default_factory=asyncio.Event)
    offers: "asyncio.Future[WaitingRuns]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Where it can offer waiting runs."""
    is_leading: bool = False
    holds: asyncio.Event = field(default_factory=asyncio.Event)
    """While cleared, no command is answered."""
    durable: Durable = field(default_factory=Durable)

    def __post_init__(self) -> None:
        self.holds.set()
        self.durable.confirmed.set()

    async def handle_command(self, command: Command) -> Answer:
        self.commands.append(command)
        await self.holds.wait()
        return self.answer

    def on_hint(self, hint: Hint) -> None:
        self.hints.append(hint)

    async def read_again(self) -> None:
        """No-op: there are no files."""

    async def take_over(self, orphans: OrphanedRuns) -> Durable:
        self.taken.append(orphans)
        return self.durable

    def state(self) -> ServerState:
        return self.told

    async def room(self) -> None:
        await self.has_room.wait()

    async def take_waiting(self, run: WaitingRun) -> bool:
        self.waiting.append(run)
        return self.takes_waiting

    async def offer_waiting(self, waiting: WaitingRuns) -> None:
        self.offers.set_result(waiting)

    async def lead(self) -> None:
        self.is_leading = True
        try:
            await asyncio.Event().wait()
        finally:
            self.is_leading = False
