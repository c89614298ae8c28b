"""Store that writes without acknowledgement, as over a broken network connection."""

import asyncio
from collections.abc import Iterator
from typing import Any

from jikko.errors import StoreUnavailable
from jikko.ports.stores.run_store import Append


class ForgetfulStore:
    """``RunStore`` in front of another that loses acknowledgements of some appends."""

    def __init__(self, store: Any, loses: Iterator[bool]) -> None:
        """Args:
        loses: For each append, whether its acknowledgement is lost."""
        self._store = store
        self._loses = loses
        self.offered: list[Append] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def append(self, batch: Append) -> "asyncio.Future[None]":
        self.offered.append(batch)
        written = self._store.append(batch)
        if not next(self._loses):
            future: asyncio.Future[None] = written
            return future
        lost = asyncio.get_running_loop().create_future()

        def lose(done: "asyncio.Future[None]") -> None:
            done.result()
            lost.set_exception(StoreUnavailable("the connection broke"))

        written.add_done_callback(lose)
        return lost
