"""The lock for writing, between processes.

SQLite lets one process write at a time as well, but one that has to wait sleeps, looks again, and sleeps longer: two
processes that write all the time keep each other out for tens of milliseconds. A file lock wakes up who waits.
"""

import sys
from pathlib import Path

from jikko.private import opener

if sys.platform != "win32":
    import fcntl


class WriteLock:
    """The right to write, which one process has at a time. One that dies has it no more."""

    def __init__(self, database: Path) -> None:
        """Raises ``OSError``: the file of the lock, beside the database, cannot be made."""
        self._file = open(database.with_name(f"{database.name}-turn"), "ab", opener=opener)  # noqa: SIM115

    def try_to_acquire(self) -> bool:
        """Take it if no process has it. Returns whether it was taken.
        Raises ``OSError``: the file system cannot lock, now or ever. So do ``acquire`` and ``release``."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def acquire(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def release(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        self._file.close()
