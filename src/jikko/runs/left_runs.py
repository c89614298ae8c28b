"""Runs that a server has left: stopping them while there is none."""

from jikko.ports.stores.run_store import RunStore
from jikko.record import RunRecord
from jikko.runs.endings import append_end
from jikko.runs.runs import Runs


async def stop_left(runs: Runs, store: RunStore, record: RunRecord, user: str, now: float) -> bool:
    """Stop a run that waits for a form, or that a server left when it ended: none goes on with it at its next start.

    The caller holds the data folder, so that no other process executes the run. Durable when this returns.

    Returns:
        Whether it was open.

    Raises:
        StoreUnavailable: It cannot be written.
    """
    if not record.is_open:
        return False
    if await runs.control.stop(record.identity.app_id, record.identity.run_id, user):
        return True
    await append_end(store, record, "stopped", f"Workflow run was stopped by user {user}.", now)
    return True
