"""API keys in files: where a key goes that is not to stand in a log."""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from jikko.ids import is_uuid
from jikko.private import make_folder
from jikko.repositories.app_store import ApiKey

_FOLDER: Final = "keys"
_DIGITS: Final = 12
"""Of the id of a key, at its end, which no other key of an installation shares."""
_LENGTH: Final = 40
_SEPARATORS: Final = re.compile(r"[\W_]+")


def keep_key(home: Path, entry: ApiKey, key: str, name: str) -> Path:
    """Write a key into a file of its own in the data folder, which its owner alone reads. Returns its path.
    ``name``: of its app, which begins the name of the file. Raises ``OSError``: it cannot be written."""
    folder = home / _FOLDER
    make_folder(folder)
    file = (folder / f"{as_file_name(name)}-{entry.id[-_DIGITS:]}").resolve()
    write_key(file, key)
    return file


def write_key(file: Path, key: str) -> None:
    """Write a key into a file, which its owner alone reads afterwards, whatever it was before.
    Raises ``OSError`` with its name: it cannot be written."""
    try:
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
            if hasattr(os, "fchmod"):
                os.fchmod(opened.fileno(), 0o600)
            opened.write(f"{key}\n")
    except OSError as error:
        # Where the disk is full, the system names none.
        error.filename = str(file)
        raise


def as_file_name(name: str) -> str:
    """A name of an app as part of a file's name: letters and digits of any script, the rest as hyphens."""
    return _SEPARATORS.sub("-", name.lower())[:_LENGTH].strip("-") or "app"


def forget_key(home: Path, key_id: str) -> None:
    """Remove the file of a key, if there is one."""
    if is_uuid(key_id):
        # Earlier versions called it by the whole id.
        for file in [*(home / _FOLDER).glob(f"*-{key_id.lower()[-_DIGITS:]}")]:
            with suppress(OSError):
                file.unlink()
