"""API keys in files, to keep them out of logs."""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from jikko.apps.app_keys import AppKeys
from jikko.apps.publishing import AppCatalog
from jikko.ids import is_uuid
from jikko.private import make_folder
from jikko.repositories.app_store import ApiKey, App

_FOLDER: Final = "keys"
_DIGITS: Final = 12
"""Trailing characters of a key's id, unique within an installation."""
_LENGTH: Final = 40
_SEPARATORS: Final = re.compile(r"[\W_]+")


def keep_key(home: Path, entry: ApiKey, key: str, name: str) -> Path:
    """Write a key to its own file in the data folder, readable by the owner only. Returns the path. ``name``: Of the
    app, the prefix of the file's name. Raises ``OSError`` if it cannot be written."""
    folder = home / _FOLDER
    make_folder(folder)
    file = (folder / f"{as_file_name(name)}-{entry.id[-_DIGITS:]}").resolve()
    write_key(file, key)
    return file


def write_key(file: Path, key: str) -> None:
    """Write a key to a file that only the owner can read. Raises ``OSError``, with the file's name."""
    try:
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as opened:
            if hasattr(os, "fchmod"):
                os.fchmod(opened.fileno(), 0o600)
            opened.write(f"{key}\n")
    except OSError as error:
        # With a full disk the system names no file.
        error.filename = str(file)
        raise


def as_file_name(name: str) -> str:
    """Convert an app's name for use in a file name: letters and digits of any script, hyphens for the rest."""
    return _SEPARATORS.sub("-", name.lower())[:_LENGTH].strip("-") or "app"


async def remove_app(app: App, apps: AppCatalog, keys: AppKeys, home: Path) -> None:
    """Delete an app, and the files of its keys. See ``AppCatalog.delete``."""
    forgotten = await keys.of(app)
    await apps.delete(app)
    for key in forgotten:
        forget_key(home, key.id)


def forget_key(home: Path, key_id: str) -> None:
    """Delete a key's file, if it exists."""
    if is_uuid(key_id):
        # Earlier versions used the whole id.
        for file in [*(home / _FOLDER).glob(f"*-{key_id.lower()[-_DIGITS:]}")]:
            with suppress(OSError):
                file.unlink()
