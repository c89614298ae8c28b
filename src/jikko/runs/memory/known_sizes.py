"""The bytes of events that were read from the store."""

from collections.abc import Sequence
from typing import Final

from jikko.concurrency.scheduler import TimeSlice
from jikko.events import Event
from jikko.ports.stores.run_store import RunStore

_AT_ONCE: Final = 50
"""Events that are measured before others may have the event loop: a fraction of a millisecond, values apart."""


async def sizes_of(events: Sequence[Event], store: RunStore, share: TimeSlice) -> list[int]:
    """The bytes of each event, as the store writes it. None, if it writes no bytes."""
    sizes: list[int] = []
    share.begin()
    while len(sizes) < len(events):
        _, some = store.pack(events[len(sizes) : len(sizes) + _AT_ONCE])
        if not some:
            break
        sizes += some
        await share.give_way()
    return sizes
