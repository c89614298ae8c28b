"""Signals to a server: those that ask it to end, and SIGUSR1, which ``jikko reload`` sends to have the files of the
operator read again."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from jikko.cluster.data_folder_lock import Hold
from jikko.concurrency.background_tasks import start_task
from jikko.errors import InvalidSettings

_HANGUP: Final = getattr(signal, "SIGHUP", None)
"""Windows has none."""


def ending_signals() -> tuple[signal.Signals, ...]:
    """Those to listen to: SIGTERM, Ctrl-C, and the end of the terminal (SIGHUP).

    The last one is left out where the process was started with it ignored, as ``nohup`` does.
    """
    if _HANGUP is None or signal.getsignal(_HANGUP) is signal.SIG_IGN:
        return (signal.SIGTERM, signal.SIGINT)
    return (signal.SIGTERM, signal.SIGINT, _HANGUP)


class Haste:
    """Tells the signal by which somebody asks once more, who does not want to wait.

    The end of a terminal comes several times in one moment: to the command that runs in it from the system, and from
    its shell, maybe with SIGTERM. So SIGHUP never asks once more, and what follows one asks for the first time.
    """

    def __init__(self) -> None:
        self._hung_up = False
        """Whether nothing but the end of a terminal has asked so far."""

    def is_asked_for(self, number: signal.Signals, *, stopping: bool) -> bool:
        """Note a signal. Returns whether it asks to end at once.
        ``stopping``: whether the process is about to end already."""
        if number == _HANGUP:
            self._hung_up = self._hung_up or not stopping
            return False
        hung_up, self._hung_up = self._hung_up, False
        return stopping and not hung_up


log = logging.getLogger(__name__)

Read: TypeAlias = Callable[[], Awaitable[str]]
"""Reads the files. Gives back what is wrong with them; empty if nothing is."""


class OperatorFileReload:
    """Listens to the signal from now on, until it is closed; the file of the lock says what came of it."""

    def __init__(self, hold: Hold, read: Read) -> None:
        self._hold = hold
        self._read = read
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._number = getattr(signal, "SIGUSR1", None)  # Windows has none
        if self._number is not None:
            self._loop.add_signal_handler(self._number, self._on_signal)
            hold.say_read()

    def close(self) -> None:
        """Listen no more. May be called twice."""
        for task in self._tasks:
            task.cancel()
        if self._number is not None:
            self._loop.remove_signal_handler(self._number)
            # One that is on its way must not end the process.
            signal.signal(self._number, signal.SIG_IGN)

    def _on_signal(self) -> None:
        start_task(self._read_again(), self._tasks)

    async def _read_again(self) -> None:
        try:
            refused = await self._read()
        except Exception:
            log.exception("the files of providers, tools and plugins cannot be read again")
            refused = "Reading them failed; the log says why."
        if refused:
            log.error("%s What they said before goes on to hold.", refused)
        else:
            log.info("the files of providers, tools and plugins were read again")
        self._hold.say_read(refused)


def refusals(read: Callable[[], Awaitable[None]]) -> Read:
    """What is wrong, in place of an error."""

    async def refusal() -> str:
        try:
            await read()
        except InvalidSettings as error:
            return str(error)
        return ""

    return refusal
