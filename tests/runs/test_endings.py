"""Ends appended to logs that no process executes."""

import pytest

from jikko.errors import LogConflict
from jikko.runs.endings import append_end
from tests.contract.runs import Draft, node, paused, started
from tests.store.in_memory import RunsInMemory

pytestmark = pytest.mark.anyio


async def test_the_end_of_a_run_that_has_paused_meanwhile_is_decided_again() -> None:
    store, draft = RunsInMemory(), Draft()
    await store.append(draft.step(started(), *node()))
    seen = await store.record(draft.id)
    await store.append(draft.step(paused()))
    now = await store.record(draft.id)
    assert seen is not None
    assert now is not None

    with pytest.raises(LogConflict):
        await append_end(store, seen, "stopped", "It was stopped.", 9.0)
    assert await store.record(draft.id) == now

    await append_end(store, now, "stopped", "It was stopped.", 9.0)
    ended = await store.record(draft.id)
    assert ended is not None
    assert (ended.status, ended.elapsed, ended.total_steps, ended.wake_at) == (
        "stopped",
        now.elapsed,
        now.total_steps,
        None,
    )
