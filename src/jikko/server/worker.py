"""Worker, one of several server processes: ``python -m jikko.server.worker CHANNEL LISTENING LEVEL FORMAT``.

The first two are descriptors of open sockets, the others the log level and format. Started and directed by the
supervisor through the channel; without it, the worker parks its runs and ends.
"""

import asyncio
import os
import socket
import sys
from functools import partial
from pathlib import Path

import click

from jikko.assemble import assemble
from jikko.cluster.cluster_messages import Assembled, Begin, Channel, Serving
from jikko.cluster.workers import WorkerCluster
from jikko.concurrency.shutdown import STEP_SECONDS, leaving
from jikko.errors import JikkoError
from jikko.exit_codes import of_error
from jikko.server.api_serving import serve_assembly
from jikko.server.member import OfOneMachine, ServerMember
from jikko.server.observers import Observers
from jikko.server.serving import TO_LEAVE_SECONDS, base_of, console_lines, prepare_process, print_recovered
from jikko.server.startup_import import publish, to_try
from jikko.server.worker_process import settings_from_json


async def _work(end: socket.socket, listening: socket.socket) -> None:
    channel = await Channel.open(end)
    messages = channel.messages()
    begin = await anext(messages, None)
    if not isinstance(begin, Begin):
        channel.close()
        return
    settings = settings_from_json(begin.settings)
    channelled = WorkerCluster(begin.name, channel, messages, hands_on=begin.hands_on)
    observers = Observers(settings, os.environ)
    shutdown = leaving()
    assembling = assemble(
        settings,
        owned=True,
        console=True,
        cluster=None if settings.nats_url else channelled,
        name=begin.name,
        workers=begin.workers,
        observer=observers.runs,
        shutdown=shutdown,
    )
    async with assembling as assembly:
        await shutdown.entered("traces", observers.at_work(assembly))
        base = base_of(settings, listening)
        issued = [] if begin.files is None else await publish(assembly, [Path(file) for file in begin.files])
        channelled.count_up = partial(observers.snapshot, assembly)
        # Of the workers that start together, one publishes, and one prints a link.
        links = [] if begin.files is None else await console_lines(assembly, base)
        channel.send(Assembled(lines=[*to_try(base, issued), *links]))

        async def ready() -> None:
            channel.send(Serving())

        def leave() -> None:
            channelled.leave()
            assembly.cluster.leave()

        try:
            member = ServerMember(assembly, print_recovered, settings, os.getppid())
            if settings.nats_url:
                await assembly.cluster.join(member)
                await channelled.join(OfOneMachine(member))
            else:
                await channelled.join(member)
            if not channelled.is_over.is_set():
                await serve_assembly(
                    assembly,
                    listening,
                    ready=ready,
                    at_end=lambda _: leave(),
                    stop_requested=channelled.is_over,
                    observers=observers,
                    drains=begin.drains,
                    shutdown=shutdown,
                )
        finally:
            await shutdown.do("the cluster", assembly.cluster.close, TO_LEAVE_SECONDS)
            await shutdown.do("the channel to the supervisor", channelled.close, STEP_SECONDS)
            channel.close()
    await shutdown.end()


def main(arguments: list[str]) -> None:
    """Run the worker process."""
    end, listening = (socket.socket(fileno=int(number)) for number in arguments[:2])
    prepare_process(arguments[2], arguments[3])
    try:
        asyncio.run(_work(end, listening))
    except JikkoError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(of_error(error))


if __name__ == "__main__":
    main(sys.argv[1:])
