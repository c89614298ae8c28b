"""Server of one process: the API, the runs, and background jobs."""

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

import click

from jikko.assemble import assemble
from jikko.assemble.assembly import Assembly
from jikko.cluster.data_folder_lock import Hold
from jikko.concurrency.shutdown import leaving
from jikko.errors import InvalidSettings, JikkoError
from jikko.observing.metrics.metrics_table import Snapshot, of_server
from jikko.server.api_serving import serve_assembly
from jikko.server.listening import handed_over, listen, send_watchdog_heartbeats
from jikko.server.member import ServerMember
from jikko.server.metrics import metrics_of
from jikko.server.observers import Observers
from jikko.server.process_signals import OperatorFileReload, refusals
from jikko.server.serving import TO_LEAVE_SECONDS, base_of, console_lines, print_ready, print_recovered, print_stopping
from jikko.server.startup_import import publish, publish_one, to_try
from jikko.settings import Settings
from jikko.terminal_text import harmless


async def serve(settings: Settings, files: Sequence[Path], hold: Hold, *, reload: bool) -> None:
    """Serve until the process is stopped. Raises ``InvalidSettings``: a setting is unusable, or the port is taken.

    Args:
        files: DSL files to publish first.
        hold: Lock on the data folder.
        reload: Whether to publish changed files again.
    """
    inherited = handed_over()
    try:
        # Before the takeover of runs, which a run survives only so often.
        [listening] = [inherited] if inherited else listen(settings.host, settings.port)
    except OSError as error:
        raise InvalidSettings(str(error)) from None
    base = base_of(settings, listening)
    hold.say(address=base)
    reloading = Reloading(files if reload else ())
    observers, began = Observers(settings, os.environ), time.time()

    async def gather() -> Snapshot:
        return [*observers.snapshot(assembly), *of_server(1, began)]

    shutdown = leaving()
    async with assemble(settings, owned=True, console=True, observer=observers.runs, shutdown=shutdown) as assembly:
        await shutdown.entered("the page of metrics", metrics_of(settings, gather))
        await shutdown.entered("traces", observers.at_work(assembly))
        issued = await publish(assembly, files)
        await assembly.cluster.join(ServerMember(assembly, print_recovered))
        watching = asyncio.ensure_future(reloading.watch(assembly)) if reload else None

        beating = asyncio.ensure_future(send_watchdog_heartbeats())
        reading = OperatorFileReload(hold, refusals(assembly.configuration.read_again))

        def rest() -> None:
            reading.close()
            assembly.cluster.leave()
            if watching is not None:
                watching.cancel()

        async def ready() -> None:
            print_ready(settings, base, [*to_try(base, issued), *await console_lines(assembly, base)])

        def at_end(at_once: bool) -> None:
            print_stopping(settings, at_once, assembly.runs.executor.under_way)
            rest()

        try:
            await serve_assembly(
                assembly,
                listening,
                ready=ready,
                at_end=at_end,
                observers=observers,
                drains=inherited is not None,
                shutdown=shutdown,
            )
        finally:
            rest()
            beating.cancel()
            await shutdown.do("the cluster", assembly.cluster.close, TO_LEAVE_SECONDS)
    await shutdown.end()


log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.5
"""Interval of checks for changed files."""

State: TypeAlias = tuple[int, int, int] | None
"""Identity of a file's content: modification time, size, and inode."""


class Reloading:
    """Republishing of changed files, compared with their state at construction."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._seen = {file: _state(file) for file in files}

    async def watch(self, assembly: Assembly, *, every: float = _POLL_SECONDS) -> None:
        """Publish each file again when it changes, until cancelled. Failures are logged. ``every``: Seconds."""
        while True:
            for file, seen in self._seen.items():
                state = _state(file)
                # A missing file is probably being rewritten.
                if state is not None and state != seen:
                    self._seen[file] = state
                    await _publish(assembly, file)
            await asyncio.sleep(every)


async def _publish(assembly: Assembly, file: Path) -> None:
    try:
        await publish_one(assembly, file)
    except JikkoError as error:
        click.echo(harmless(f"not published: {error}"), err=True)
    except click.ClickException as error:
        error.show()
    except Exception:
        log.exception("%s cannot be published", file)


def _state(file: Path) -> State:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
