"""Signals of a server: those that end it, and SIGUSR1, by which ``jikko reload`` requests a reload of the operator's
files."""

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
    """Return the signals to handle: SIGTERM, Ctrl-C, and SIGHUP at the end of the terminal. SIGHUP is left out if the
    process was started with it ignored, as by ``nohup``."""
    if _HANGUP is None or signal.getsignal(_HANGUP) is signal.SIG_IGN:
        return (signal.SIGTERM, signal.SIGINT)
    return (signal.SIGTERM, signal.SIGINT, _HANGUP)


class Haste:
    """Detects the second signal, a request for an immediate stop.

    The end of a terminal sends several signals at once: SIGHUP to its command from the system and from its shell,
    perhaps with SIGTERM. So SIGHUP never counts as second, and a signal after it counts as first.
    """

    def __init__(self) -> None:
        self._hung_up = False
        """Whether SIGHUP is the only signal so far."""

    def is_asked_for(self, number: signal.Signals, *, stopping: bool) -> bool:
        """Note a signal. Returns whether it requests an immediate stop. ``stopping``: Already stopping."""
        if number == _HANGUP:
            self._hung_up = self._hung_up or not stopping
            return False
        hung_up, self._hung_up = self._hung_up, False
        return stopping and not hung_up


log = logging.getLogger(__name__)

Read: TypeAlias = Callable[[], Awaitable[str]]
"""Reads the files. Returns the errors; empty if there are none."""


class OperatorFileReload:
    """Handler of SIGUSR1, from construction until closed; the lock file reports its results."""

    def __init__(self, hold: Hold, read: Read) -> None:
        self._hold = hold
        self._read = read
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._number = getattr(signal, "SIGUSR1", None)  # Windows has none
        if self._number is not None:
            self._loop.add_signal_handler(self._number, lambda: start_task(self._read_again(), self._tasks))
            hold.say_read()

    def close(self) -> None:
        """Remove the handler. Idempotent."""
        for task in self._tasks:
            task.cancel()
        if self._number is not None:
            self._loop.remove_signal_handler(self._number)
            # A pending signal must not end the process.
            signal.signal(self._number, signal.SIG_IGN)

    async def _read_again(self) -> None:
        try:
            refused = await self._read()
        except Exception:
            log.exception("the files of providers, tools and plugins cannot be read again")
            refused = "Reading them failed; see the log."
        if refused:
            log.error("%s The previous contents stay in effect.", refused)
        else:
            log.info("the files of providers, tools and plugins were read again")
        self._hold.say_read(refused)


def refusals(read: Callable[[], Awaitable[None]]) -> Read:
    """Wrap ``read`` to return its error's text instead of raising."""

    async def refusal() -> str:
        try:
            await read()
        except InvalidSettings as error:
            return str(error)
        return ""

    return refusal
