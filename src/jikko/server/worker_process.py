"""The process of one worker, as the supervisor that started it sees it; and the settings on their way there."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Self, get_args

from jikko.apps.environment import EnvLayer
from jikko.cluster.cluster_messages import Channel
from jikko.settings import Settings

_TOO_SOON = 5.0
"""Seconds: a worker that ends within them is not started again at once."""


class WorkerProcess:
    """A process of ``jikko.server.worker``, with the channel to it."""

    def __init__(self, name: str, process: Process, channel: Channel) -> None:
        self.name = name
        self.channel = channel
        self.has_served = False
        self._process = process
        self._began = time.monotonic()
        self._missed = 0
        """Heartbeats that are due since its last one."""

    @classmethod
    async def start(cls, name: str, listening: socket.socket, settings: Settings, *more: int) -> Self:
        """Start one. Raises ``OSError``: the system has no room for another process.

        Args:
            name: What it is called in the cluster; see ``Cluster.name``.
            listening: The socket that it accepts connections of, which stays open here.
            more: Descriptors that it keeps open for as long as it lives.
        """
        ours, theirs = socket.socketpair()
        # A copy: ours may be closed while the channel is opened.
        with theirs, listening.dup() as copy:
            handles = (theirs.fileno(), copy.fileno())
            channel = await Channel.open(ours)
            try:
                process = await asyncio.create_subprocess_exec(
                    # Not with the current folder among the places of modules.
                    *(sys.executable, "-P", "-m", "jikko.server.worker"),
                    *(str(number) for number in handles),
                    settings.log_level,
                    settings.log_format,
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=(*handles, *more),
                    # Control-C at the terminal is for the supervisor alone, which tells the workers.
                    start_new_session=True,
                )
            except OSError:
                channel.close()
                raise
        return cls(name, process, channel)

    @property
    def process_id(self) -> int:
        return self._process.pid

    @property
    def ended_early(self) -> bool:
        """Of one that has just ended: whether the next one is not to be started at once."""
        return not self.has_served or time.monotonic() - self._began < _TOO_SOON

    async def wait(self) -> int:
        """Wait for its end. Returns the exit code; below 0, the signal that killed it."""
        return await self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self._process.returncode is not None:
            return
        # Not by `send_signal`: of a process that has just ended it takes the exit code from the one that waits for it.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    def heard(self) -> None:
        self._missed = 0

    def hangs(self, after: int) -> bool:
        """Count one more heartbeat that is due. Returns whether it has missed more than ``after``, once in a while."""
        self._missed += self.has_served
        if self._missed <= after:
            return False
        self._missed = 0
        return True


def settings_to_json(settings: Settings) -> dict[str, Any]:
    """The settings as JSON, for another process."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(settings).items()}


def settings_from_json(values: Mapping[str, Any]) -> Settings:
    """What ``settings_to_json`` made JSON of."""
    of_files = [each.name for each in fields(Settings) if Path in (each.type, *get_args(each.type))]
    paths = {name: Path(values[name]) for name in of_files if values[name] is not None}
    env = tuple(EnvLayer(**layer) for layer in values["env"])
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Settings(**{**values, **paths, **lists, "env": env})
