"""One server per data folder: two would take each other's runs over."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from jikko.errors import InvalidSettings


@contextlib.contextmanager
def sole_owner(home: Path) -> Iterator[None]:
    """Hold the data folder while the block lasts. The operating system lets go of it when the process dies.

    Raises:
        InvalidSettings: Another server holds it.
    """
    try:
        import fcntl
    except ImportError:
        # Windows; there the operator sees to it.
        yield
        return
    with (home / "serve.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InvalidSettings(
                f"Another server uses the data folder {home}. Stop it, or give this one a folder of its own "
                "(JIKKO_HOME)."
            ) from None
        yield
