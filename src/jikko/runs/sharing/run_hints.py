"""Hints to other processes about the runs of this one. All of it may be lost: they look for themselves, later."""

from typing import Final

from jikko.ports.clock import Clock
from jikko.ports.cluster import Cluster, JobDue, RunChanged, StartWasRefused
from jikko.runs.run_log import RunLog

_RUNS_TO_INDEX: Final = 64
"""After how many ended runs the index of keywords is due."""


class RunHints:
    """Tells who follows a run that it has changed, and the leader what is due because of it."""

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
