"""Default data folder."""

import os
from pathlib import Path

from jikko.errors import InvalidSettings

LOCAL_HOME = Path(".jikko")
"""Data folder of the current folder, used if this user owns it (and the link, if it is one)."""


def default_home() -> Path:
    """Return the default data folder: that of the current folder, else that of the user. Folders above the current one
    are not searched. Raises ``InvalidSettings``: this user has no home."""
    if has_local_home():
        return LOCAL_HOME.absolute()
    try:
        return Path.home() / ".jikko"
    except RuntimeError:
        # The user has no entry in the user database, as in containers.
        raise InvalidSettings(
            "This user has no home directory: set JIKKO_HOME, the data folder, or use --home."
        ) from None


def has_local_home() -> bool:
    """Return whether the current folder has a data folder of this user, other than the one in the user's home."""
    try:
        owners = {LOCAL_HOME.stat().st_uid, LOCAL_HOME.lstat().st_uid}
    except OSError:
        return False
    of_user = os.path.realpath(os.path.expanduser("~/.jikko"))
    return LOCAL_HOME.is_dir() and owners == {os.geteuid()} and os.path.realpath(LOCAL_HOME) != of_user
