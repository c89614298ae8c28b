"""Worker process as seen by its supervisor; and serialisation of its settings."""

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
"""Seconds of life below which a worker is not restarted at once."""


class WorkerProcess:
    """Process of ``jikko.server.worker``, with its channel."""

    def __init__(self, name: str, process: Process, channel: Channel) -> None:
        self.name = name
        self.channel = channel
        self.has_served = False
        self._process = process
        self._began = time.monotonic()
        self._missed = 0
        """Missed heartbeats."""

    @classmethod
    async def start(cls, name: str, listening: socket.socket, settings: Settings, *more: int) -> Self:
        """Start a worker. Raises ``OSError``: system resources are exhausted.

        Args:
            name: Its name in the cluster; see ``Cluster.name``.
            listening: The socket from which it accepts connections; stays open here.
            more: Descriptors that it keeps open for its lifetime.
        """
        ours, theirs = socket.socketpair()
        # A copy: ours may be closed while the channel is opened.
        with theirs, listening.dup() as copy:
            handles = (theirs.fileno(), copy.fileno())
            channel = await Channel.open(ours)
            try:
                process = await asyncio.create_subprocess_exec(
                    # Without the current folder on the module path.
                    *(sys.executable, "-P", "-m", "jikko.server.worker"),
                    *(str(number) for number in handles),
                    settings.log_level,
                    settings.log_format,
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=(*handles, *more),
                    # Ctrl-C at the terminal reaches only the supervisor, which tells the workers.
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
        """Return whether the ended worker should not be restarted at once."""
        return not self.has_served or time.monotonic() - self._began < _TOO_SOON

    async def wait(self) -> int:
        """Wait for its end. Returns the exit code, negative for the signal that killed it."""
        return await self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        if self._process.returncode is not None:
            return
        # Not `send_signal`: that would reap a process that has just ended, and take its exit code from the waiter.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    def heard(self) -> None:
        self._missed = 0

    def hangs(self, after: int) -> bool:
        """Count a due heartbeat. Returns whether more than ``after`` are missed, once in a while."""
        self._missed += self.has_served
        if self._missed <= after:
            return False
        self._missed = 0
        return True


def settings_to_json(settings: Settings) -> dict[str, Any]:
    """Serialise the settings for another process."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(settings).items()}


def settings_from_json(values: Mapping[str, Any]) -> Settings:
    """Restore settings from ``settings_to_json``."""
    of_files = [each.name for each in fields(Settings) if Path in (each.type, *get_args(each.type))]
    paths = {name: Path(values[name]) for name in of_files if values[name] is not None}
    env = tuple(EnvLayer(**layer) for layer in values["env"])
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Settings(**{**values, **paths, **lists, "env": env})
