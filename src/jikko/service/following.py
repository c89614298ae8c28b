"""Following a run, wherever it is executed."""

import asyncio
from collections.abc import AsyncIterator, Callable

from jikko.ports.peers import Peers
from jikko.ports.run_store import RunStore
from jikko.service.live import Batch, LiveRun

_LONGEST = 5.0
"""Seconds to rely on another process to tell that a run has gone on."""


async def follow(
    store: RunStore,
    live_run: Callable[[str], LiveRun | None],
    peers: Peers,
    run_id: str,
    after: int,
    *,
    durable: bool,
    idle: float | None,
    through_pauses: bool,
) -> AsyncIterator[Batch]:
    """See ``Runs.follow``.

    Args:
        live_run: The run, if this process executes it.
        peers: The processes that may execute it instead.
    """
    loop = asyncio.get_running_loop()
    heard = loop.time()
    while True:
        live = live_run(run_id)
        if live is not None:
            async for batch in live.follow(after, durable=durable, idle=idle):
                after = batch[-1][0] if batch else after
                yield batch
            heard = loop.time()
        # In this order: what the record says is in the log by then.
        record = await store.record(run_id)
        events = await store.events(run_id, after=after)
        if events:
            heard = loop.time()
            after += len(events)
            yield list(enumerate(events, after - len(events) + 1))
            continue
        if record is None or not record.is_open or (record.status == "paused" and not through_pauses):
            return
        patience = _LONGEST if idle is None else min(_LONGEST, heard + idle - loop.time())
        if patience <= 0:
            heard = loop.time()
            yield []
        else:
            await peers.grown(record, after + 1, patience)
