"""One server per data folder: two would take each other's runs over."""

import contextlib
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TextIO

import msgspec

from jikko.errors import FolderInUse, InvalidSettings
from jikko.private import make_folder, opener, tighten

log = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 2.0
"""Seconds to wait for the holder of a data folder: an upgrade or a backup may be about to end."""
_POLL_SECONDS: Final = 0.05
"""Seconds until it is tried again."""


class Owner(msgspec.Struct, omit_defaults=True):
    """Who holds a data folder, as the file of the lock says. It may be out of date; the lock is what counts."""

    pid: int
    doing: str
    """The command, such as ``jikko serve``."""
    address: str = ""
    workers: list[int] = []
    """Process ids of those that hold the folder with it, and after it if it is killed."""
    grace: float = 0.0
    """Seconds that they then have to end."""
    reads: int = -1
    """How often it was told, by SIGUSR1, to read the files of its operator again, and has done so; -1: it cannot."""
    refused: str = ""
    """What is wrong with them, by the last time."""

    @property
    def has_ended(self) -> bool:
        """Whether there is no such process, as far as this container can see: in another one there may be."""
        if self.pid == os.getpid():
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False

    def __str__(self) -> str:
        if self.workers and self.has_ended:
            pids = ", ".join(map(str, self.workers))
            return f"the workers {pids} of {self.doing}, process {self.pid}, which has ended"
        return f"{self.doing}, process {self.pid}" + (f", {self.address}" if self.address else "")


class Hold:
    """A data folder that is held."""

    def __init__(self, file: TextIO, doing: str) -> None:
        self._file = file
        self._owner = Owner(os.getpid(), doing)

    def fileno(self) -> int:
        """The lock. The operating system lets go of it when the last process dies that has it."""
        return self._file.fileno()

    def say(
        self, *, address: str | None = None, workers: Sequence[int] | None = None, grace: float | None = None
    ) -> None:
        """Set what a process reads that finds the folder held; see ``Owner``. What is not given stays as it was."""
        given = {"address": address, "workers": None if workers is None else list(workers), "grace": grace}
        self._say(given)

    def say_read(self, refused: str | None = None) -> None:
        """Say that the files of the operator were read again, or that it can be done.
        ``refused``: what is wrong with them, empty if nothing is; ``None``: they were not read yet."""
        self._say({"reads": self._owner.reads + 1, "refused": refused or ""})

    def _say(self, given: Mapping[str, object]) -> None:
        self._owner = msgspec.structs.replace(
            self._owner, **{name: value for name, value in given.items() if value is not None}
        )
        # It helps to read an error, no more: a full disk must not keep a server from serving.
        with contextlib.suppress(OSError):
            self._file.truncate(0)
            self._file.write(msgspec.json.encode(self._owner).decode())
            self._file.flush()


@contextlib.contextmanager
def sole_owner(home: Path, *, doing: str = "jikko serve", patience: float = TIMEOUT_SECONDS) -> Iterator[Hold]:
    """Hold the data folder, which is made if it is missing, while the block lasts. Blocks.

    Args:
        doing: The command that holds it, for errors of others.
        patience: Seconds to wait for it. The workers of a server that was killed have as long as they need to end in
            good order, if that is more.

    Raises:
        FolderInUse: Another process holds it.
        InvalidSettings: It cannot be written or locked.
    """
    try:
        make_folder(home)
        path = home / "serve.lock"
        tighten(path)
        file = open(path, "a", encoding="utf-8", opener=opener)  # noqa: SIM115
    except OSError as error:
        raise InvalidSettings(
            f"The data folder {home} cannot be used: {error.strerror}. Check that it may be written, or choose another "
            "(JIKKO_HOME)."
        ) from None
    with file:
        _wait_for_lock(file, home, patience)
        hold = Hold(file, doing)
        hold.say()
        try:
            yield hold
        finally:
            with contextlib.suppress(OSError):
                file.truncate(0)


def owner_of(home: Path) -> Owner | None:
    """The process that holds a data folder at this moment; ``None``: none, as far as this machine can see.

    A holder that does not say who it is has the process id 0.
    """
    try:
        import fcntl

        with open(home / "serve.lock", encoding="utf-8") as file:
            # Shared: two that look at once do not see each other, and one that wants to hold it waits for as long.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _owner(home) or Owner(0, "a process")
    except (ImportError, OSError):
        return None
    return None


def _wait_for_lock(file: TextIO, home: Path, patience: float) -> None:
    began, warned = time.monotonic(), False
    while not _lock(file, home):
        owner = _owner(home)
        are_left = owner is not None and bool(owner.workers) and owner.has_ended
        bound = max(patience, owner.grace) if owner is not None and are_left else patience
        if time.monotonic() - began >= bound:
            raise FolderInUse(home, "" if owner is None else str(owner))
        if are_left and not warned:
            warned = True
            log.warning("%s, use the data folder %s; they may take up to %.0f s to end", owner, home, bound)
        time.sleep(_POLL_SECONDS)


def _lock(file: TextIO, home: Path) -> bool:
    """Take the lock, if no process has it."""
    try:
        import fcntl
    except ImportError:
        # Windows; there the operator sees to it.
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise InvalidSettings(
            f"The data folder {home} cannot be locked: {error.strerror}. Choose one on a file system that has locks "
            "(JIKKO_HOME)."
        ) from None
    return True


def _owner(home: Path) -> Owner | None:
    """``None`` if the file does not say: that of an earlier version, or one that is being written."""
    try:
        return msgspec.json.decode((home / "serve.lock").read_bytes(), type=Owner)
    except (OSError, msgspec.DecodeError):
        return None
