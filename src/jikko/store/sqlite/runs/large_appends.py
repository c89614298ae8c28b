"""Appends that take several transactions: those of large values, and those that close a long log."""

import asyncio
from functools import partial

import msgspec

from jikko.store.sqlite.database import Database
from jikko.store.sqlite.runs.archiving import Archiver
from jikko.store.sqlite.runs.large_values import PIECE_BYTES, LargeValues, reference
from jikko.store.sqlite.runs.run_writes import MAX_CLOSING_BYTES, LogWrite, LongLog, RunWrites


class LargeAppends:
    """Does appends in several transactions, of which the last one counts. Belongs to one event loop."""

    def __init__(self, database: Database, writes: RunWrites) -> None:
        self._database = database
        self._writes = writes
        self._values = LargeValues(database)
        self._archiver = Archiver(database, writes, self._values)
        self._doing: set[asyncio.Future[None]] = set()

    @staticmethod
    def wanted(write: LogWrite) -> bool:
        """Whether an append may need them."""
        if write.closes and (write.at or len(write.events) > MAX_CLOSING_BYTES):
            return True
        return len(write.events) > PIECE_BYTES or (write.at == 0 and len(write.inputs) > PIECE_BYTES)

    def append(self, write: LogWrite) -> "asyncio.Future[None]":
        """Do an append; see ``RunWrites.append``."""
        doing = asyncio.ensure_future(self._close(write) if write.closes else self._append(write))
        self._doing.add(doing)
        doing.add_done_callback(self._doing.discard)
        return doing

    async def rest(self) -> None:
        """Wait until all is done, and nothing is left to be removed."""
        await asyncio.gather(*self._doing, return_exceptions=True)
        await self._archiver.rest()

    async def _append(self, write: LogWrite) -> None:
        write = await self._behind_its_inputs(write)
        if len(write.events) > PIECE_BYTES:
            async with self._values.kept(write.values):
                value = await self._values.write(write.events)
            write = msgspec.structs.replace(write, events=reference(value), values=(*write.values, value))
        async with self._values.kept(write.values):
            await self._database.submit(partial(self._writes.append, write))

    async def _close(self, write: LogWrite) -> None:
        write = await self._behind_its_inputs(write)
        async with self._values.kept(write.values):
            if len(write.events) <= MAX_CLOSING_BYTES:
                try:
                    await self._database.submit(partial(self._writes.append, write))
                    return
                except LongLog:
                    pass
            await self._archiver.close(write)

    async def _behind_its_inputs(self, write: LogWrite) -> LogWrite:
        """The same, once its inputs are written if they are large, and not written yet."""
        if write.at > 0 or len(write.inputs) <= PIECE_BYTES:
            return write
        value = await self._values.write(write.inputs)
        return msgspec.structs.replace(write, large_inputs=value, values=(value,))
