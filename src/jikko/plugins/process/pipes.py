"""Starting a process whose output is read as slowly as its budget says."""

import asyncio
from asyncio.subprocess import Process, SubprocessStreamProtocol
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jikko.plugins.process.budget import READ, Payer


async def spawn(
    command: list[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    descriptors: Sequence[int],
    limit: int,
    payer: Payer,
) -> "PipedProcess":
    """Start a process in a session of its own, with pipes. Raises ``OSError``: it cannot be started.

    ``descriptors``: That it inherits. ``limit``: Bytes of output kept until they are read; twice as many at most.
    """
    loop = asyncio.get_running_loop()
    pipe = asyncio.subprocess.PIPE
    transport, protocol = await loop.subprocess_exec(
        lambda: _Pipes(limit, loop, payer),
        *command,
        cwd=folder,
        env=environment,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        start_new_session=True,
        pass_fds=descriptors,
    )
    return PipedProcess(transport, protocol, loop)


class PipedProcess(Process):
    """A process, with our ends of its pipes."""

    def __init__(self, transport: Any, protocol: Any, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(transport, protocol, loop)
        self._pipes = transport

    def close_pipes(self) -> None:
        """Read nothing more of what it wrote. One whose reading pauses would stay open."""
        self._pipes.close()


class _Pipes(SubprocessStreamProtocol):
    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop, payer: Payer) -> None:
        super().__init__(limit=limit, loop=loop)
        self._payer = payer
        self._process: asyncio.SubprocessTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self._process = transport
        super().connection_made(transport)

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        super().pipe_data_received(fd, data)
        if self._process is not None:
            self._payer.pay_for(self._process.get_pipe_transport(fd), READ)

    def process_exited(self) -> None:
        self._payer.leave()
        super().process_exited()
