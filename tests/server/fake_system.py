"""Fake system of a supervisor without processes: its workers are tasks, each at the other end of a channel."""

import asyncio
import errno
import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jikko.cluster.cluster_messages import Assembled, Begin, Channel, Message, Serving
from tests.runs.world import until

NO_PROCESS = 1 << 30
"""Ids from here on belong to no process: Linux has less than four million."""


class Worker:
    """Worker process, as seen by the system, with its end of the channel."""

    def __init__(self, pid: int, end: socket.socket, begins: bool) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.signals: list[int] = []
        self.ends_at: Sequence[int] = (signal.SIGTERM, signal.SIGKILL)
        """Signals that end it; SIGTERM with exit code 0."""
        self.begin: Begin | None = None
        self.got: list[Message] = []
        self._ended = asyncio.Event()
        self._channel: Channel | None = None
        self._begins = begins
        self._living = asyncio.ensure_future(self._live(end))

    def say(self, *messages: Message) -> None:
        assert self._channel is not None
        for message in messages:
            self._channel.send(message)

    def garble(self) -> None:
        assert self._channel is not None
        self._channel._writer.write(b"none of its messages\n")

    def heard(self, number: int) -> None:
        self.signals.append(number)
        if number in self.ends_at:
            self.end(0 if number == signal.SIGTERM else -number)

    def end(self, code: int) -> None:
        if self.returncode is None:
            self.returncode = code
            self._ended.set()
            if self._channel is not None:
                self._channel.close()

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    async def _live(self, end: socket.socket) -> None:
        self._channel = await Channel.open(end)
        if self.returncode is not None:
            self._channel.close()
        async for message in self._channel.messages():
            if isinstance(message, Begin):
                self.begin = message
                if self._begins:
                    self.say(Assembled(lines=[f"  line of {message.name.partition('/')[2]}"]), Serving())
            else:
                self.got.append(message)


@dataclass
class System:
    """Starts processes, and sends them signals."""

    workers: list[Worker] = field(default_factory=list)
    commands: list[tuple[str, ...]] = field(default_factory=list)
    options: list[dict[str, Any]] = field(default_factory=list)
    refusals: int = 0
    """Number of future starts to refuse."""
    begins: bool = True
    """Whether workers serve as soon as they are told to."""

    async def start(self, *command: str, **options: Any) -> Worker:
        if self.refusals:
            self.refusals -= 1
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        self.commands.append(command)
        self.options.append(options)
        end = socket.socket(fileno=os.dup(options["pass_fds"][0]))
        self.workers.append(Worker(NO_PROCESS + len(self.workers), end, self.begins))
        return self.workers[-1]

    async def started(self, count: int) -> list[Worker]:
        """Return the workers, once ``count`` were told to begin."""
        await until(lambda: len([one for one in self.workers if one.begin is not None]) >= count)
        return self.workers
