"""A store whose disk is as slow as a test wants it."""

import asyncio
from collections.abc import Callable

import msgspec

from jikko.ports.stores.run_store import Append
from tests.store.in_memory import RunsInMemory


class HeldStore(RunsInMemory):
    """Writes at once, or, while ``hold`` is called, once the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self._holds = False
        self._has_begun = False
        self.given: Callable[[Append], None] = lambda batch: None
        """Told of each write as it is asked for."""
        self._held: list[tuple[Append, asyncio.Future[None]]] = []

    def hold(self, *, begun: bool = False) -> None:
        """Let writes wait from now on.

        Args:
            begun: They wait within their transactions: what is withdrawn meanwhile is written all the same.
        """
        self._holds, self._has_begun = True, begun

    @property
    def held(self) -> int:
        """Writes that wait."""
        return len(self._held)

    def release(self, *, newest_first: bool = False) -> None:
        """Do what waits, in the order of the calls, or in the opposite one, and hold nothing any more."""
        self._holds = False
        held, self._held = self._held, []
        for batch, done in reversed(held) if newest_first else held:
            self._write(batch, done)

    def append(self, batch: Append) -> "asyncio.Future[None]":
        self.given(batch)
        if not self._holds:
            return super().append(batch)
        done = asyncio.get_running_loop().create_future()
        # The store is done with the record when this returns.
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
