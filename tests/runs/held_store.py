"""Store with a disk as slow as a test needs."""

import asyncio
from collections.abc import Callable

import msgspec

from jikko.ports.stores.run_store import Append
from tests.store.in_memory import RunsInMemory


class HeldStore(RunsInMemory):
    """Store that writes at once or, after ``hold``, when the test releases it."""

    def __init__(self) -> None:
        super().__init__()
        self._holds = False
        self._has_begun = False
        self.given: Callable[[Append], None] = lambda batch: None
        """Called with each write when it is requested."""
        self._held: list[tuple[Append, asyncio.Future[None]]] = []

    def hold(self, *, begun: bool = False) -> None:
        """Hold writes from now on.

        Args:
            begun: Hold them inside their transactions: writes withdrawn meanwhile are written all the same.
        """
        self._holds, self._has_begun = True, begun

    @property
    def held(self) -> int:
        """Return the number of held writes."""
        return len(self._held)

    def release(self, *, newest_first: bool = False) -> None:
        """Execute held writes, in call order or reversed, and hold no more."""
        self._holds = False
        held, self._held = self._held, []
        for batch, done in reversed(held) if newest_first else held:
            self._write(batch, done)

    def append(self, batch: Append) -> "asyncio.Future[None]":
        self.given(batch)
        if not self._holds:
            return super().append(batch)
        done = asyncio.get_running_loop().create_future()
        # The store must not use the record after this returns.
        kept = msgspec.structs.replace(batch, events=list(batch.events), record=msgspec.structs.replace(batch.record))
        if self._has_begun:
            kept = msgspec.structs.replace(kept, withdrawal=None)
        self._held.append((kept, done))
        return done

    def _write(self, batch: Append, done: "asyncio.Future[None]") -> None:
        def written(writing: "asyncio.Future[None]") -> None:
            if done.done():
                return
            if (error := writing.exception()) is not None:
                done.set_exception(error)
            else:
                done.set_result(None)

        super().append(batch).add_done_callback(written)
