"""The journal: takes a run's events."""

from typing import Protocol

from jikko.events import Event


class Journal(Protocol):
    """Takes the events of one run, in their order."""

    @property
    def has_backpressure(self) -> bool:
        """Whether so much waits to be written that the run should not go further on, as memory is not endless."""

    def append(self, events: list[Event]) -> None:
        """Take the next events. Must neither wait nor raise; those that go together are handed in together."""

    async def durability_barrier(self) -> None:
        """Wait until everything that was handed in is durable. Raises ``JikkoError``: it will never be: another process
        has taken the run over, or this one is ending."""
