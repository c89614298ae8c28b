"""Commands to a run from another process, executed where the run is or can be read, and hints to other processes.

An older server cannot read a newer version's paused run: it lets another one submit its form.
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
"""Ended runs after which the keyword index is due."""


class RunHints:
    """Hints that a run has changed, for its followers, and that work is due, for the leader. All may be lost: the
    receivers also look for themselves, later."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self._ended_runs = 0

    def durable(self, log: RunLog) -> None:
        """Hint that a run's end, or a pause, is durable."""
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
        """Hint that this process has taken a run, or ended it."""
        self._cluster.hint(RunChanged(log.record.identity.run_id))
        if not log.record.is_open:
            self.durable(log)

    def refused(self, run_id: str) -> None:
        """Hint that a run's start was refused, which the record may have."""
        self._cluster.hint(StartWasRefused(run_id))

    def ended(self, run_id: str) -> None:
        """Hint that a run without a process was ended, to its followers and its callback."""
        self._cluster.hint(RunChanged(run_id))
        self._cluster.hint(JobDue(job="callbacks", at=self._clock()))


async def done_here(held: RunHandle, command: RunCommand, clock: Clock) -> Answer:
    """Execute another process's command on a local run; see ``Member.handle_command``."""
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
    """Stop a run. Returns, once durable, whether it was still to be stopped."""
    if (only_waiting and not isinstance(held.runner, QueuedRun)) or not held.runner.stop(error):
        return False
    await held.log.committed()
    return True


async def submit_here(held: RunHandle, closed: FormClosed) -> bool:
    """Submit a form of a run. Returns, once durable, whether the run waited for it."""
    return held.runner.submit(closed) and await is_closed(held.log, closed)


def release(held: RunHandle, epoch: int) -> bool:
    """Release a run that another process has had since an epoch. Returns whether the epoch here was earlier."""
    if held.log.record.epoch >= epoch:
        return False
    held.log.abandon(LogConflict(f"Run {held.log.record.identity.run_id} was taken over."))
    held.runner.lost()
    return True


async def is_closed(log: RunLog, closed: FormClosed) -> bool:
    """Wait until the form's closing is durable. ``False``: the run ended without it."""
    return await log.wait_for(lambda event: isinstance(event, FormClosed) and event.form_id == closed.form_id)


async def submit_to_newer_member(cluster: Cluster, command: SubmitForm) -> bool:
    """Let a member that can read a paused run submit its form. Returns whether the run waited for it. Raises
    ``LogTooNew``: there is no such member."""
    for name in cluster.members():
        if (answer := await cluster.request(name, command)) is not None:
            return answer is not False
    raise LogTooNew(command.run_id)


async def for_older(
    store: RunStore, command: SubmitForm, submit: Callable[[str, FormClosed], Awaitable[bool]]
) -> bool | None:
    """Submit a paused run's form for a member that cannot read it. ``None``: not paused, or not possible here."""
    try:
        record = await store.record(command.run_id)
        if record is None or record.status != "paused" or not record.is_known:
            return None
        return await submit(command.run_id, command.closed)
    except JikkoError:
        return None
