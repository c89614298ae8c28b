"""Duties of a server process in its cluster, alone or as one of several."""

import asyncio
import logging
import math
import os
import signal
import time
from collections.abc import Awaitable, Callable
from functools import partial

from jikko.assemble import Assembly
from jikko.assemble.configuration import configuration_of
from jikko.dify.bodies import detail_body
from jikko.ports.cluster import (
    Answer,
    Command,
    EndServer,
    Hint,
    JobDue,
    OrphanedRuns,
    RunChanged,
    RunsMoved,
    ServerState,
    StartWasRefused,
    WaitingRun,
    WaitingRuns,
)
from jikko.record import DetailRecord, RunRecord
from jikko.runs.recovery import TakenOver
from jikko.settings import Settings

logger = logging.getLogger(__name__)

_RELOAD_SECONDS = 30.0
"""Interval of reading the configuration that all servers must share."""
_ANSWER_SECONDS = 0.1
"""Delay before the process ends, for the answer to be sent."""
_RETRY_SECONDS = 5.0
"""Delay before a failed background job is restarted."""


class ServerMember:
    """``Member`` of the cluster for a server process."""

    def __init__(
        self,
        assembly: Assembly,
        print_recovered: Callable[[int], None],
        settings: Settings | None = None,
        server: int | None = None,
    ) -> None:
        """Args:
        print_recovered: Called with the number of runs to be taken over.
        settings: Those of the server, of which a worker has a share; by default those of the process.
        server: Process id of the server; by default this one."""
        self._assembly = assembly
        self._print_recovered = print_recovered
        self._settings = settings or assembly.settings
        self._server = server or os.getpid()
        self._since = time.time()
        self._configuration: dict[str, str] = {}
        self._read_at = -math.inf
        self._reading: asyncio.Task[None] | None = None

    def state(self) -> ServerState:
        assembly = self._assembly
        is_reading = self._reading is not None and not self._reading.done()
        if not is_reading and time.monotonic() - self._read_at > _RELOAD_SECONDS:
            self._read_at = time.monotonic()
            # In the background: a hanging disk does not make a server dead.
            self._reading = asyncio.get_running_loop().create_task(self._read_configuration())
        checks = {
            "accepting": assembly.upkeep.readiness.is_leaving or assembly.runs.executor.is_closing,
            "record": bool(assembly.upkeep.readiness.failure),
            "cluster": bool(assembly.cluster.diagnose()),
        }
        return ServerState(
            since=self._since,
            runs=assembly.runs.executor.under_way,
            failing=tuple(name for name, fails in checks.items() if fails),
            configuration=self._configuration,
        )

    async def _read_configuration(self) -> None:
        try:
            self._configuration = await asyncio.to_thread(configuration_of, self._settings)
        except Exception:
            logger.exception("the configuration cannot be compared with that of other servers")

    async def handle_command(self, command: Command) -> Answer:
        if isinstance(command, EndServer):
            if self._server not in (os.getpid(), os.getppid()):
                return None  # its supervisor is dead, and this process ends, too
            # After the answer.
            asyncio.get_running_loop().call_later(_ANSWER_SECONDS, os.kill, self._server, signal.SIGTERM)
            return True
        return await self._assembly.runs.control.handle_command(command)

    def on_hint(self, hint: Hint) -> None:
        match hint:
            case RunChanged(run_id):
                self._assembly.runs.control.run_changed(run_id)
            case StartWasRefused(run_id):
                self._assembly.runs.control.start_was_refused(run_id)
            case RunsMoved() as moved:
                if self._assembly.console_feed is not None:
                    self._assembly.console_feed.moved(moved)
            case JobDue(job="forms", at=at):
                self._assembly.runs.forms.alarm.set(at)
            case JobDue(job="callbacks", at=at):
                self._assembly.upkeep.callbacks.alarm.set(at)
            case JobDue(job="keywords", at=at):
                self._assembly.upkeep.keyword_indexing.alarm.set(at)
            case JobDue(job="knowledge", at=at):
                self._assembly.upkeep.indexing.alarm.set(at)
            case JobDue(job="annotations", at=at):
                self._assembly.chat.annotation_indexing.alarm.set(at)

    async def take_over(self, orphans: OrphanedRuns) -> TakenOver:
        taken = await self._assembly.runs.control.take_over(orphans)
        self._print_recovered(taken.count)
        return taken

    async def room(self) -> None:
        await self._assembly.runs.control.room.wait()

    async def take_waiting(self, run: WaitingRun) -> bool:
        return await self._assembly.runs.control.room.take(run)

    async def offer_waiting(self, waiting: WaitingRuns) -> None:
        await self._assembly.runs.control.offering.watch(waiting)

    async def read_again(self) -> None:
        await self._assembly.configuration.read_again()

    async def lead(self) -> None:
        assembly = self._assembly

        def body(record: RunRecord | DetailRecord) -> bytes:
            return detail_body(record, assembly.files.fresh)

        days, conversation_days = assembly.settings.retention_days, assembly.settings.conversation_days
        async with asyncio.TaskGroup() as jobs:
            jobs.create_task(assembly.configuration.warn())
            jobs.create_task(_restart_on_failure(assembly.runs.forms.watch))
            jobs.create_task(_restart_on_failure(partial(assembly.upkeep.callbacks.watch, body)))
            jobs.create_task(_restart_on_failure(assembly.upkeep.keyword_indexing.watch))
            jobs.create_task(_restart_on_failure(assembly.chat.annotation_indexing.watch))
            jobs.create_task(_restart_on_failure(assembly.chat.titles.watch))
            jobs.create_task(_restart_on_failure(assembly.upkeep.orphans.watch))
            jobs.create_task(_restart_on_failure(assembly.upkeep.indexing.lead))
            jobs.create_task(_restart_on_failure(assembly.schedules.watch.watch))
            jobs.create_task(_restart_on_failure(assembly.upkeep.retention.watch_tokens))
            if assembly.settings.metrics_port:
                jobs.create_task(_restart_on_failure(assembly.measures.tally.watch))
            for scheduled in assembly.upkeep.scheduled_backups:
                jobs.create_task(_restart_on_failure(scheduled.watch))
            if assembly.upkeep.archiving is not None:
                jobs.create_task(_restart_on_failure(assembly.upkeep.archiving.watch))
            if days or conversation_days:
                jobs.create_task(_restart_on_failure(partial(assembly.upkeep.retention.watch, days, conversation_days)))


class OfOneMachine:
    """``Member`` among the processes of one server, if there are more servers. It hears at once of a sibling's death,
    and leaves everything else to the cluster of all servers."""

    def __init__(self, member: ServerMember) -> None:
        self._member = member

    async def handle_command(self, command: Command) -> Answer:
        return None

    def on_hint(self, hint: Hint) -> None:
        """Ignore hints: they arrive through the other cluster."""

    async def take_over(self, orphans: OrphanedRuns) -> TakenOver:
        return await self._member.take_over(orphans) if orphans.holder else TakenOver(lambda log: None)

    def state(self) -> ServerState:
        return self._member.state()

    async def room(self) -> None:
        await asyncio.Event().wait()

    async def take_waiting(self, run: WaitingRun) -> bool:
        return False

    async def offer_waiting(self, waiting: WaitingRuns) -> None:
        """Do nothing: runs are offered to all servers."""

    async def read_again(self) -> None:
        await self._member.read_again()

    async def lead(self) -> None:
        """Do nothing: one of all servers leads."""


async def _restart_on_failure(watch: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await watch()
        except Exception:
            # A failing job must not end the others.
            logger.exception("a background job failed; trying again")
            await asyncio.sleep(_RETRY_SECONDS)
