"""A member of a cluster that takes note of all that it is told."""

import asyncio
from dataclasses import dataclass, field

from jikko.ports.cluster import Answer, Command, Hint, OrphanedRuns


@dataclass
class Durable:
    """Runs that count as taken over once the test says so."""

    said: asyncio.Event = field(default_factory=asyncio.Event)

    async def durable(self) -> None:
        await self.said.wait()


@dataclass
class Recorder:
    """A ``Member`` that takes note."""

    answer: Answer = True
    commands: list[Command] = field(default_factory=list)
    hints: list[Hint] = field(default_factory=list)
    taken: list[OrphanedRuns] = field(default_factory=list)
    is_leading: bool = False
    holds: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared, no command is answered."""
    durable: Durable = field(default_factory=Durable)

    def __post_init__(self) -> None:
        self.holds.set()
        self.durable.said.set()

    async def handle_command(self, command: Command) -> Answer:
        self.commands.append(command)
        await self.holds.wait()
        return self.answer

    def on_hint(self, hint: Hint) -> None:
        self.hints.append(hint)

    async def read_again(self) -> None:
        """There are no files."""

    async def take_over(self, orphans: OrphanedRuns) -> Durable:
        self.taken.append(orphans)
        return self.durable

    async def lead(self) -> None:
        self.is_leading = True
        try:
            await asyncio.Event().wait()
        finally:
            self.is_leading = False
