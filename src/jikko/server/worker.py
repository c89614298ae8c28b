"""One of several server processes: ``python -m jikko.server.worker LINE LISTENING LEVEL``.

The first two are numbers of open sockets, the last is how much to log. Started by the supervisor, which says over the
line what to do; without it, the worker parks its runs and ends.
"""

import asyncio
import logging
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import click

from jikko.assemble import Assembly, assemble
from jikko.cluster.messages import (
    Ask,
    Assembled,
    Begin,
    Estate,
    Gone,
    Inherit,
    Inherited,
    Line,
    Message,
    OnDuty,
    Reply,
    Serving,
    of_server,
    server_of,
)
from jikko.cluster.peers import PeersOverLine
from jikko.errors import JikkoError
from jikko.record import RunRecord
from jikko.runs.recovery import TakenOver
from jikko.server.publication import publish, to_try
from jikko.server.serving import base_of, duties, prepare_process, say_recovered, serve_assembly
from jikko.settings import settings_from_json

log = logging.getLogger(__name__)

_TRY_AGAIN = 0.5
"""Seconds until runs that could not be read are looked at again."""


class Worker:
    """Does what comes over the line."""

    def __init__(self, assembly: Assembly, peers: PeersOverLine, line: Line) -> None:
        self._assembly = assembly
        self._peers = peers
        self._line = line
        self._tasks: set[asyncio.Task[None]] = set()
        self.may_serve = asyncio.Event()
        """Set once the first runs were taken over, or there is nothing to be done any more."""
        self.told = asyncio.Event()
        """Set when it is to stop."""

    async def obey(self, messages: AsyncIterator[Message]) -> None:
        """Do what is said, until the supervisor is gone."""
        try:
            async for message in messages:
                match message:
                    case Inherit(estates=estates):
                        self._start(self._inherit(estates))
                    case OnDuty():
                        self._start(duties(self._assembly))
                    case Ask() | Reply() | Gone():
                        self._peers.heard(message, self._assembly.runs.asked)
        finally:
            self._peers.hung_up()
            self.told.set()
            self.may_serve.set()

    def serves(self) -> None:
        """Requests are accepted from now on."""
        self._line.send(Serving())

    def rest(self, at_once: bool = False) -> None:
        """Take over nothing more, and be on duty no more."""
        for task in self._tasks:
            task.cancel()

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _inherit(self, estates: list[Estate]) -> None:
        if not estates:
            self.may_serve.set()
            return
        server = server_of(self._peers.name)

        def concerned(record: RunRecord) -> bool:
            return any(belongs(record, estate, server) for estate in estates)

        taken = await self._recover(concerned)
        say_recovered(taken.count)
        self.may_serve.set()
        # Not before: if this process died, nobody would look for runs that still name who left them behind.
        await taken.durable()
        self._line.send(Inherited(estates))

    async def _recover(self, concerned: Callable[[RunRecord], bool]) -> TakenOver:
        while True:
            try:
                return await self._assembly.runs.recover(concerned)
            except JikkoError as error:
                log.error("runs of another process cannot be read, trying again: %s", error)
                await asyncio.sleep(_TRY_AGAIN)


def belongs(record: RunRecord, estate: Estate, server: str) -> bool:
    """Whether a run is part of an estate."""
    if estate.left_by:
        if record.holder != estate.left_by:
            return False
    elif of_server(record.holder, server):
        return False
    return crc32(record.owner.run_id.encode()) % estate.of == estate.share


async def _work(end: socket.socket, listening: socket.socket) -> None:
    line = await Line.open(end)
    messages = line.messages()
    begin = await anext(messages, None)
    if not isinstance(begin, Begin):
        return
    settings = settings_from_json(begin.settings)
    peers = PeersOverLine(begin.name, line, begin.workers)
    async with assemble(settings, owned=True, peers=peers) as assembly:
        base = base_of(settings, listening)
        line.send(Assembled(said=to_try(base, await publish(assembly, [Path(file) for file in begin.files]))))
        worker = Worker(assembly, peers, line)
        obeying = asyncio.get_running_loop().create_task(worker.obey(messages))

        async def ready() -> None:
            worker.serves()

        try:
            await worker.may_serve.wait()
            if not worker.told.is_set():
                await serve_assembly(assembly, listening, ready=ready, at_end=worker.rest, told=worker.told)
        finally:
            worker.rest()
            obeying.cancel()
            line.close()


def main(arguments: list[str]) -> None:
    """The process."""
    end, listening = (socket.socket(fileno=int(number)) for number in arguments[:2])
    prepare_process(arguments[2])
    try:
        asyncio.run(_work(end, listening))
    except JikkoError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main(sys.argv[1:])
