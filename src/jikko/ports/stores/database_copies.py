"""Copying the database of a data folder while it is used."""

from pathlib import Path
from typing import Protocol


class DatabaseCopies(Protocol):
    """Makes and recognises copies. Everything here blocks."""

    def folder_id(self, database: Path) -> str:
        """What the data folder of a database is known by, in all its copies; empty if an earlier version made it.

        Raises:
            StoreUnavailable: It cannot be read.
        """
        ...

    def folder_id_of_copy(self, copy: Path) -> str:
        """The same of a database that may be anything, and is not written to; empty if it does not say."""
        ...

    def copy(self, database: Path, target: Path) -> None:
        """Copy a database as it is at one moment. The target is complete, or as it was.

        Raises:
            StoreUnavailable: The database is damaged.
            OSError: The target cannot be written.
        """
        ...
