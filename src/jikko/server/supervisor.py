"""Supervisor of ``jikko serve --workers N``: starts the workers, and relays messages between them."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from jikko.cluster.alone import new_server_name
from jikko.cluster.cluster_messages import Assembled, Begin, Channel, Measure, Measured, Message, Serving
from jikko.cluster.data_folder_lock import Hold
from jikko.cluster.hub import Hub
from jikko.cluster.workers import HEARTBEAT_SECONDS
from jikko.concurrency.shutdown import Shutdown, leaving
from jikko.errors import InvalidSettings
from jikko.exit_codes import ExitCode
from jikko.observing.metrics.metrics_table import Snapshot, lasting, merged, of_server, usage
from jikko.server.listening import handed_over, listen, reserve, send_watchdog_heartbeats
from jikko.server.metrics import metrics_of
from jikko.server.process_signals import Haste, OperatorFileReload, ending_signals
from jikko.server.serving import base_of, print_ready, print_stopping
from jikko.server.worker_process import WorkerProcess, settings_to_json
from jikko.settings import IMMEDIATE_STOP_SECONDS, Settings

log = logging.getLogger(__name__)

_TO_KILL = 1.0
"""Last part of the shutdown's seconds, for killing workers that have not ended."""
_RETRY_SECONDS = 1.0
"""Delay before a worker that ended early is restarted."""
HUNG_AFTER = 12
"""Missed heartbeats after which a worker is killed."""


