"""A server of one process: the API, the runs, and what goes on beside them."""

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path

from jikko.assemble import assemble
from jikko.cluster.data_folder_lock import Hold
from jikko.concurrency.shutdown import leaving
from jikko.errors import InvalidSettings
from jikko.observing.metrics.snapshot import Snapshot
from jikko.observing.metrics.usage import of_server
from jikko.server.api_serving import serve_assembly
from jikko.server.listening import listen
from jikko.server.member import ServerMember
from jikko.server.metrics import metrics_of
from jikko.server.observers import Observers
from jikko.server.publication import publish, to_try
from jikko.server.reading_again import ReadingAgain, refusals
from jikko.server.reloading import Reloading
from jikko.server.service_manager import handed_over, tell_that_it_goes_round
from jikko.server.serving import (
    TO_LEAVE_SECONDS,
    base_of,
    console_lines,
    say_ready,
    say_recovered,
    say_stopping,
)
from jikko.settings import Settings


async def serve(settings: Settings, files: Sequence[Path], hold: Hold, *, reload: bool) -> None:
    """Serve until the process is told to stop.

    Args:
        files: DSL files to publish first.
        hold: Of the data folder.
        reload: Whether to publish them again whenever they change.

    Raises:
        InvalidSettings: A setting cannot be used, or the port is taken.
    """

    inherited = handed_over()
    try:
        # Before runs are taken over, which a run bears only so often.
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
        await assembly.cluster.join(ServerMember(assembly, say_recovered))
        watching = asyncio.ensure_future(reloading.watch(assembly)) if reload else None

        beating = asyncio.ensure_future(tell_that_it_goes_round())
        reading = ReadingAgain(hold, refusals(assembly.configuration.read_again))

        def rest() -> None:
            reading.close()
            assembly.cluster.leave()
            if watching is not None:
                watching.cancel()

        async def ready() -> None:
            say_ready(settings, base, [*to_try(base, issued), *await console_lines(assembly, base)])

        def at_end(at_once: bool) -> None:
            say_stopping(settings, at_once, assembly.runs.under_way)
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
