"""Paused runs of a newer version, while servers of both are there: who cannot read one has another take its form."""

from collections.abc import Awaitable, Callable

from jikko.errors import JikkoError, LogTooNew
from jikko.events import FormClosed
from jikko.ports.cluster import Cluster, SubmitForm
from jikko.ports.stores.run_store import RunStore


async def asked_newer(cluster: Cluster, command: SubmitForm) -> bool:
    """Have a member that can read a paused run submit its form. Returns whether the run waited for it.

    Raises:
        LogTooNew: There is none.
    """
    for name in cluster.members():
        if (answer := await cluster.request(name, command)) is not None:
            return answer is not False
    raise LogTooNew(command.run_id)


async def for_older(
    store: RunStore, command: SubmitForm, submit: Callable[[str, FormClosed], Awaitable[bool]]
) -> bool | None:
    """Submit the form of a paused run for a member that cannot read it. ``None``: it is not paused, or not for this."""
    try:
        record = await store.record(command.run_id)
        if record is None or record.status != "paused" or not record.is_known:
            return None
        return await submit(command.run_id, command.closed)
    except JikkoError:
        return None
