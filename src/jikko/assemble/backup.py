"""Picks what copies a data folder."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from jikko.cluster.data_folder import keep_private
from jikko.cluster.data_folder_lock import sole_owner
from jikko.files.disk import DiskBlobs
from jikko.ports.stores.database_copies import DatabaseCopies
from jikko.settings import Settings
from jikko.store.sqlite.copies import SqliteCopies


class BackupTools(NamedTuple):
    """What ``jikko backup`` copies a data folder with."""

    databases: DatabaseCopies
    copy_files: Callable[[Path], int]
    """Copy the content of files that a folder does not have yet. Returns how many."""
    keep_private: Callable[[Path], None]
    """Make the folder if it is missing, and close it to all but the owner."""
    holding: Callable[[Path], AbstractContextManager[object]]
    """Hold the folder as a server does, so that none serves it meanwhile. Raises ``InvalidSettings``: one does."""


def backup_tools(settings: Settings) -> BackupTools:
    """What copies the data folder. Opens nothing yet."""
    return BackupTools(
        SqliteCopies(), DiskBlobs(settings.files).copy_to, keep_private, partial(sole_owner, doing="jikko backup")
    )
