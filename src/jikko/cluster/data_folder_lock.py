"""Lock of a data folder: two servers would take over each other's runs."""

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
"""Seconds to wait for the holder: an upgrade or a backup may be about to end."""
_POLL_SECONDS: Final = 0.05
"""Poll interval, in seconds."""


class Owner(msgspec.Struct, omit_defaults=True):
    """Holder of a data folder, according to the lock file. It may be out of date; the lock counts."""

    pid: int
    doing: str
    """Its command, such as ``jikko serve``."""
    address: str = ""
    workers: list[int] = []
    """Process ids of its workers, which hold the folder with it, and after it if it is killed."""
    grace: float = 0.0
    """Seconds that these then have to end."""
    reads: int = -1
    """Number of reloads of the operator's files (SIGUSR1); -1 if it cannot reload."""
    refused: str = ""
    """Problems found by the last reload."""

    @property
    def has_ended(self) -> bool:
        """Return whether the process has ended, as far as this container can see: it may run in another one."""
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
    """A held data folder."""

    def __init__(self, file: TextIO, doing: str) -> None:
        self._file = file
        self._owner = Owner(os.getpid(), doing)

    def fileno(self) -> int:
        """The lock's descriptor. The operating system releases the lock with the last process that has it."""
        return self._file.fileno()

    def say(
        self, *, address: str | None = None, workers: Sequence[int] | None = None, grace: float | None = None
    ) -> None:
        """Update what other processes read in the lock file; see ``Owner``. Omitted values stay."""
        given = {"address": address, "workers": None if workers is None else list(workers), "grace": grace}
        self._say(given)

    def say_read(self, refused: str | None = None) -> None:
        """Record a reload of the operator's files, or that reloading is possible. ``refused``: Its problems, empty if
        there are none; ``None``: no reload yet."""
        self._say({"reads": self._owner.reads + 1, "refused": refused or ""})

    def _say(self, given: Mapping[str, object]) -> None:
        self._owner = msgspec.structs.replace(
            self._owner, **{name: value for name, value in given.items() if value is not None}
        )
        # Informative only: a full disk must not stop a server.
        with contextlib.suppress(OSError):
            os.ftruncate(self.fileno(), 0)
            # Unbuffered: what a full disk refuses would be written, and refused, again by the file's end.
            os.write(self.fileno(), msgspec.json.encode(self._owner))


@contextlib.contextmanager
def sole_owner(home: Path, *, doing: str = "jikko serve", patience: float = TIMEOUT_SECONDS) -> Iterator[Hold]:
    """Hold the data folder for the block, creating it if missing. Blocks.

    Args:
        doing: The holding command, for errors of other processes.
        patience: Seconds to wait. If a server was killed, its workers have their grace period, if that is longer.

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
                os.ftruncate(file.fileno(), 0)


def owner_of(home: Path) -> Owner | None:
    """Return the current holder of a data folder; ``None`` if this machine sees none.

    A holder that does not name itself has the process id 0.
    """
    try:
        import fcntl

        with open(home / "serve.lock", encoding="utf-8") as file:
            # Shared: concurrent checks do not see each other, and a new holder waits for them.
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
    """Take the lock, unless another process has it."""
    try:
        import fcntl
    except ImportError:
        # Windows: the operator has to ensure it.
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
    """Return ``None`` if the file does not say: it is of an earlier version, or being written."""
    try:
        return msgspec.json.decode((home / "serve.lock").read_bytes(), type=Owner)
    except (OSError, msgspec.DecodeError):
        return None
