"""One server per data folder: two would take each other's runs over."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from jikko.errors import InvalidSettings


@contextlib.contextmanager
def sole_owner(home: Path) -> Iterator[TextIO]:
    """Hold the data folder, which is made if it is missing, while the block lasts.

    Yields the lock. The operating system lets go of it when the last process dies that has it.

    Raises:
        InvalidSettings: Another server holds it, or it cannot be written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = (home / "serve.lock").open("a")
    except OSError as error:
        raise InvalidSettings(
            f"The data folder {home} cannot be used: {error.strerror}. Check that it may be written, or choose another "
            "(JIKKO_HOME)."
        ) from None
    with file as lock:
        _lock(lock, home)
        yield lock


def _lock(lock: TextIO, home: Path) -> None:
    try:
        import fcntl
    except ImportError:
        # Windows; there the operator sees to it.
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise InvalidSettings(
            f"Another server uses the data folder {home}. Stop it, or give this one a folder of its own (JIKKO_HOME)."
        ) from None
