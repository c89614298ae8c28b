"""Commands to a run from another process, where it is executed or a paused one can be read; and hints to the others.

A paused run of a newer version cannot be read by an older server: that one has another take its form.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from jikko.errors import JikkoError, LogConflict, LogTooNew
from jikko.events import FormClosed
from jikko.ports.clock import Clock
from jikko.ports.cluster import (
    Answer,
    Cluster,
    JobDue,
    ReleaseRun,
    RunChanged,
    RunCommand,
    StartWasRefused,
    StopRun,
    SubmitForm,
    WaitForEvents,
)
from jikko.ports.stores.run_store import RunStore
from jikko.runs.executor import RunHandle
from jikko.runs.following.log_pieces import CommitTimes, grown
from jikko.runs.queued_run import QueuedRun
from jikko.runs.run_log import RunLog

_RUNS_TO_INDEX: Final = 64
"""After how many ended runs the index of keywords is due."""


class RunHints:
    """Tells who follows a run that it has changed, and the leader what is due because of it. All of it may be lost:
    they look for themselves, later."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self._ended_runs = 0

    def durable(self, log: RunLog) -> None:
        """The end, or a pause, of a run is durable."""
        record = log.record
        if record.status == "paused":
            if record.wake_at is not None:
                self._cluster.hint(JobDue(job="forms", at=record.wake_at))
            return
        if record.status == "running":
            return
        if log.may_have_callback:
            self._cluster.hint(JobDue(job="callbacks", at=self._clock()))
        self._ended_runs += 1
        if self._ended_runs % _RUNS_TO_INDEX == 0:
            self._cluster.hint(JobDue(job="keywords", at=self._clock()))

    def changed(self, log: RunLog) -> None:
        """A run was taken by this process, or ended by it."""
        self._cluster.hint(RunChanged(log.record.identity.run_id))
        if not log.record.is_open:
            self.durable(log)

    def refused(self, run_id: str) -> None:
        """The start of a run was refused, and the record may have it."""
        self._cluster.hint(StartWasRefused(run_id))

    def ended(self, run_id: str) -> None:
        """A run that no process executed was ended: its followers and its call-back get a hint."""
        self._cluster.hint(RunChanged(run_id))
        self._cluster.hint(JobDue(job="callbacks", at=self._clock()))


async def done_here(held: RunHandle, command: RunCommand, clock: Clock) -> Answer:
    """Do to a run of this process what another process asks for; see ``Member.handle_command``."""
    if held.runner.has_ended:
        return None
    try:
        match command:
            case StopRun(error=error, only_waiting=only_waiting):
                return await stop_here(held, error, only_waiting)
            case SubmitForm(closed=closed):
                return await submit_here(held, closed)
            case ReleaseRun(epoch=epoch):
                return release(held, epoch)
            case WaitForEvents(count=count, seconds=seconds):
                times = held.log.commit_times = held.log.commit_times or CommitTimes(clock, held.log.durable_count)
                async with asyncio.timeout(seconds):
                    await held.log.committed(count + 1, hurries=False)
                return grown(held.log.durable(count), times.of(count))
    except TimeoutError:
        return True
    except JikkoError:
        return None


async def stop_here(held: RunHandle, error: str, only_waiting: bool) -> bool:
    """Stop a run. Durable when this returns whether it was still to be stopped."""
    if (only_waiting and not isinstance(held.runner, QueuedRun)) or not held.runner.stop(error):
        return False
    await held.log.committed()
    return True


async def submit_here(held: RunHandle, closed: FormClosed) -> bool:
    """Submit a form of a run. Durable when this returns whether the run waited for it."""
    return held.runner.submit(closed) and await is_closed(held.log, closed)


def release(held: RunHandle, epoch: int) -> bool:
    """Release a run that another process has had since an epoch. Returns whether this one had it from an earlier."""
    if held.log.record.epoch >= epoch:
        return False
    held.log.abandon(LogConflict(f"Run {held.log.record.identity.run_id} was taken over."))
    held.runner.lost()
    return True


async def is_closed(log: RunLog, closed: FormClosed) -> bool:
    """Wait until it is durable that a form was closed. ``False``: the run ended without."""
    return await log.wait_for(lambda event: isinstance(event, FormClosed) and event.form_id == closed.form_id)


async def asked_newer(cluster: Cluster, command: SubmitForm) -> bool:
    """Have a member that can read a paused run submit its form. Returns whether the run waited for it. Raises
    ``LogTooNew``: there is none."""
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
