"""Store that cannot store some events, in violation of the contract."""

import asyncio
from collections.abc import Callable

from jikko.events import Event, NodeFinished
from jikko.ports.stores.run_store import Append
from tests.store.in_memory import RunsInMemory


class PickyStore(RunsInMemory):
    """Store that rejects events unless ``takes`` accepts them, with an exception outside the contract."""

    def __init__(
        self,
        takes: Callable[[Event], bool],
        *,
        at_once: bool,
        error: Exception | None = None,
    ) -> None:
        super().__init__()
        self.takes = takes
        self._error = error or ZeroDivisionError("secret")
        self._at_once = at_once
        """Whether the call raises, instead of its future."""

    def append(self, batch: Append) -> "asyncio.Future[None]":
        if all(self.takes(event) for event in batch.events):
            return super().append(batch)
        if self._at_once:
            raise self._error
        done = asyncio.get_running_loop().create_future()
        done.set_exception(self._error)
        return done


def is_no_result(event: Event) -> bool:
    """Return whether an event is not the end of a node."""
    return not isinstance(event, NodeFinished)
