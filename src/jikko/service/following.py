"""Following a run, wherever it is executed."""

import asyncio
from collections.abc import AsyncIterator, Callable

from jikko.ports.run_store import RunStore
from jikko.service.live import Batch, LiveRun

_POLL = 0.1
"""Seconds between looks at a run that another process executes."""


async def follow(
    store: RunStore,
    live_run: Callable[[str], LiveRun | None],
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
    """
    quiet = 0.0
    while True:
        live = live_run(run_id)
        if live is not None:
            async for batch in live.follow(after, durable=durable, idle=idle):
                after = batch[-1][0] if batch else after
                yield batch
        else:
            current = await store.record(run_id)
            events = await store.events(run_id, after=after)
            if events:
                quiet = 0.0
                after += len(events)
                yield list(enumerate(events, after - len(events) + 1))
            elif current is None or not current.is_open:
                return
        state = await store.record(run_id) if live_run(run_id) is None else None
        if state is not None and (not state.is_open or (state.status == "paused" and not through_pauses)):
            if not await store.events(run_id, after=after):
                return
            continue
        await asyncio.sleep(_POLL)
        quiet += _POLL
        if idle is not None and quiet >= idle:
            quiet = 0.0
            yield []
