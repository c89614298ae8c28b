"""A run's events as the stream of messages that a client of Dify expects."""

from collections.abc import Iterable

from jikko.events import ContainerStarted, Event, NodeEvent, NodeFinished, RoundFinished
from jikko.http import wire
from jikko.record import RunOwner


class Messages:
    """Turns one run's events into frames, in their order.

    Rounds whose failure Dify would not show are held back until they have ended. Source: spec/execution.md §10 rule 4.
    """

    def __init__(self, owner: RunOwner) -> None:
        self._owner = owner
        self._hiding: set[str] = set()
        """Containers under way that hide failed rounds, by execution."""
        self._held: dict[tuple[str, int], list[Event]] = {}

    def frames(self, events: Iterable[Event]) -> bytes:
        """The frames of some events; empty if there is nothing to show."""
        return b"".join(frame for event in events for frame in self._of(event))

    def _of(self, event: Event) -> list[bytes]:
        if isinstance(event, NodeEvent):
            if isinstance(event, ContainerStarted) and event.hides_failed_rounds:
                self._hiding.add(event.execution_id)
            elif isinstance(event, NodeFinished):
                self._hiding.discard(event.execution_id)
            if self._hiding and event.rounds:
                for entry in event.rounds:
                    if entry.execution_id in self._hiding:
                        self._held.setdefault((entry.execution_id, entry.index), []).append(event)
                        return []
            if isinstance(event, RoundFinished) and self._held:
                held = self._held.pop((event.execution_id, event.round), [])
                shown = [*held, event] if event.error is None else [event]
                return [frame for part in shown for frame in self._frame(part)]
        return self._frame(event)

    def _frame(self, event: Event) -> list[bytes]:
        message = wire.event_message(self._owner, event)
        return [] if message is None else [wire.frame(message)]
