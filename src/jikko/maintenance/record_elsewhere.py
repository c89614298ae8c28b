"""A record that is in a database elsewhere, as a backup of the data folder knows it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from msgspec import Struct

from jikko.private import make_whole_file, remove

SIGNING_KEY: Final = "signing.key"
"""The key of links to files; what has a number behind it is only accepted."""
_FIRST_NUMBER: Final = 1_000_000_000
"""So that the files of older keys are in order."""


class KeptElsewhere(NamedTuple):
    """What a database says that a backup needs."""

    owner: str
    """What it belongs to: a data folder, or several servers."""
    keys: Sequence[bytes]
    """Of links to files, the newest first; empty: they are in the data folder."""


class RecordElsewhere(Struct, frozen=True):
    """A database that is copied by what is made for it."""

    address: str
    """Without user and password."""
    command: str
    """What copies it, to be given to a shell; no password is in it."""
    read: Callable[[], KeptElsewhere]
    """Ask the database. Blocks. Raises ``StoreUnavailable``, ``InvalidSettings``."""


def write_keys(folder: Path, keys: Sequence[bytes]) -> None:
    """Put keys of links into a folder, as a data folder has them: closed to others.

    Args:
        keys: The newest first.

    Raises:
        OSError: They cannot be written.
    """
    for path in folder.glob(f"{SIGNING_KEY}*"):
        remove(path)
    make_whole_file(folder / SIGNING_KEY, keys[0])
    for number, key in enumerate(reversed(keys[1:]), _FIRST_NUMBER):
        make_whole_file(folder / f"{SIGNING_KEY}.{number}", key)
