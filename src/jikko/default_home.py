"""The data folder of a user who names none."""

import os
from pathlib import Path

from jikko.errors import InvalidSettings

LOCAL_HOME = Path(".jikko")
"""The data folder of the current folder, if this user owns it, and the link if it is one."""


def default_home() -> Path:
    """The data folder of a user who sets none: that of the current folder, else that of the user.

    Folders above the current one are not searched.

    Raises:
        InvalidSettings: This user has no home.
    """
    if has_local_home():
        return LOCAL_HOME.absolute()
    try:
        return Path.home() / ".jikko"
    except RuntimeError:
        # A user without an entry in the list of users, as containers have them.
        raise InvalidSettings(
            "This user has no home directory: set JIKKO_HOME, the data folder, or use --home."
        ) from None


def has_local_home() -> bool:
    """Whether the current folder has a data folder of this user, other than that of the user's home."""
    try:
        owners = {LOCAL_HOME.stat().st_uid, LOCAL_HOME.lstat().st_uid}
    except OSError:
        return False
    of_user = os.path.realpath(os.path.expanduser("~/.jikko"))
    return LOCAL_HOME.is_dir() and owners == {os.geteuid()} and os.path.realpath(LOCAL_HOME) != of_user
