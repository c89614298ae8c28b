"""Following a run, wherever it is executed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from jikko.errors import LogDamaged, RunLeft
from jikko.ports.peers import Peers
from jikko.ports.run_store import RunStore
from jikko.record import RunRecord
from jikko.runs.run_log import Batch, RunLog

_LONGEST = 5.0
"""Seconds to rely on another process to tell that a run has gone on."""


class DrainGate:
    """The end of this process, as those who follow runs of others here are told of it."""

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self._waiting: set[object] = set()
        """Who follows a run that goes on in another process."""
        self._nobody = asyncio.Event()
        self._nobody.set()

    @property
    def is_over(self) -> bool:
        """Whether nobody is to wait any more."""
        return self._over.is_set()

    async def depart(self, grace: float) -> None:
        """Have nobody wait any more, once the runs that are followed have ended, or so many seconds are over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._nobody.wait()
        self._over.set()

    def await_end(self, who: object, *, of: RunRecord) -> None:
        """Somebody waits for a run, which is to have the time to end unless it waits for humans."""
        if of.status == "paused":
            self.go(who)
        else:
            self._waiting.add(who)
            self._nobody.clear()

    def go(self, who: object) -> None:
        """Somebody does not wait any more."""
        self._waiting.discard(who)
        if not self._waiting:
            self._nobody.set()

    async def comes_before(self, work: Awaitable[None]) -> None:
        """Wait for something until nobody is to wait any more."""
        working, over = asyncio.ensure_future(work), asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait((working, over), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            working.cancel()
            over.cancel()
            await asyncio.gather(working, over, return_exceptions=True)


async def follow(
    store: RunStore,
    live_run: Callable[[str], RunLog | None],
    peers: Peers,
    run_id: str,
    after: int,
    *,
    durable: bool,
    idle: float | None,
    through_pauses: bool,
    departure: DrainGate,
    give_up: Callable[[str, LogDamaged], Awaitable[None]],
) -> AsyncIterator[Batch]:
    """See ``Runs.follow``.

    Args:
        after: A position behind the end of the log stands for the end.
        live_run: The run, if this process executes it.
        peers: The processes that may execute it instead.
        departure: The end of this process.
        give_up: Called when the log of the run cannot be read.
    """
    loop = asyncio.get_running_loop()
    heard = loop.time()
    myself = object()
    if after >= 0 and live_run(run_id) is None:
        after = min(after, await store.log_end(run_id) - 1)
    try:
        while True:
            live = live_run(run_id)
            if live is not None:
                async for batch in live.follow(after, durable=durable, idle=idle):
                    after = batch[-1][0] if batch else after
                    yield batch
                heard = loop.time()
            # In this order: what the record says is in the log by then.
            record = await store.record(run_id)
            try:
                events = await store.events(run_id, after=after)
            except LogDamaged as damage:
                if damage.readable:
                    yield list(enumerate(damage.readable, after + 1))
                await give_up(run_id, damage)
                raise
            if events:
                heard = loop.time()
                after += len(events)
                yield list(enumerate(events, after - len(events) + 1))
                continue
            if record is None or not record.is_open or (record.status == "paused" and not through_pauses):
                return
            departure.await_end(myself, of=record)
            patience = _LONGEST if idle is None else min(_LONGEST, heard + idle - loop.time())
            if departure.is_over:
                raise RunLeft
            if patience <= 0:
                heard = loop.time()
                yield []
            else:
                await departure.comes_before(peers.grown(record, after + 1, patience))
    finally:
        departure.go(myself)
