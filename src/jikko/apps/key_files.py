"""API keys in files: where a key goes that is not to stand in a log."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from jikko.ids import is_uuid
from jikko.ports.stores.app_store import ApiKey
from jikko.private import make_folder

_FOLDER: Final = "keys"


def keep_key(home: Path, entry: ApiKey, key: str) -> Path:
    """Write a key into a file of its own in the data folder, which its owner alone reads. Returns its path.

    Raises:
        OSError: It cannot be written.
    """
    folder = home / _FOLDER
    make_folder(folder)
    file = (folder / entry.id).resolve()
    write_key(file, key)
    return file


def write_key(file: Path, key: str) -> None:
    """Write a key into a file, which its owner alone reads afterwards, whatever it was before.

    Raises:
        OSError: It cannot be written.
    """
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
        if hasattr(os, "fchmod"):
            os.fchmod(opened.fileno(), 0o600)
        opened.write(f"{key}\n")


def forget_key(home: Path, key_id: str) -> None:
    """Remove the file of a key, if there is one."""
    if is_uuid(key_id):
        with suppress(OSError):
            (home / _FOLDER / key_id.lower()).unlink()