class Supervisor:
    """Keeps a number of workers running until a signal stops it."""

    def __init__(
        self,
        settings: Settings,
        sockets: Sequence[socket.socket],
        hold: Hold,
        files: Sequence[Path],
        *,
        hung_after: int = HUNG_AFTER,
        drains: bool = False,
        shutdown: Shutdown | None = None,
    ) -> None:
        """Args:
        sockets: A listening socket for each worker; closed once the workers are told to stop.
        hold: Lock on the data folder: workers keep it open, so that it is in use while any of them lives.
        files: Published by the first worker.
        hung_after: Missed heartbeats after which a worker is killed, so that its runs continue elsewhere.
        shutdown: Of the process; starts at the signal."""
        self._settings = settings
        self._drains = drains
        self._shutdown = shutdown or Shutdown()
        self._killing: asyncio.TimerHandle | None = None
        """Timer for killing workers that have not ended."""
        self._sockets = list(sockets)
        self._hold = hold
        self._files = list(files)
        self._server = new_server_name(socket.gethostname())
        self._names = 0
        self._children: dict[str, WorkerProcess] = {}
        self._hung_after = hung_after
        self._gathering = Gathering()
        self._began = time.time()
        self._hub = Hub(len(sockets), settings.requests_per_minute)
        self._assembled = asyncio.Event()
        """Set once the first worker has migrated the database."""
        self._lines: list[str] = []
        """Lines of the startup message."""
        self._is_ready = False
        self._stop_requested = asyncio.Event()
        self._haste = Haste()
        self._exit_code = ExitCode.OK.value

    async def run(self) -> int:
        """Keep the workers running. Returns the exit code, that of a worker that could not start, if any."""
        loop = asyncio.get_running_loop()
        for number in ending_signals():
            loop.add_signal_handler(number, self._on_signal, number)
        reading = OperatorFileReload(self._hold, self._hub.read_again)
        attending = [loop.create_task(self._attend(slot)) for slot in range(len(self._sockets))]
        watching = loop.create_task(self._watch())
        beating = loop.create_task(send_watchdog_heartbeats())
        await self._stop_requested.wait()
        watching.cancel()
        reading.close()
        await asyncio.wait(attending)
        if self._killing is not None:
            self._killing.cancel()
        beating.cancel()
        for task in attending:
            task.result()
        return self._exit_code

    async def gather(self) -> Snapshot:
        """Return the metrics of all processes together."""
        serving = {name: self._children[name].channel for name in self._hub.serving if name in self._children}
        return merged([await self._gathering.gather(serving), of_server(len(serving), self._began)])

    def _on_signal(self, number: signal.Signals) -> None:
        at_once = self._haste.is_asked_for(number, stopping=self._stop_requested.is_set())
        if at_once or not self._stop_requested.is_set():
            print_stopping(self._settings, at_once)
            self._stop(at_once)

    def _stop(self, at_once: bool = False) -> None:
        self._hub.close()
        seconds = self._shutdown.begin(IMMEDIATE_STOP_SECONDS if at_once else self._settings.stop_seconds)
        if self._killing is not None:
            self._killing.cancel()
        self._killing = asyncio.get_running_loop().call_later(max(0.0, seconds - _TO_KILL), self._kill)
        self._stop_requested.set()
        self._assembled.set()
        for child in self._children.values():
            child.signal(signal.SIGTERM)
        # Once no worker listens, connections are refused instead of waiting in vain.
        for listening in self._sockets:
            listening.close()

    def _kill(self) -> None:
        """Kill the workers that have not ended: they hang."""
        self._exit_code = ExitCode.FAILED
        for child in self._children.values():
            self._shutdown.late.append(f"worker {child.process_id}")
            child.signal(signal.SIGKILL)

    async def _attend(self, slot: int) -> None:
        if slot:
            await self._assembled.wait()
        while not self._stop_requested.is_set():
            try:
                child = await self._start(slot)
            except OSError as error:
                log.error("a worker cannot be started, trying again: %s", error)
                self._leave_to_others(slot)
                await self._pause()
                continue
            listening = asyncio.get_running_loop().create_task(self._listen(child))
            code = await child.wait()
            await listening
            child.channel.close()
            del self._children[child.name]
            self._record_workers()
            self._died(child, code)
            if not (child.has_served or code < 0):
                self._leave_to_others(slot)
            if child.ended_early:
                await self._pause()

    def _leave_to_others(self, slot: int) -> None:
        """Close the socket of a worker that could not start, so that no connections wait for it while others serve."""
        listening = self._sockets[slot]
        if self._stop_requested.is_set() or not self._hub.serving or self._sockets.count(listening) > 1:
            return
        try:
            self._sockets[slot] = reserve(listening)
        except OSError as error:
            log.error("connections wait for a worker that cannot be started: %s", error)
        else:
            listening.close()

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop_requested.wait(), _RETRY_SECONDS)

    async def _start(self, slot: int) -> WorkerProcess:
        """Raises ``OSError``: system resources are exhausted."""
        name = f"{self._server}/{self._names}"
        self._names += 1
        child = await WorkerProcess.start(name, self._sockets[slot], self._settings, self._hold.fileno())
        self._children[name] = child
        self._hub.connect(name, child.channel)
        self._record_workers()
        if self._stop_requested.is_set():
            child.signal(signal.SIGTERM)
        return child

    async def _watch(self) -> None:
        """Kill hanging workers: the system reports only ended ones."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            # Counted, not timed: a supervisor that was itself paused, with all workers, kills none.
            for child in self._children.values():
                if child.hangs(self._hung_after):
                    log.error("worker %d does not answer, and is killed", child.process_id)
                    child.signal(signal.SIGKILL)

    async def _listen(self, child: WorkerProcess) -> None:
        publishes = not self._assembled.is_set()
        child.channel.send(
            Begin(
                name=child.name,
                workers=len(self._sockets),
                settings=settings_to_json(self._settings),
                files=[str(file) for file in self._files] if publishes else None,
                drains=self._drains,
                hands_on=True,
            )
        )
        try:
            async for message in child.channel.messages():
                child.heard()
                self._on_message(child, message)
        except Exception:
            # Otherwise it would continue without reaching other processes.
            log.exception("a message of worker %d cannot be read", child.process_id)
            child.signal(signal.SIGKILL)

    def _on_message(self, child: WorkerProcess, message: Message) -> None:
        if isinstance(message, Measured):
            self._gathering.answered(child.name, message.samples)
        if isinstance(message, Assembled):
            self._lines += message.lines
            self._assembled.set()
        self._hub.on_message(child.name, message)
        if isinstance(message, Serving):
            child.has_served = True
            self._report_if_ready()

    def _record_workers(self) -> None:
        self._hold.say(workers=[child.process_id for child in self._children.values()])

    def _report_if_ready(self) -> None:
        if not self._is_ready and len(self._hub.serving) == len(self._sockets):
            self._is_ready = True
            base = base_of(self._settings, self._sockets[0])
            print_ready(self._settings, base, [f"  by {len(self._sockets)} processes", *self._lines])

    def _died(self, child: WorkerProcess, code: int) -> None:
        self._hub.disconnect(child.name)
        self._gathering.died(child.name)
        if self._stop_requested.is_set():
            if code not in (0, -signal.SIGTERM):
                self._exit_code = self._exit_code or ExitCode.FAILED
            return
        if not (self._is_ready or child.has_served or code < 0):
            # It printed the reason. Once the server is ready, the others serve on and this one is retried.
            self._exit_code = code
            self._stop()
            return
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        then = "another one takes over its runs" if child.has_served else "another one is started"
        log.warning("worker %d %s; %s", child.process_id, how, then)


async def supervise(settings: Settings, workers: int, files: Sequence[Path], hold: Hold) -> None:
    """Serve with several processes until a signal stops them."""
    if sys.platform == "win32":
        raise InvalidSettings("Several workers need Linux or macOS; use --workers 1 here.")
    inherited = handed_over()
    try:
        sockets = [inherited] * workers if inherited else listen(settings.host, settings.port, workers)
    except OSError as error:
        raise InvalidSettings(str(error)) from None
    hold.say(address=base_of(settings, sockets[0]))
    shutdown = leaving()
    supervisor = Supervisor(settings, sockets, hold, files, drains=inherited is not None, shutdown=shutdown)
    async with shutdown:
        await shutdown.entered("the page of metrics", metrics_of(settings, supervisor.gather))
        code = await supervisor.run()
    await shutdown.end()
    if code:
        raise click.exceptions.Exit(code)


_TIMEOUT_SECONDS = 2.0
"""Timeout for workers' responses; without one, the previous numbers are used."""


class Gathering:
    """Collects workers' metrics, keeping dead workers' up to their last response."""

    def __init__(self) -> None:
        self._snapshots: dict[str, Snapshot] = {}
        """Last response of each worker."""
        self._gone: Snapshot = []
        """Sum of the dead workers."""
        self._unanswered: dict[str, asyncio.Future[None]] = {}

    async def gather(self, workers: Mapping[str, Channel]) -> Snapshot:
        """Ask the workers of these names, and return the sum, including this process."""
        loop = asyncio.get_running_loop()
        for name, channel in workers.items():
            if name not in self._unanswered:
                self._unanswered[name] = loop.create_future()
                channel.send(Measure())
        waiting = [self._unanswered[name] for name in workers]
        if waiting:
            await asyncio.wait(waiting, timeout=_TIMEOUT_SECONDS)
        return merged([self._gone, *self._snapshots.values(), usage()])

    def answered(self, name: str, snapshot: Snapshot) -> None:
        self._snapshots[name] = snapshot
        self._done(name)

    def died(self, name: str) -> None:
        self._gone = merged([self._gone, lasting(self._snapshots.pop(name, []))])
        self._done(name)

    def _done(self, name: str) -> None:
        unanswered = self._unanswered.pop(name, None)
        if unanswered is not None and not unanswered.done():
            unanswered.set_result(None)
